"""The gateway to PayPal, in the shop's words: orders, captures and refunds as plain, checked values.

Sources: PayPal's Orders v2, Payments v2 and Webhooks v1 APIs, https://developer.paypal.com/docs/api/.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib import aws, clock, money, telemetry
from chalicelib.config import settings
from chalicelib.money import Money
from chalicelib.payments import refusals
from chalicelib.payments.errors import AccessRefused, PayPalGone, PayPalRefused, PayPalUnknown, SecretRefused
from chalicelib.telemetry import Metric

if TYPE_CHECKING:
    from chalicelib.payments.paypal_http import Client

SECONDS_A_REQUEST = 20.0
CAPTURE_STATES = {"COMPLETED", "PENDING", "DECLINED", "FAILED", "PARTIALLY_REFUNDED", "REFUNDED"}
NOT_WELL_FORMED = (400, 422)  # what PayPal answers to a notification that it cannot have sent
LONGEST_NOTE = 255  # to the payer of a refund
_ID = re.compile(r"[A-Z0-9]{1,36}", re.ASCII)
_EVENT_ID = re.compile(r"[A-Za-z0-9-]{1,60}", re.ASCII)
_deadline: ContextVar[float | None] = ContextVar("paypal_deadline", default=None)


@dataclass(frozen=True)
class Payee:
    """Who PayPal says is paid: an account's id, its e-mail address, or both, in lower case."""

    merchant_id: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Capture:
    """Money PayPal took, holds or declined to take for us."""

    id: str
    status: str  # one of CAPTURE_STATES
    money: Money
    custom_id: str | None
    fee: int | None  # minor units of the capture's own currency
    at: str  # in UTC, as every moment here
    order_id: str | None  # PayPal's order
    payee: Payee | None = None  # told by GET capture, not by GET order


@dataclass(frozen=True)
class Refund:
    """Money given back for a capture."""

    id: str
    status: str  # COMPLETED, PENDING, FAILED, CANCELLED
    money: Money
    fee: int | None  # what PayPal gives back of its own
    at: str
    capture_id: str | None
    own_id: str = ""  # under which we asked for it; of the dashboard's refunds, whatever PayPal puts there


@dataclass(frozen=True)
class PayPalOrder:
    """PayPal's order: what the shopper approves."""

    id: str
    status: str  # CREATED, PAYER_ACTION_REQUIRED, APPROVED, COMPLETED, VOIDED, SAVED
    payee: Payee | None
    link: str | None
    captures: tuple[Capture, ...]
    refunds: tuple[Refund, ...]

    @property
    def is_dead(self) -> bool:
        """Tell an order that can never be paid: voided, or completed with nothing but declined captures."""
        if self.status == "VOIDED":
            return True
        return bool(self.captures) and all(c.status in ("DECLINED", "FAILED") for c in self.captures)


@dataclass(frozen=True)
class Reversal:
    """Money a bank or PayPal took back, as the notification's own event tells it."""

    id: str
    money: Money
    at: str
    capture_id: str


@dataclass(frozen=True)
class Won:
    """A dispute that PayPal decided for the shop: what it or a bank had taken of a capture comes back."""

    id: str
    capture_id: str
    at: str  # when it was decided
    money: Money | None  # at most so much; None where PayPal does not tell it for this capture alone


# -- calls ------------------------------------------------------------------------------------------------


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all calls inside a common time; a shopper's request gives 20 s. Inside another, the shorter one counts."""
    around = _deadline.get()
    own = clock.ends(seconds)
    token = _deadline.set(own if around is None else min(own, around))
    try:
        yield
    finally:
        _deadline.reset(token)


def create_order(body: Mapping[str, Any], request_id: str) -> PayPalOrder:
    """Create PayPal's order. The same request id leads to the same order."""
    from chalicelib.payments import paypal_http

    request = paypal_http.OrdersCreateRequest()
    _ask_once(request, request_id)
    request.request_body(dict(body))
    order = _order(_send(request))
    checked_link(order.link)
    return order


def get_order(paypal_id: str) -> PayPalOrder:
    """Ask for the truth about an order. Raises PayPalGone where its life is over."""
    from chalicelib.payments import paypal_http

    return _order(_send(paypal_http.OrdersGetRequest(_checked(paypal_id))))


