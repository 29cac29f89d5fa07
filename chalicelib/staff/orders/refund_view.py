"""An order's refunds as its page tells them, and the form for a new one: the values of templates/staff/orders/_refunds.html."""

from collections.abc import Mapping
from typing import Any

from chalicelib import money
from chalicelib.orders import issues
from chalicelib.orders.base import Line
from chalicelib.orders.models import Order
from chalicelib.payments.refunds import can_refund, most_back
from chalicelib.staff import layout
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import Member

LONGEST_REASON = 200
LONGEST_NOTE = 200  # PayPal takes 255 bytes, more or less
# State → a word, how it looks, and what it means.
STATES = {
    "wanted": ("Asked for", "wait", "PayPal has not answered yet. The shop asks again by itself."),
    "pending": ("Under way", "wait", "PayPal is working on it. The shop looks after it by itself."),
    "completed": ("Sent back", "good", ""),
    "failed": (
        "Did not go through",
        "bad",
        "PayPal could not make it: the customer does not have the money.",
    ),
}


def view(
    order: Order,
    member: Member,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    form: str = "",
) -> dict[str, Any] | None:
    """Tell an order's refunds and offer one; None where there is neither.

    `typed` and `errors` by field, where a form comes back; `problem` is what is wrong with all of it.
    """
    may = member.role == accounts.MERCHANT and can_refund(order)
    if not (may or order.refunds or problem):
        return None
    return {
        "path": f"/staff/orders/{order.id}/refunds",
        "currency": order.currency,
        "list": [_refund_view(order, refund) for refund in order.refunds.values()],
        "may": may,
        "left": order.left_to_refund,
        "left_decimal": money.decimal_string(order.left_to_refund, order.currency),
        "lines": _lines(order),
        "typed": typed or {},
        "errors": errors or {},
        "problem": problem,
        "is_back": bool(typed or errors or problem),
        "form": form or layout.form_id(),
        "longest": {"reason": LONGEST_REASON, "note": LONGEST_NOTE},
    }


def words_of(order: Order, refund: Mapping[str, Any]) -> str:
    """Say what became of a refund that staff have just asked for."""
    amount = money.spoken(refund["amount"], refund["currency"])
    if refund["status"] == "completed":
        return f"{amount} is on its way back to the customer" + (
            "." if order.erased_at else ", who gets a mail."
        )
    if refund["status"] == "pending":
        return f"PayPal is working on the refund of {amount}. The customer gets a mail when it is through."
    if refund["status"] == "wanted":
        return f"The refund of {amount} is written down, but PayPal has not answered yet. The shop asks again by itself: please do not refund it twice."
    return f"The refund of {amount} did not go through. {_why(refund)}"


def _refund_view(order: Order, refund: Mapping[str, Any]) -> dict[str, Any]:
    word, tone, meaning = STATES[refund["status"]]
    return {
        "amount": refund["amount"],
        "currency": refund["currency"],
        "at": refund.get("at"),
        "word": word,
        "tone": tone,
        "meaning": _why(refund) if refund["status"] == "failed" else meaning,
        "reason": _reason(refund),
        "note": refund.get("note", ""),
        "by": refund.get("by", ""),
        "pieces": [(_spoken(line), refund.get("pieces", {}).get(line.sku, 0)) for line in order.lines],
        "paypal_id": refund["paypal_id"],
    }


def _spoken(line: Line) -> str:
    return ", ".join([line.name, *line.options.values()])


def _why(refund: Mapping[str, Any]) -> str:
    if "refused" in refund:
        return f"PayPal refused it. {issues.why_refused(refund['refused'])}"
    return STATES["failed"][2]


def _reason(refund: Mapping[str, Any]) -> str:
    if "by" in refund:
        return str(refund["reason"])
    if refund["reason"] in issues.ISSUES:
        return f"By the shop itself: {issues.ISSUES[refund['reason']].title}"
    return "On PayPal's own pages"


def _lines(order: Order) -> list[dict[str, Any]]:
    most = most_back(order)
    return [
        {
            "sku": line.sku,
            "field": f"pieces-{line.sku}",
            "name": line.name,
            "label": ", ".join(line.options.values()),
            "bought": line.quantity,
            "most": most[line.sku],
        }
        for line in order.lines
    ]
