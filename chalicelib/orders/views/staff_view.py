"""An order's history, state and emails as staff read them."""

from collections.abc import Mapping
from typing import Any

from chalicelib.orders import issues, states
from chalicelib.orders.enums import CloseReason, HistoryEvent, email_label
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState

# State → label in lists, and its tone: wait, good, bad or none.
STATE_LABELS = {
    OrderState.AWAITING: ("Unpaid", ""),
    OrderState.CAPTURING: ("Payment processing", "wait"),
    OrderState.PENDING: ("Payment pending", "wait"),
    OrderState.PAID: ("Ready to ship", "good"),
    OrderState.SHIPPED: ("Shipped", ""),
    OrderState.CANCELLED: ("Cancelled", ""),
    OrderState.EXPIRED: ("Expired", ""),
    states.REFUNDED_BEFORE_SHIPPING: ("Nothing to ship", ""),
}
EVENT_LABELS: Mapping[str, str] = {
    HistoryEvent.PLACED: "Order placed.",
    HistoryEvent.PAYMENT_DECLINED: "PayPal declined the payment.",
    HistoryEvent.PAYER_ACTION_REQUIRED: "PayPal asked the customer to confirm the payment again.",
    HistoryEvent.ADDRESS_REJECTED: "PayPal rejected the delivery address. It’s left out of the next attempt.",
    HistoryEvent.PAYMENT_PENDING: "PayPal is holding the payment.",
    HistoryEvent.PAID: "Payment received.",
    HistoryEvent.PAYMENT_REVERSED: "A bank or PayPal reversed the payment (chargeback).",
    HistoryEvent.RESERVATION_EXPIRED: "Not paid in time: its items are available to others again. It can still be paid while they’re in stock.",
    HistoryEvent.HOLD_RELEASED: "Its items were released before it was paid. It can still be paid while they’re in stock.",
    HistoryEvent.CUSTOMER_ERASED: "Customer data was erased from this order.",
}
CLOSE_REASONS: Mapping[str, str] = {
    CloseReason.PAYMENT_EXPIRED: "Expired: the payment at PayPal was never completed.",
    CloseReason.SOLD_OUT: "Closed: its items sold out before it was paid.",
    CloseReason.SUPERSEDED: "Cancelled: the customer placed another order instead.",
    CloseReason.CANCELLED_BY_STAFF: "Cancelled by staff.",
}
EMAIL_EVENT_LABELS: Mapping[str, str] = {
    HistoryEvent.EMAIL_SENT: "Email sent",
    HistoryEvent.EMAIL_REQUEUED: "Email resent",
    HistoryEvent.EMAIL_OBSOLETE: "Email no longer needed",
    HistoryEvent.EMAIL_REJECTED: "Email could not be sent",
    HistoryEvent.EMAIL_BOUNCED: "Email bounced",
    HistoryEvent.EMAIL_COMPLAINT: "Email marked as spam",
}
EMAIL_PROBLEMS: Mapping[str, str] = {
    HistoryEvent.EMAIL_OBSOLETE: "no longer needed",
    HistoryEvent.EMAIL_REJECTED: "address doesn’t exist",
    HistoryEvent.EMAIL_BOUNCED: "bounced",
    HistoryEvent.EMAIL_COMPLAINT: "marked as spam",
}


def history_of(order: Order) -> list[dict[str, str]]:
    """Return everything that happened to an order, oldest first; notes are listed separately."""
    return [
        {"at": entry["at"], "text": _event_text(entry), "actor": entry.get("actor", "")}
        for entry in order.history
        if entry["event"] != HistoryEvent.NOTE_ADDED
    ]


def notes_of(order: Order) -> list[dict[str, str]]:
    """List staff's notes, newest first. An erased note is empty."""
    notes = [entry for entry in order.history if entry["event"] == HistoryEvent.NOTE_ADDED]
    return [
        {"at": note["at"], "actor": note.get("actor", ""), "text": note["detail"]} for note in reversed(notes)
    ]


def email_problems(order: Order) -> dict[str, str]:
    """Return what last happened to each email that bounced, was rejected or was reported as spam."""
    last = {entry["detail"]: entry["event"] for entry in order.history}
    return {entry: EMAIL_PROBLEMS[event] for entry, event in last.items() if event in EMAIL_PROBLEMS}


def issues_of(order: Order) -> list[dict[str, Any]]:
    """List an order's issues, open ones first."""
    views = [
        {
            **vars(issues.describe_issue(issue)),
            "at": issue["at"],
            "number": number,
            "resolution": issue.get("resolution"),
        }
        for number, issue in enumerate(order.issues)
    ]
    return sorted(views, key=lambda issue: issue["resolution"] is not None)


def _event_text(entry: Mapping[str, str]) -> str:
    event, detail = entry["event"], entry["detail"]
    if event in EVENT_LABELS:
        return EVENT_LABELS[event]
    if event in (HistoryEvent.EXPIRED, HistoryEvent.CANCELLED):
        return CLOSE_REASONS.get(detail, "Order closed.")
    if event == HistoryEvent.SHIPPED:
        return f"Shipped with {detail}." if detail else "Shipped."
    if event in (HistoryEvent.ISSUE_OPENED, HistoryEvent.ISSUE_RESOLVED):
        title = issues.describe_issue({"kind": detail, "detail": ""}).title
        return f"Issue: {title}." if event == HistoryEvent.ISSUE_OPENED else f"Issue resolved: {title}."
    return _other_event_text(event, detail)


def _other_event_text(event: str, detail: str) -> str:
    if HistoryEvent(event).is_about_email:
        return f"{EMAIL_EVENT_LABELS[event]}: {email_label(detail)}."
    if event == HistoryEvent.REFUNDED:
        return f"Refunded {detail}."
    if event == HistoryEvent.REVERSAL_CANCELLED:
        return f"{detail} of a chargeback was returned."
    if event == HistoryEvent.PAYMENT_REFUSED:
        return f"PayPal isn’t accepting payments for the shop: {detail}."
    what = event.replace("_", " ").capitalize()
    return f"{what}: {detail}." if detail else f"{what}."
