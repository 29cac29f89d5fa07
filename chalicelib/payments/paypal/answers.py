"""Parse PayPal's answers and events into checked values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from chalicelib import money, telemetry
from chalicelib.money import Money
from chalicelib.payments.paypal.errors import (
    PayPalOutcomeUnknown,
)
from chalicelib.payments.paypal.values import Capture, Payee, PayPalOrder, Refund, Reversal, WonDispute
from chalicelib.telemetry import Metric

CAPTURE_STATES = {"COMPLETED", "PENDING", "DECLINED", "FAILED", "PARTIALLY_REFUNDED", "REFUNDED"}
_ID = re.compile(r"[A-Z0-9]{1,36}", re.ASCII)


def is_id(text: str) -> bool:
    """Return whether a text can be one of PayPal's IDs; anything else could change the path of a request."""
    return bool(_ID.fullmatch(text))


# -- answers ----------------------------------------------------------------------------------------------


@contextmanager
def understanding(what: str) -> Iterator[None]:
    # The money may have moved although the answer is incomplete: the outcome is unknown, never a refusal.
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        telemetry.count(Metric.PAYMENT_ERRORS)
        raise PayPalOutcomeUnknown(f"{what} that cannot be understood: {type(error).__name__}") from None


def read_order(answer: Mapping[str, Any]) -> PayPalOrder:
    with understanding("an order"):
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
            approval_url=_approval_link(answer.get("links", [])),
            captures=tuple(read_capture({"custom_id": custom_id, **c}, str(answer["id"])) for c in captures),
            refunds=tuple(read_refund(r, None) for r in payments.get("refunds", [])),
        )


def read_capture(answer: Mapping[str, Any], order_id: str | None = None) -> Capture:
    with understanding("a capture"):
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


def read_refund(answer: Mapping[str, Any], capture_id: str | None) -> Refund:
    with understanding("a refund"):
        amount = _money(answer["amount"])
        fee = answer.get("seller_payable_breakdown", {}).get("paypal_fee")
        return Refund(
            id=_known_id(answer["id"]),
            status=str(answer["status"]),
            money=amount,
            fee=_fee(fee, amount.currency),
            at=_utc(answer.get("update_time") or answer.get("create_time")),
            capture_id=_linked(answer, "captures") or capture_id,
            refund_id=str(answer.get("custom_id") or ""),
        )


def approved_at(event: Mapping[str, Any], paypal_id: str) -> datetime | None:
    """Return when a shopper approved, from PayPal's event; None for an event of another kind or another order."""
    if event.get("event_type") != "CHECKOUT.ORDER.APPROVED":
        return None
    with understanding("an event"):
        if event["resource"]["id"] != paypal_id:
            return None
        return _moment(event["create_time"])


def reversal_of(event: Mapping[str, Any]) -> Reversal:
    """Parse a PAYMENT.CAPTURE.REVERSED event, as PayPal returns it. Raises PayPalOutcomeUnknown."""
    with understanding("a reversal"):
        resource = event["resource"]
        capture_id = _linked(resource, "captures")
        amount = _money(resource["amount"])
        # Its resource is a refund-like record with a link to the capture, or the capture itself.
        refund_id = _known_id(resource["id"])
        return Reversal(
            id=refund_id if capture_id and capture_id != refund_id else f"{refund_id}-REVERSED",
            money=Money(abs(amount.amount), amount.currency),
            at=_utc(resource.get("create_time") or event.get("create_time")),
            capture_id=capture_id or refund_id,
        )


OUTCOMES_FOR_THE_SELLER = {"RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "DENIED"}


def outcome_of(event: Mapping[str, Any]) -> str:
    """Return the outcome of a dispute from PayPal's event; "" if it is still open or has no outcome."""
    resource = event.get("resource") or {}
    outcome = resource.get("dispute_outcome", {}) if resource.get("status") == "RESOLVED" else {}
    code = str(outcome.get("outcome_code", ""))[:40] if isinstance(outcome, dict) else ""
    return code.replace("_FAVOR", "_FAVOUR")  # American spelling, as in PayPal's other names


def disputed_captures(event: Mapping[str, Any]) -> list[str]:
    """List the captures that a CUSTOMER.DISPUTE event names; each once."""
    listed = (event.get("resource") or {}).get("disputed_transactions")
    transactions = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = (str(one.get("seller_transaction_id") or "") for one in transactions)
    return list(dict.fromkeys(one for one in named if is_id(one)))


def won_disputes(event: Mapping[str, Any]) -> list[WonDispute]:
    """Parse a CUSTOMER.DISPUTE event that was decided for the seller: one value per capture; none for other events.

    Raises PayPalOutcomeUnknown.
    """
    if outcome_of(event) not in OUTCOMES_FOR_THE_SELLER:
        return []
    with understanding("a dispute"):
        resource = event["resource"]
        captures = disputed_captures(event)
        amount = resource.get("dispute_amount")
        at = _utc(resource.get("update_time") or event.get("create_time"))
        disputed = _money(amount) if amount and len(captures) == 1 else None
        return [
            WonDispute(f"{str(resource['dispute_id'])[:60]}-{one}", one, at, disputed) for one in captures
        ]


def completed_again(event: Mapping[str, Any], capture_id: str) -> WonDispute | None:
    """Parse a PAYMENT.CAPTURE.COMPLETED event as the end of an earlier reversal. Raises PayPalOutcomeUnknown."""
    with understanding("an event"):
        if (event["event_type"], event["resource"]["id"]) != ("PAYMENT.CAPTURE.COMPLETED", capture_id):
            return None
        # PayPal reports reversals to the second: one that is not surely earlier than the event is not ended by
        # it.
        before = _moment(event["create_time"]).replace(microsecond=0) - timedelta(seconds=1)
        return WonDispute(str(event["id"])[:60], capture_id, _utc(before.isoformat()), None)


def _payee(answer: Mapping[str, Any]) -> Payee | None:
    merchant_id, email = (
        str(answer.get(name) or "").casefold() or None for name in ("merchant_id", "email_address")
    )
    return Payee(merchant_id, email) if merchant_id or email else None


def _moment(text: str) -> datetime:
    """Parse a timestamp of PayPal's, in any time zone; without one, it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _utc(text: object) -> str:
    """Return a timestamp of PayPal's in UTC, "" if there is none: money is booked without it."""
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
        raise ValueError("a capture in an unknown state")
    return status


def _linked(answer: Mapping[str, Any], kind: str) -> str | None:
    """Return the ID that the link `up` leads to: of a refund its capture, of a capture its order."""
    for link in answer.get("links", []):
        parts = urlsplit(str(link["href"])).path.split("/")
        if link["rel"] == "up" and len(parts) >= 2 and parts[-2] == kind and is_id(parts[-1]):
            return parts[-1]
    return None


def _approval_link(links: Sequence[Mapping[str, Any]]) -> str | None:
    by_rel = {str(link["rel"]): str(link["href"]) for link in links}
    return by_rel.get("payer-action") or by_rel.get("approve")
