"""An order's history, state and mails in a shopkeeper's words: what staff read."""

from collections.abc import Mapping
from typing import Any

from chalicelib.orders import issues, states
from chalicelib.orders.email_kinds import mail_name
from chalicelib.orders.models import Order

# State → a word for lists, and how it looks: wait, good, bad or nothing.
STATES = {
    states.AWAITING: ("Not paid yet", ""),
    states.CAPTURING: ("Asking PayPal", "wait"),
    states.PENDING: ("Payment held", "wait"),
    states.PAID: ("To be shipped", "good"),
    states.SHIPPED: ("Shipped", ""),
    states.CANCELLED: ("Cancelled", ""),
    states.EXPIRED: ("Ended unpaid", ""),
    states.GIVEN_BACK: ("Nothing to ship", ""),
}
EVENTS = {
    "placed": "The order was placed.",
    "declined": "PayPal declined the payment.",
    "confirm again": "PayPal asked the customer to confirm the payment once more.",
    "address refused": "PayPal did not accept the delivery address. The next attempt leaves it out.",
    "pending": "PayPal is holding the payment.",
    "paid": "The payment arrived.",
    "reversed": "A bank or PayPal took the payment back.",
    "reservation over": "It was not paid in time, so its items are available to others again. It can still be paid while they are available.",
    "hold released": "Its items were released before it was paid. It can still be paid while they are available.",
    "erased": "The customer was erased from this order.",
}
ENDS = {
    "dead": "The order ended: its payment at PayPal was never completed.",
    "sold out": "The order ended: before it was paid, others bought what was in it.",
    "superseded": "Cancelled: the customer placed another order instead.",
    "by staff": "Cancelled by staff.",
}
WHAT_CAME_OF_MAILS = {
    "mail sent": "Mail sent",
    "mail again": "Mail requested again",
    "mail no longer true": "Mail no longer needed",
    "mail refused": "Mail that could not be sent",
    "mail returned": "Mail returned",
    "mail unwanted": "Mail marked as spam",
}
MAIL_PROBLEMS = {
    "mail no longer true": "not needed any more",
    "mail refused": "no such address",
    "mail returned": "returned",
    "mail unwanted": "marked as spam",
}


def history_of(order: Order) -> list[dict[str, str]]:
    """Tell everything that happened to an order, the oldest first; notes are told apart."""
    return [
        {"at": entry["at"], "words": _words_of(entry), "by": entry.get("by", "")}
        for entry in order.history
        if entry["event"] != "note"
    ]


def notes_of(order: Order) -> list[dict[str, str]]:
    """List staff's own notes, the newest first. An erased one is empty."""
    notes = [entry for entry in order.history if entry["event"] == "note"]
    return [{"at": note["at"], "by": note.get("by", ""), "words": note["detail"]} for note in reversed(notes)]


def problems_of_mails(order: Order) -> dict[str, str]:
    """Tell of each mail that nobody got, or wanted, what came of it last."""
    last = {entry["detail"]: entry["event"] for entry in order.history}
    return {entry: MAIL_PROBLEMS[event] for entry, event in last.items() if event in MAIL_PROBLEMS}


def issues_of(order: Order) -> list[dict[str, Any]]:
    """List what staff were asked to look at, what is open first."""
    told = [
        {**vars(issues.tell(issue)), "at": issue["at"], "number": number, "done": issue.get("done")}
        for number, issue in enumerate(order.issues)
    ]
    return sorted(told, key=lambda issue: issue["done"] is not None)


def _words_of(entry: Mapping[str, str]) -> str:
    event, detail = entry["event"], entry["detail"]
    if event in EVENTS:
        return EVENTS[event]
    if event in ("expired", "cancelled"):
        return ENDS.get(detail, "The order ended.")
    if event == "shipped":
        return f"Shipped with {detail}." if detail else "Shipped."
    if event in ("issue", "looked at"):
        title = issues.tell({"kind": detail, "detail": ""}).title
        return f"Raised: {title}." if event == "issue" else f"Looked at: {title}."
    return _words_of_the_rest(event, detail)


def _words_of_the_rest(event: str, detail: str) -> str:
    if event.startswith("mail "):
        return f"{WHAT_CAME_OF_MAILS[event]}: {mail_name(detail)}."
    if event == "refunded":
        return f"Refunded {detail}."
    if event == "reversal cancelled":
        return f"{detail} that had been taken came back."
    if event == "payment refused":
        return f"PayPal takes no payments for the shop: {detail}."
    return f"{event.capitalize()}: {detail}." if detail else f"{event.capitalize()}."
