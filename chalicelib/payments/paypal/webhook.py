"""Receive PayPal's notifications: ask PayPal whether they are genuine, and enqueue the IDs that they name.

Only PayPal knows everything that its signatures depend on, so it is asked about each, with the body byte for
byte as it came: https://developer.paypal.com/docs/api/webhooks/v1/#verify-webhook-signature_post. It is only
asked about this shop's orders: a notification about others is accepted without asking, and costs one read. A
genuine notification still proves nothing about money: it only says what to ask PayPal about.
"""

import base64
import binascii
import json
import logging
import re
import threading
from collections.abc import Mapping
from typing import Any

from chalicelib import rate_limits, telemetry
from chalicelib.aws import client, queue_url
from chalicelib.config import settings
from chalicelib.database.reads import MAX_KEYS_PER_BATCH_GET, batch_get
from chalicelib.errors import PayloadTooLarge, ServiceUnavailable, TooManyRequests
from chalicelib.orders.models import OrderLookup
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.errors import PayPalError
from chalicelib.payments.paypal.events import (
    EVENT_TYPES,
    InvalidSignature,
    message_of,
    order_ids,
    paypal_ids,
    read_event,
)

QUEUE = "paypal-webhooks"
ALGORITHM = "SHA256withRSA"
SIMULATOR = "WEBHOOK_ID"  # what PayPal's webhook simulator signs for; anybody can use it
HEADERS = (
    "paypal-transmission-id",
    "paypal-transmission-time",
    "paypal-transmission-sig",
    "paypal-cert-url",
    "paypal-auth-algo",
)
MAX_BYTES = 256 * 1024
VERIFY_SECONDS = 5.0
MAX_CONCURRENCY = 2  # per process: a flood must not take all of its threads
RETRY_SECONDS = 5
UNKNOWN_ORDER = "no order"  # counts events of a subscribed type that name no order
_TRANSMISSION_ID = re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_CERTIFICATE = re.compile(r"https://([a-z0-9-]{1,63}\.){1,5}paypal\.com/[A-Za-z0-9._~/-]{1,200}", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,200}", re.ASCII)
MAX_SIGNATURE_LENGTH = 500
log = logging.getLogger("awning")
_verifying = threading.BoundedSemaphore(MAX_CONCURRENCY)


def receive(headers: Mapping[str, str], body: bytes | str) -> None:
    """Enqueue a notification that PayPal confirms; ignore one that concerns nothing of this shop.

    `headers` are those of HEADERS, "" if missing; `body` is unchanged. Raises InvalidSignature if PayPal did not send
    it, TooManyRequests for a flood, and ServiceUnavailable if that cannot be verified: then PayPal sends it again, for
    three days.
    """
    try:
        raw = body if isinstance(body, bytes) else body.encode()
    except UnicodeError as error:
        raise InvalidSignature("This isn't a PayPal event.") from error
    if len(raw) > MAX_BYTES:
        raise PayloadTooLarge("This is too large for a notification.")
    if not settings.paypal_webhook_id:
        raise ServiceUnavailable("This shop doesn't accept notifications yet.")
    check_headers(headers)
    event = read_event(raw)
    message = message_of(event)
    telemetry.add_log_context(event=message["event"], event_type=message["type"])
    about = find_subject(event)
    if about is None:
        telemetry.events_log.info("notification ignored: not about this shop")
        return
    verify(raw, headers, about)
    queue = queue_url(settings.table_prefix + QUEUE)
    client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))
    telemetry.events_log.info("PayPal notification accepted")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise InvalidSignature for headers that PayPal does not send. `headers` has lower-case names."""
    if settings.paypal_is_live and settings.paypal_webhook_id == SIMULATOR:
        raise InvalidSignature("This shop doesn't accept events from PayPal's simulator.")
    if headers["paypal-auth-algo"] != ALGORITHM:
        raise InvalidSignature("The signature algorithm isn't PayPal's.")
    if not _TRANSMISSION_ID.fullmatch(headers["paypal-transmission-id"]):
        raise InvalidSignature("The transmission ID is invalid.")
    if not _TIME.fullmatch(headers["paypal-transmission-time"]):
        raise InvalidSignature("The transmission time is invalid.")
    if not _is_at_paypal(headers["paypal-cert-url"]):
        raise InvalidSignature("The certificate isn't PayPal's.")
    signature = headers["paypal-transmission-sig"]
    try:
        is_signature = (
            bool(base64.b64decode(signature, validate=True)) and len(signature) <= MAX_SIGNATURE_LENGTH
        )
    except (binascii.Error, ValueError):
        is_signature = False
    if not is_signature:
        raise InvalidSignature("The signature is invalid.")


def _is_at_paypal(url: str) -> bool:
    origin = settings.paypal_api_url  # the fake PayPal's certificate is there
    rest = url.removeprefix(origin)
    return bool(_CERTIFICATE.fullmatch(url) or (rest != url and _PATH.fullmatch(rest)))


def find_subject(event: Mapping[str, Any]) -> str | None:
    """Return the ID of our order that an event names; None if it names none, UNKNOWN_ORDER if it may be about any.

    The latter is an event of a subscribed type that names nothing, or more than one read can look up.
    """
    orders = order_ids(event)
    pointers = [f"{kind}#{id_}" for id_ in paypal_ids(event) for kind in ("paypal", "capture")]
    named = [*orders, *pointers]
    if 0 < len(named) <= MAX_KEYS_PER_BATCH_GET:
        found: dict[str, OrderLookup] = batch_get({OrderLookup: named})[OrderLookup]
        return min((key if key in orders else row.order_id for key, row in found.items()), default=None)
    return UNKNOWN_ORDER if event["event_type"] in EVENT_TYPES else None


def verify(body: bytes, headers: Mapping[str, str], about: str) -> None:
    """Ask PayPal whether it signed this body for our webhook.

    Raises InvalidSignature, TooManyRequests, or ServiceUnavailable.
    """
    if not _verifying.acquire(blocking=False):
        raise TooManyRequests("Too many notifications at once. Please send this one again.", RETRY_SECONDS)
    try:
        rate_limits.check_verification_rate(about)
        with gateway.time_budget(VERIFY_SECONDS):
            is_genuine = gateway.is_genuine(body, headers)
    except PayPalError as error:
        log.warning("notification could not be verified: %s", error)
        raise ServiceUnavailable("PayPal can't verify this notification right now.") from error
    finally:
        _verifying.release()
    if not is_genuine:
        raise InvalidSignature("PayPal hasn't signed this for this shop.")
