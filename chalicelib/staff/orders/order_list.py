"""The list of orders: by status, day and text, in pages; selected ones are shipped, printed or exported together."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list, order_search
from chalicelib.orders.states import OrderState
from chalicelib.orders.views.staff_view import STATE_LABELS
from chalicelib.staff import layout
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders.order_filter import PICK, OrderListQuery, read_question
from chalicelib.web.urls import url

MEANINGS = {state: message for state, (message, _) in STATE_LABELS.items()}


def show(request: Request, member: StaffMember) -> Response:
    """Show a page of orders."""
    question = read_question(request)
    if question.errors:
        return _page(member, question, [], 400)
    if question.text:
        found = order_search.search_orders(question.text, question.selection)
        return _page(member, question, found.orders, more=found.has_more)
    page = order_list.list_orders(question.selection, question.after)
    following = url("/staff/orders", **question.address, after=page.after) if page.after else None
    return _page(member, question, page.orders, following=following)


def _page(
    member: StaffMember,
    question: OrderListQuery,
    orders: list[Order],
    status: int = 200,
    *,
    following: str | None = None,
    more: bool = False,
) -> Response:
    return layout.render_page(
        member,
        "staff/orders/list.html",
        status,
        typed=question.typed,
        errors=question.errors,
        filtered=any(question.typed.values()),
        first=question.after is None,
        meanings=MEANINGS,
        rows=[row_of(order) for order in orders],
        following=following,
        more=more,
        pick=PICK,
        can_ship=member.role == accounts.MERCHANT and question.typed["state"] in ("", OrderState.PAID),
        export=url("/staff/orders/csv", **question.address),
    )


def row_of(order: Order) -> dict[str, Any]:
    """Return an order's values for a row of the list."""
    message, tone = STATE_LABELS[order.list_status]
    return {
        "id": order.id,
        "number": order.number,
        "placed_at": order.placed_at,
        "name": order.customer.get("name") or "–",
        "town": f"{order.customer.get('city') or ''} {order.customer['country']}".strip(),
        "units": sum(line.quantity for line in order.lines),
        "total": order.total,
        "currency": order.currency,
        "state": message,
        "tone": tone,
        "marks": badges(order),
    }


def badges(order: Order) -> list[tuple[str, str]]:
    """List what else the row shows, each with its tone."""
    marks = []
    if order.parcels and order.awaits_shipping:
        marks.append(("Partly shipped", "wait"))
    if order.open_issues:
        marks.append(("Needs attention", "bad"))
    if order.has_late_email:
        marks.append(("Email delayed", "wait"))
    if order.reversed:
        marks.append(("Chargeback", "bad"))
    if order.refunded:
        marks.append(("Refunded" if order.refunded >= order.total else "Partly refunded", ""))
    if order.erased_at:
        marks.append(("Customer data erased", ""))
    return marks
