"""An order's history, state and mails in a shopkeeper's words: what staff read."""

from collections.abc import Mapping
from typing import Any

from chalicelib.orders import issues, states
from chalicelib.orders.enums import CloseReason, HistoryEvent, email_label
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState

# State → a word for lists, and how it looks: wait, good, bad or nothing.
STATE_LABELS = {
    OrderState.AWAITING: ("Not paid yet", ""),
    OrderState.CAPTURING: ("Asking PayPal", "wait"),
    OrderState.PENDING: ("Payment held", "wait"),
    OrderState.PAID: ("To be shipped", "good"),
    OrderState.SHIPPED: ("Shipped", ""),
    OrderState.CANCELLED: ("Cancelled", ""),
    OrderState.EXPIRED: ("Ended unpaid", ""),
    states.REFUNDED_BEFORE_SHIPPING: ("Nothing to ship", ""),
}
EVENT_LABELS: Mapping[str, str] = {
    HistoryEvent.PLACED: "The order was placed.",
    HistoryEvent.PAYMENT_DECLINED: "PayPal declined the payment.",
    HistoryEvent.PAYER_ACTION_REQUIRED: "PayPal asked the customer to confirm the payment once more.",
    HistoryEvent.ADDRESS_REJECTED: "PayPal did not accept the delivery address. The next attempt leaves it out.",
    HistoryEvent.PAYMENT_PENDING: "PayPal is holding the payment.",
    HistoryEvent.PAID: "The payment arrived.",
    HistoryEvent.PAYMENT_REVERSED: "A bank or PayPal took the payment back.",
    HistoryEvent.RESERVATION_EXPIRED: "It was not paid in time, so its items are available to others again. It can still be paid while they are available.",
    HistoryEvent.HOLD_RELEASED: "Its items were released before it was paid. It can still be paid while they are available.",
    HistoryEvent.CUSTOMER_ERASED: "The customer was erased from this order.",
}
CLOSE_REASONS: Mapping[str, str] = {
    CloseReason.PAYMENT_EXPIRED: "The order ended: its payment at PayPal was never completed.",
    CloseReason.SOLD_OUT: "The order ended: before it was paid, others bought what was in it.",
    CloseReason.SUPERSEDED: "Cancelled: the customer placed another order instead.",
    CloseReason.CANCELLED_BY_STAFF: "Cancelled by staff.",
}
EMAIL_EVENT_LABELS: Mapping[str, str] = {
    HistoryEvent.EMAIL_SENT: "Mail sent",
    HistoryEvent.EMAIL_REQUEUED: "Mail requested again",
    HistoryEvent.EMAIL_OBSOLETE: "Mail no longer needed",
    HistoryEvent.EMAIL_REJECTED: "Mail that could not be sent",
    HistoryEvent.EMAIL_BOUNCED: "Mail returned",
    HistoryEvent.EMAIL_COMPLAINT: "Mail marked as spam",
}
EMAIL_PROBLEMS: Mapping[str, str] = {
    HistoryEvent.EMAIL_OBSOLETE: "not needed any more",
    HistoryEvent.EMAIL_REJECTED: "no such address",
    HistoryEvent.EMAIL_BOUNCED: "returned",
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
    """List staff's own notes, the newest first. An erased one is empty."""
    notes = [entry for entry in order.history if entry["event"] == HistoryEvent.NOTE_ADDED]
    return [
        {"at": note["at"], "actor": note.get("actor", ""), "text": note["detail"]} for note in reversed(notes)
    ]


def email_problems(order: Order) -> dict[str, str]:
    """Return for each email that bounced, was rejected or reported as spam what happened to it last."""
    last = {entry["detail"]: entry["event"] for entry in order.history}
    return {entry: EMAIL_PROBLEMS[event] for entry, event in last.items() if event in EMAIL_PROBLEMS}


def issues_of(order: Order) -> list[dict[str, Any]]:
    """List what staff were asked to look at, what is open first."""
    told = [
        {
            **vars(issues.describe_issue(issue)),
            "at": issue["at"],
            "number": number,
            "resolution": issue.get("resolution"),
        }
        for number, issue in enumerate(order.issues)
    ]
    return sorted(told, key=lambda issue: issue["resolution"] is not None)


def _event_text(entry: Mapping[str, str]) -> str:
    event, detail = entry["event"], entry["detail"]
    if event in EVENT_LABELS:
        return EVENT_LABELS[event]
    if event in (HistoryEvent.EXPIRED, HistoryEvent.CANCELLED):
        return CLOSE_REASONS.get(detail, "The order ended.")
    if event == HistoryEvent.SHIPPED:
        return f"Shipped with {detail}." if detail else "Shipped."
    if event in (HistoryEvent.ISSUE_OPENED, HistoryEvent.ISSUE_RESOLVED):
        title = issues.describe_issue({"kind": detail, "detail": ""}).title
        return f"Raised: {title}." if event == HistoryEvent.ISSUE_OPENED else f"Looked at: {title}."
    return _other_event_text(event, detail)


def _other_event_text(event: str, detail: str) -> str:
    if HistoryEvent(event).is_about_email:
        return f"{EMAIL_EVENT_LABELS[event]}: {email_label(detail)}."
    if event == HistoryEvent.REFUNDED:
        return f"Refunded {detail}."
    if event == HistoryEvent.REVERSAL_CANCELLED:
        return f"{detail} that had been taken came back."
    if event == HistoryEvent.PAYMENT_REFUSED:
        return f"PayPal takes no payments for the shop: {detail}."
    what = event.replace("_", " ").capitalize()
    return f"{what}: {detail}." if detail else f"{what}."
