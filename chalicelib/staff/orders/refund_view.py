"""An order's refunds and the form for a new one: the values of templates/staff/orders/_refunds.html."""

from collections.abc import Mapping
from typing import Any

from chalicelib import money
from chalicelib.orders import issues
from chalicelib.orders.enums import RefundStatus
from chalicelib.orders.models import Order
from chalicelib.payments.refunds import can_refund, max_restock
from chalicelib.staff import layout
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import StaffMember

MAX_REASON_LENGTH = 200
MAX_NOTE_LENGTH = 200  # PayPal takes 255 bytes, more or less
# Status → its label, tone and meaning.
STATUS_LABELS: Mapping[str, tuple[str, str, str]] = {
    RefundStatus.REQUESTED: (
        "Requested",
        "wait",
        "PayPal hasn’t answered yet. The refund is retried automatically.",
    ),
    RefundStatus.PENDING: (
        "Pending",
        "wait",
        "PayPal is processing it. The status is updated automatically.",
    ),
    RefundStatus.COMPLETED: ("Completed", "good", ""),
    RefundStatus.FAILED: (
        "Failed",
        "bad",
        "PayPal couldn’t make this refund: the customer hasn’t received the money.",
    ),
}


def view(
    order: Order,
    member: StaffMember,
    *,
    form_data: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    form_token: str = "",
) -> dict[str, Any] | None:
    """Return an order's refunds and the form for a new one; None if there is neither.

    `form_data` and `errors` by field, if a form is shown again; `problem` is what is wrong with all of it.
    """
    may = member.role == accounts.MERCHANT and can_refund(order)
    if not (may or order.refunds or problem):
        return None
    return {
        "path": f"/staff/orders/{order.id}/refunds",
        "currency": order.currency,
        "list": [_refund_view(order, refund) for refund in order.refunds.values()],
        "may": may,
        "left": order.refundable_amount,
        "left_decimal": money.to_decimal_string(order.refundable_amount, order.currency),
        "lines": _lines(order),
        "typed": form_data or {},
        "errors": errors or {},
        "problem": problem,
        "is_back": bool(form_data or errors or problem),
        "form": form_token or layout.new_form_token(),
        "longest": {"reason": MAX_REASON_LENGTH, "note": MAX_NOTE_LENGTH},
    }


def refund_notice(order: Order, refund: Mapping[str, Any]) -> str:
    """Return a message about a refund that staff have just requested."""
    amount = money.format_money(refund["amount"], refund["currency"])
    if refund["status"] == RefundStatus.COMPLETED:
        return f"{amount} refunded." + ("" if order.erased_at else " We’ve emailed the customer.")
    if refund["status"] == RefundStatus.PENDING:
        return f"PayPal is processing the refund of {amount}. We’ll email the customer when it’s complete."
    if refund["status"] == RefundStatus.REQUESTED:
        return f"The refund of {amount} has been requested, but PayPal hasn’t answered yet. It’s retried automatically: please don’t refund it again."
    return f"The refund of {amount} failed. {_why(refund)}"


def _refund_view(order: Order, refund: Mapping[str, Any]) -> dict[str, Any]:
    word, tone, meaning = STATUS_LABELS[refund["status"]]
    return {
        "amount": refund["amount"],
        "currency": refund["currency"],
        "at": refund.get("at"),
        "word": word,
        "tone": tone,
        "meaning": _why(refund) if refund["status"] == RefundStatus.FAILED else meaning,
        "reason": _reason(refund),
        "note": refund.get("note", ""),
        "actor": refund.get("actor", ""),
        "restocked": [(line.full_name, refund.get("restocked", {}).get(line.sku, 0)) for line in order.lines],
        "paypal_id": refund["paypal_refund_id"],
    }


def _why(refund: Mapping[str, Any]) -> str:
    if "rejection" in refund:
        return f"PayPal rejected it. {issues.refund_rejection_text(refund['rejection'])}"
    return STATUS_LABELS[RefundStatus.FAILED][2]


def _reason(refund: Mapping[str, Any]) -> str:
    if "actor" in refund:
        return str(refund["reason"])
    if refund["reason"] in issues.ISSUE_TEXTS:
        return f"Automatic refund: {issues.ISSUE_TEXTS[refund['reason']].title}"
    return "Made on PayPal’s website"


def _lines(order: Order) -> list[dict[str, Any]]:
    most = max_restock(order)
    return [
        {
            "sku": line.sku,
            "field": f"restock-{line.sku}",
            "name": line.name,
            "label": ", ".join(line.options.values()),
            "bought": line.quantity,
            "most": most[line.sku],
        }
        for line in order.lines
    ]
