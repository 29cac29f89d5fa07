"""Verify PayPal's notifications locally, and put what they name on the queue.

The signature covers `transmission id|time|webhook id|CRC32 of the body`, RSA PKCS#1 v1.5 with SHA-256; the
certificate chain is fetched from PayPal. See https://developer.paypal.com/api/rest/webhooks/rest/. A CRC32 can be
forged, so a verified notification still proves nothing about money: it only says where to look for the truth.
"""

import base64
import binascii
import json
import re
import threading
import warnings
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chalice.app import Request

from chalicelib import clock, telemetry
from chalicelib.aws import client, queue_url
from chalicelib.config import PAYPAL_API_HOSTS, PAYPAL_SANDBOX_HOSTS, ConfigError, settings
from chalicelib.errors import BadInput, Busy, TooLarge
from chalicelib.payments.paypal import is_id
from chalicelib.web import requests

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

QUEUE = "payment-notifications"
ALGORITHM = "SHA256withRSA"
SIMULATOR = "WEBHOOK_ID"  # what PayPal's webhook simulator signs with; anybody can make it sign
CERTIFICATES = "/v1/notifications/certs/"
MOST_BYTES_OF_A_BODY = 256 * 1024
MOST_BYTES_OF_A_CHAIN = 64 * 1024
MOST_CHAINS = 8
FETCH_SECONDS = (3.0, 5.0)
_EVENT_ID = re.compile(r"[A-Za-z0-9-]{1,60}", re.ASCII)
_EVENT_TYPE = re.compile(r"[A-Z0-9_.-]{1,80}", re.ASCII)
_CERTIFICATE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)  # neither `.` nor `..`
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Forged(BadInput):
    """Not signed by PayPal for this shop."""

    title = "Not a notification for this shop"


def receive(request: Request) -> None:
    """Verify a notification and enqueue it. Raises Forged, or Busy where it cannot be told: then PayPal comes again."""
    body = request.raw_body
    raw = body if isinstance(body, bytes) else body.encode()
    if len(raw) > MOST_BYTES_OF_A_BODY:
        raise TooLarge("That is larger than any notification.")
    verify(raw, {name: requests.header(request, name) for name in HEADERS})
    message = read_message(raw)
    telemetry.note(event=message["event"], event_type=message["type"])
    queue = queue_url(settings.table_prefix + QUEUE)
    client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))
    telemetry.events_log.info("a notification of PayPal's was taken")


HEADERS = (
    "paypal-transmission-id",
    "paypal-transmission-time",
    "paypal-transmission-sig",
    "paypal-cert-url",
    "paypal-auth-algo",
)


