"""The gateway to PayPal: orders, captures and refunds as plain, checked values.

Sources: PayPal's Orders v2, Payments v2 and Webhooks v1 APIs, https://developer.paypal.com/docs/api/.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib import aws, deadlines, money, telemetry
from chalicelib.config import settings
from chalicelib.money import Money
from chalicelib.payments.paypal import refusals
from chalicelib.payments.paypal.errors import (
    PayPalAccessDenied,
    PayPalAuthError,
    PayPalNotFound,
    PayPalOutcomeUnknown,
    PayPalRejected,
)
from chalicelib.telemetry import Metric

if TYPE_CHECKING:
    from chalicelib.payments.paypal.api_client import Client
from chalicelib.payments.paypal.answers import is_id, read_capture, read_order, read_refund, understanding
from chalicelib.payments.paypal.values import Capture, PayPalOrder, Refund

SECONDS_PER_REQUEST = 20.0
NOT_WELL_FORMED = (400, 422)  # what PayPal answers to a notification that it cannot have sent
MAX_NOTE_LENGTH = 255  # of the note to the payer of a refund
_EVENT_ID = re.compile(r"[A-Za-z0-9-]{1,60}", re.ASCII)
_deadline: ContextVar[float | None] = ContextVar("paypal_deadline", default=None)


@contextmanager
def time_budget(seconds: float) -> Iterator[None]:
    """Limit all calls inside to a common time; a shopper's request allows 20 s.

    If nested, the shorter time counts.
    """
    around = _deadline.get()
    own = deadlines.deadline_in(seconds)
    token = _deadline.set(own if around is None else min(own, around))
    try:
        yield
    finally:
        _deadline.reset(token)


def create_order(body: Mapping[str, Any], request_id: str) -> PayPalOrder:
    """Create a PayPal order. The same request ID leads to the same order."""
    from chalicelib.payments.paypal import api_client

    request = api_client.OrdersCreateRequest()
    _make_idempotent(request, request_id)
    request.request_body(dict(body))
    order = read_order(_send(request))
    checked_link(order.approval_url)
    return order


def get_order(paypal_id: str) -> PayPalOrder:
    """Read an order's current state. Raises PayPalNotFound once PayPal has deleted it."""
    from chalicelib.payments.paypal import api_client

    return read_order(_send(api_client.OrdersGetRequest(_checked(paypal_id))))


def capture_order(paypal_id: str, request_id: str) -> PayPalOrder:
    """Take the money. The same request ID takes it only once."""
    from chalicelib.payments.paypal import api_client

    request = api_client.OrdersCaptureRequest(_checked(paypal_id))
    _make_idempotent(request, request_id)
    request.request_body({})
    return read_order(_send(request))


def get_capture(capture_id: str) -> Capture:
    """Read a capture's current state."""
    from chalicelib.payments.paypal import api_client

    return read_capture(_send(api_client.CapturesGetRequest(_checked(capture_id))))


def refund_capture(capture_id: str, amount: Money, refund_id: str, note: str) -> Refund:
    """Refund money.

    The same refund ID refunds it only once, and PayPal includes it wherever it reports the refund.
    """
    from chalicelib.payments.paypal import api_client

    request = api_client.CapturesRefundRequest(_checked(capture_id))
    _make_idempotent(request, f"refund:{refund_id}")
    value = money.to_decimal_string(amount.amount, amount.currency)
    request.request_body(
        {
            "amount": {"currency_code": amount.currency, "value": value},
            "custom_id": refund_id,
            "note_to_payer": note[:MAX_NOTE_LENGTH],
        }
    )
    return read_refund(_send(request), capture_id)


def get_refund(refund_id: str) -> Refund:
    """Read a refund's current state."""
    from chalicelib.payments.paypal import api_client

    return read_refund(_send(api_client.RefundsGetRequest(_checked(refund_id))), None)