def capture_order(paypal_id: str, request_id: str) -> PayPalOrder:
    """Take the money. The same request id takes it once."""
    from chalicelib.payments import paypal_http

    request = paypal_http.OrdersCaptureRequest(_checked(paypal_id))
    _ask_once(request, request_id)
    request.request_body({})
    return _order(_send(request))


def get_capture(capture_id: str) -> Capture:
    """Ask for the truth about a capture."""
    from chalicelib.payments import paypal_http

    return _capture(_send(paypal_http.CapturesGetRequest(_checked(capture_id))))


def refund_capture(capture_id: str, amount: Money, own_id: str, note: str) -> Refund:
    """Give money back. The same id of ours gives it once, and PayPal repeats it wherever it tells of the refund."""
    from chalicelib.payments import paypal_http

    request = paypal_http.CapturesRefundRequest(_checked(capture_id))
    _ask_once(request, f"refund:{own_id}")
    value = money.decimal_string(amount.amount, amount.currency)
    request.request_body(
        {
            "amount": {"currency_code": amount.currency, "value": value},
            "custom_id": own_id,
            "note_to_payer": note[:LONGEST_NOTE],
        }
    )
    return _refund(_send(request), capture_id)


def get_refund(refund_id: str) -> Refund:
    """Ask for the truth about a refund."""
    from chalicelib.payments import paypal_http

    return _refund(_send(paypal_http.RefundsGetRequest(_checked(refund_id))), None)


def get_event(event_id: str) -> Mapping[str, Any]:
    """Ask PayPal for an event that a notification named: its own copy, not what was delivered."""
    from chalicelib.payments import paypal_http

    if not _EVENT_ID.fullmatch(event_id):
        raise PayPalRefused("not an event's id")
    return _send(paypal_http.EventGetRequest(event_id))


def is_genuine(notification: bytes, headers: Mapping[str, str]) -> bool:
    """Ask whether PayPal signed a notification for our webhook. Raises PayPalUnknown where it does not say.

    `notification` is the body as it came, one JSON object: PayPal judges these very bytes, so they are not read and
    written anew, but stand in the question unchanged. `headers` has lower-case names.
    """
    from chalicelib.payments import paypal_http

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
        answer = _send(paypal_http.VerifySignatureRequest(body))
    except PayPalRefused as refused:
        if refused.status in NOT_WELL_FORMED:
            return False
        refusals.note(refusals.Kind.QUESTIONS, refused)
        raise PayPalUnknown(f"status {refused.status} {refused.issue}", refused.debug_id) from None
    except PayPalGone as gone:
        raise PayPalUnknown(f"nobody there to verify: {gone.issue}", gone.debug_id) from None
    with _understanding("a verification"):
        return {"SUCCESS": True, "FAILURE": False}[answer["verification_status"]]


def checked_link(link: str | None) -> str:
    """Return an approval link that leads to PayPal. Raises PayPalUnknown: nobody is sent anywhere else."""
    if link is None or not link.startswith(settings.paypal_web_url + "/"):
        raise PayPalUnknown("no link to approve an order at PayPal")
    return link


def is_id(text: str) -> bool:
    """Tell what can be an id of PayPal's; anything else would be a path."""
    return bool(_ID.fullmatch(text))


@cache
def _client() -> "Client":
    from chalicelib.payments.paypal_http import Client

    return Client(settings.paypal_client_id, _secret(), settings.paypal_api_url, settings.paypal_web_url)


def _secret() -> str:
    if not settings.paypal_client_secret_parameter:
        return settings.paypal_client_secret
    name = settings.paypal_client_secret_parameter
    parameter = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
    return str(parameter["Parameter"]["Value"])


def _send(request: Any) -> dict[str, Any]:
    deadline = _deadline.get() or time.monotonic() + SECONDS_A_REQUEST
    if time.monotonic() >= deadline:
        raise PayPalUnknown("no time left to ask")
    try:
        try:
            return _client().send(request, deadline)
        except SecretRefused:  # it may have been replaced since this process read it
            _client.cache_clear()
            return _client().send(request, deadline)
    except AccessRefused as error:
        refusals.note(refusals.Kind.PAYMENTS, error)
        raise
    except PayPalRefused as error:
        if request.verb == "GET":  # whoever makes another call knows what each refusal of it means
            refusals.note(refusals.Kind.QUESTIONS, error)
        raise
    except PayPalUnknown:
        telemetry.count(Metric.PAYMENT_ERRORS)
        raise