def verify(body: bytes, headers: Mapping[str, str]) -> None:
    """Check a notification's signature. `headers` has lower-case names. Raises Forged, or Busy."""
    webhook_id = settings.paypal_webhook_id
    if not webhook_id:
        raise Busy("This shop does not take notifications yet.")
    if settings.paypal_is_live and webhook_id == SIMULATOR:
        raise Forged("This shop does not take what PayPal's simulator signs.")
    if headers["paypal-auth-algo"] != ALGORITHM:
        raise Forged("The signature's algorithm is not the one that PayPal uses.")
    signed = "|".join(
        (
            headers["paypal-transmission-id"],
            headers["paypal-transmission-time"],
            webhook_id,
            str(zlib.crc32(body)),
        )
    )
    try:
        signature = base64.b64decode(headers["paypal-transmission-sig"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Forged("The signature is not one.") from error
    _check_signature(_public_key(headers["paypal-cert-url"]), signature, signed.encode())


def read_message(body: bytes) -> dict[str, str]:
    """Read which event, order, capture or refund a notification names. Raises Forged for what is no event."""
    try:
        event = json.loads(body)
        message = {"event": str(event["id"]), "type": str(event["event_type"])}
        resource = event.get("resource", {})
        named = {str(event.get("resource_type", "")): resource.get("id")}
        related = resource.get("supplementary_data", {}).get("related_ids", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Forged("This is no event of PayPal's.") from error
    if not _EVENT_ID.fullmatch(message["event"]) or not _EVENT_TYPE.fullmatch(message["type"]):
        raise Forged("This is no event of PayPal's.")
    ids = {
        "order": named.get("checkout-order") or _text(resource, "order_id") or _text(related, "order_id"),
        "capture": named.get("capture") or _text(related, "capture_id"),
        "refund": named.get("refund"),
    }
    return message | {name: value for name, value in ids.items() if isinstance(value, str) and is_id(value)}


def _text(mapping: object, name: str) -> object:
    return mapping.get(name) if isinstance(mapping, dict) else None


# -- the certificate --------------------------------------------------------------------------------------

_keys: dict[str, tuple["RSAPublicKey", datetime]] = {}
_lock = threading.Lock()


def _public_key(url: str) -> "RSAPublicKey":
    """Return the key of the certificate at a URL of PayPal's, kept until the certificate ends."""
    _check_address(url)
    with _lock:
        known = _keys.get(url)
    if known is not None and known[1] > clock.now():
        return known[0]
    key, ends = _verified_key(_fetch(url))
    with _lock:
        if len(_keys) >= MOST_CHAINS:
            _keys.clear()
        _keys[url] = (key, ends)
    return key


def _check_address(url: str) -> None:
    paypal = PAYPAL_API_HOSTS | PAYPAL_SANDBOX_HOSTS
    allowed = paypal if settings.paypal_api_url in paypal else {settings.paypal_api_url}
    # Compared letter by letter: what is not split apart cannot be split apart otherwise than the fetch does.
    origin, _, name = url.partition(CERTIFICATES)
    if origin not in allowed or not _CERTIFICATE_NAME.fullmatch(name):
        raise Forged("The certificate is not PayPal's.")


def _fetch(url: str) -> bytes:
    import requests as http

    try:
        with http.Session() as session:
            session.trust_env = False
            answer = session.get(url, timeout=FETCH_SECONDS, allow_redirects=False, stream=True)
            body = answer.raw.read(MOST_BYTES_OF_A_CHAIN + 1, decode_content=True)
    except (http.RequestException, OSError) as error:
        raise Busy("PayPal's certificate cannot be fetched now.") from error
    except Exception as error:  # urllib3's own errors, read from the raw stream, share no base with requests'
        if type(error).__module__.startswith("urllib3"):
            raise Busy("PayPal's certificate cannot be fetched now.") from error
        raise
    if answer.status_code != 200 or len(body) > MOST_BYTES_OF_A_CHAIN:
        raise Busy("PayPal's certificate cannot be fetched now.")
    return bytes(body)


def _verified_key(pem: bytes) -> tuple["RSAPublicKey", datetime]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    name = "messageverificationcerts" + ("" if settings.paypal_is_live else ".sandbox") + ".paypal.com"
    policy = PolicyBuilder().store(Store(_roots(settings.paypal_webhook_roots))).time(clock.now())
    try:
        leaf, *others = x509.load_pem_x509_certificates(pem)
        policy.build_server_verifier(x509.DNSName(name)).verify(leaf, others)
        key = leaf.public_key()
    except (ValueError, VerificationError) as error:
        raise Forged("The certificate does not lead up to PayPal.") from error
    if not isinstance(key, RSAPublicKey):
        raise Forged("The certificate's key is not of PayPal's kind.")
    return key, leaf.not_valid_after_utc


@cache
def _roots(file: str) -> "list[x509.Certificate]":
    """Load the roots in a file, or the public ones, without those that cryptography cannot or soon will not read."""
    import certifi
    from cryptography import x509
    from cryptography.utils import CryptographyDeprecationWarning

    roots = []
    with _lock, warnings.catch_warnings():  # locked, because filters belong to the whole process
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        for pem in _PEM.findall(Path(file or certifi.where()).read_bytes()):
            with suppress(ValueError, CryptographyDeprecationWarning):
                roots.append(x509.load_pem_x509_certificate(pem))
    if not roots:
        raise ConfigError(f"PAYPAL_WEBHOOK_ROOTS holds no certificate: {file!r}.")
    return roots


def _check_signature(key: "RSAPublicKey", signature: bytes, signed: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    try:
        key.verify(signature, signed, PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise Forged("The signature is not PayPal's.") from error