def get_event(event_id: str) -> Mapping[str, Any]:
    """Read PayPal's own copy of an event that a notification named."""
    from chalicelib.payments.paypal import api_client

    if not _EVENT_ID.fullmatch(event_id):
        raise PayPalRejected("not an event's id")
    return _send(api_client.EventGetRequest(event_id))


def is_genuine(notification: bytes, headers: Mapping[str, str]) -> bool:
    """Ask whether PayPal signed a notification for our webhook. Raises PayPalOutcomeUnknown if it does not say.

    `notification` is the body as it came, one JSON object: PayPal checks these very bytes, so they are embedded
    in the request unchanged. `headers` has lower-case names.
    """
    from chalicelib.payments.paypal import api_client

    question = {
        "auth_algo": headers["paypal-auth-algo"],
        "cert_url": headers["paypal-cert-url"],
        "transmission_id": headers["paypal-transmission-id"],
        "transmission_sig": headers["paypal-transmission-sig"],
        "transmission_time": headers["paypal-transmission-time"],
        "webhook_id": settings.paypal_webhook_id,
    }
    begun = json.dumps(question, separators=(",", ":")).removesuffix("}")
    body = begun.encode() + b',"webhook_event":' + notification + b"}"
    try:
        answer = _send(api_client.VerifySignatureRequest(body))
    except PayPalRejected as refused:
        if refused.status in NOT_WELL_FORMED:
            return False
        refusals.record_refusal(refusals.RefusalKind.QUESTIONS, refused)
        raise PayPalOutcomeUnknown(f"status {refused.status} {refused.issue}", refused.debug_id) from None
    except PayPalNotFound as gone:
        raise PayPalOutcomeUnknown(f"no verification: {gone.issue}", gone.debug_id) from None
    with understanding("a verification"):
        return {"SUCCESS": True, "FAILURE": False}[answer["verification_status"]]


def checked_link(link: str | None) -> str:
    """Return an approval link that leads to PayPal.

    Raises PayPalOutcomeUnknown otherwise: shoppers are sent nowhere else.
    """
    if link is None or not link.startswith(settings.paypal_web_url + "/"):
        raise PayPalOutcomeUnknown("no link to approve an order at PayPal")
    return link


@cache
def _client() -> "Client":
    from chalicelib.payments.paypal.api_client import Client

    return Client(settings.paypal_client_id, _secret(), settings.paypal_api_url, settings.paypal_web_url)


def _secret() -> str:
    if not settings.paypal_client_secret_parameter:
        return settings.paypal_client_secret
    name = settings.paypal_client_secret_parameter
    parameter = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
    return str(parameter["Parameter"]["Value"])


def _send(request: Any) -> dict[str, Any]:
    deadline = _deadline.get() or time.monotonic() + SECONDS_PER_REQUEST
    if time.monotonic() >= deadline:
        raise PayPalOutcomeUnknown("no time left to ask")
    try:
        try:
            return _client().send(request, deadline)
        except PayPalAuthError:  # the secret may have been replaced since this process read it
            _client.cache_clear()
            return _client().send(request, deadline)
    except PayPalAccessDenied as error:
        refusals.record_refusal(refusals.RefusalKind.PAYMENTS, error)
        raise
    except PayPalRejected as error:
        if request.verb == "GET":  # other callers know what each refusal of their call means
            refusals.record_refusal(refusals.RefusalKind.QUESTIONS, error)
        raise
    except PayPalOutcomeUnknown:
        telemetry.count(Metric.PAYMENT_ERRORS)
        raise


def _make_idempotent(request: Any, request_id: str) -> None:
    """Make PayPal execute a request once, however often it arrives, and answer with the full resource."""
    request.headers.update({"PayPal-Request-Id": request_id, "Prefer": "return=representation"})


def _checked(paypal_id: str) -> str:
    if not is_id(paypal_id):
        raise PayPalRejected("not an id")
    return paypal_id