def _ask_once(request: Any, request_id: str) -> None:
    """Make a request that PayPal does once, however often it arrives, and answers with everything it knows."""
    request.headers.update({"PayPal-Request-Id": request_id, "Prefer": "return=representation"})


def _checked(paypal_id: str) -> str:
    if not is_id(paypal_id):
        raise PayPalRefused("not an id")
    return paypal_id


# -- answers ----------------------------------------------------------------------------------------------


@contextmanager
def _understanding(what: str) -> Iterator[None]:
    # An answer that lacks something may follow on money that moved: it is unknown, never a no.
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        telemetry.count(Metric.PAYMENT_ERRORS)
        raise PayPalUnknown(f"{what} that cannot be understood: {type(error).__name__}") from None


def _order(answer: Mapping[str, Any]) -> PayPalOrder:
    with _understanding("an order"):
        unit = answer["purchase_units"][0]
        payments = unit.get("payments", {})
        captures = payments.get("captures", [])
        if answer["status"] == "COMPLETED" and not captures:
            raise ValueError("completed without a capture")
        custom_id = unit.get("custom_id")
        return PayPalOrder(
            id=_known_id(answer["id"]),
            status=str(answer["status"]),
            payee=_payee(unit.get("payee", {})),
            link=_approval_link(answer.get("links", [])),
            captures=tuple(_capture({"custom_id": custom_id, **c}, str(answer["id"])) for c in captures),
            refunds=tuple(_refund(r, None) for r in payments.get("refunds", [])),
        )


def _capture(answer: Mapping[str, Any], order_id: str | None = None) -> Capture:
    with _understanding("a capture"):
        amount = _money(answer["amount"])
        fee = answer.get("seller_receivable_breakdown", {}).get("paypal_fee")
        return Capture(
            id=_known_id(answer["id"]),
            status=_known_status(answer["status"]),
            money=amount,
            custom_id=answer.get("custom_id"),
            fee=_fee(fee, amount.currency),
            at=_utc(answer.get("update_time") or answer.get("create_time")),
            order_id=order_id or _linked(answer, "orders"),
            payee=_payee(answer.get("payee", {})),
        )


def _refund(answer: Mapping[str, Any], capture_id: str | None) -> Refund:
    with _understanding("a refund"):
        amount = _money(answer["amount"])
        fee = answer.get("seller_payable_breakdown", {}).get("paypal_fee")
        return Refund(
            id=_known_id(answer["id"]),
            status=str(answer["status"]),
            money=amount,
            fee=_fee(fee, amount.currency),
            at=_utc(answer.get("update_time") or answer.get("create_time")),
            capture_id=_linked(answer, "captures") or capture_id,
            own_id=str(answer.get("custom_id") or ""),
        )


def approved_at(event: Mapping[str, Any], paypal_id: str) -> datetime | None:
    """Tell when a shopper approved, from PayPal's own event; None for one of another kind, or of another order."""
    if event.get("event_type") != "CHECKOUT.ORDER.APPROVED":
        return None
    with _understanding("an event"):
        if event["resource"]["id"] != paypal_id:
            return None
        return _moment(event["create_time"])


def reversal_of(event: Mapping[str, Any]) -> Reversal:
    """Read a PAYMENT.CAPTURE.REVERSED event as PayPal itself tells it. Raises PayPalUnknown."""
    with _understanding("a reversal"):
        resource = event["resource"]
        capture_id = _linked(resource, "captures")
        amount = _money(resource["amount"])
        # Its resource is a refund-like record that links up to the capture, or the capture itself.
        own_id = _known_id(resource["id"])
        return Reversal(
            id=own_id if capture_id and capture_id != own_id else f"{own_id}-REVERSED",
            money=Money(abs(amount.amount), amount.currency),
            at=_utc(resource.get("create_time") or event.get("create_time")),
            capture_id=capture_id or own_id,
        )


OUTCOMES_FOR_THE_SELLER = {"RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "DENIED"}


def outcome_of(event: Mapping[str, Any]) -> str:
    """Return how a dispute ended, from PayPal's own event; "" for one that goes on, or without an outcome."""
    resource = event.get("resource") or {}
    outcome = resource.get("dispute_outcome", {}) if resource.get("status") == "RESOLVED" else {}
    code = str(outcome.get("outcome_code", ""))[:40] if isinstance(outcome, dict) else ""
    return code.replace("_FAVOR", "_FAVOUR")  # American is what PayPal's other names are in


def disputed_captures(event: Mapping[str, Any]) -> list[str]:
    """List the payments that a CUSTOMER.DISPUTE event is about, as far as it names them; each once."""
    listed = (event.get("resource") or {}).get("disputed_transactions")
    transactions = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = (str(one.get("seller_transaction_id") or "") for one in transactions)
    return list(dict.fromkeys(one for one in named if is_id(one)))


def won_disputes(event: Mapping[str, Any]) -> list[Won]:
    """Read a CUSTOMER.DISPUTE event that was decided for the seller, one a capture; none for another. Raises PayPalUnknown."""
    if outcome_of(event) not in OUTCOMES_FOR_THE_SELLER:
        return []
    with _understanding("a dispute"):
        resource = event["resource"]
        captures = disputed_captures(event)
        amount = resource.get("dispute_amount")
        at = _utc(resource.get("update_time") or event.get("create_time"))
        told = _money(amount) if amount and len(captures) == 1 else None
        return [Won(f"{str(resource['dispute_id'])[:60]}-{one}", one, at, told) for one in captures]


def completed_again(event: Mapping[str, Any], capture_id: str) -> Won | None:
    """Read a PAYMENT.CAPTURE.COMPLETED event as the end of a reversal, for one that was before it. Raises PayPalUnknown."""
    with _understanding("an event"):
        if (event["event_type"], event["resource"]["id"]) != ("PAYMENT.CAPTURE.COMPLETED", capture_id):
            return None
        # PayPal tells moments of reversals to the second: what is not surely before the event is not ended by it.
        before = _moment(event["create_time"]).replace(microsecond=0) - timedelta(seconds=1)
        return Won(str(event["id"])[:60], capture_id, _utc(before.isoformat()), None)


def _payee(answer: Mapping[str, Any]) -> Payee | None:
    merchant_id, email = (
        str(answer.get(name) or "").casefold() or None for name in ("merchant_id", "email_address")
    )
    return Payee(merchant_id, email) if merchant_id or email else None


def _moment(text: str) -> datetime:
    """Read a moment of PayPal's, which may be in any zone; without a zone it is taken for UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _utc(text: object) -> str:
    """Return a moment of PayPal's in UTC, "" where it names none: money is booked without it."""
    try:
        moment = _moment(str(text))
    except (ValueError, OverflowError):
        return ""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _money(value: Mapping[str, str]) -> Money:
    currency = str(value["currency_code"])
    return Money(money.parse(str(value["value"]).removeprefix("-"), currency), currency)


def _fee(value: Mapping[str, str] | None, currency: str) -> int | None:
    if value is None or value["currency_code"] != currency:
        return None
    return _money(value).amount


def _known_id(value: object) -> str:
    text = str(value)
    if not is_id(text):
        raise ValueError("not an id")
    return text


def _known_status(status: str) -> str:
    if status not in CAPTURE_STATES:
        raise ValueError("a capture in a state that nobody knows")
    return status


def _linked(answer: Mapping[str, Any], kind: str) -> str | None:
    """Follow the link `up`: from a refund to its capture, from a capture to its order."""
    for link in answer.get("links", []):
        parts = urlsplit(str(link["href"])).path.split("/")
        if link["rel"] == "up" and len(parts) >= 2 and parts[-2] == kind and is_id(parts[-1]):
            return parts[-1]
    return None


def _approval_link(links: Sequence[Mapping[str, Any]]) -> str | None:
    by_rel = {str(link["rel"]): str(link["href"]) for link in links}
    return by_rel.get("payer-action") or by_rel.get("approve")
