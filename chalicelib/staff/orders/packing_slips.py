"""Packing slips to print: what is in the parcel and its address, without prices, one order per sheet."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.database.reads import batch_get
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.orders.states import OrderState
from chalicelib.orders.views.customer_view import line_view
from chalicelib.staff import layout
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders.order_filter import selected_order_ids


def show_one(request: Request, member: StaffMember, order_id: str) -> Response:
    """Show an order's packing slip."""
    return _page(member, [get_order(order_id)])


def show_several(request: Request, member: StaffMember) -> Response:
    """Show the packing slips of all selected orders, in the order they were placed."""
    order_ids = selected_order_ids(request)
    if not order_ids:
        return layout.redirect_with_notice(
            "/staff/orders", "Please select the orders to print packing slips for."
        )
    found = batch_get({Order: order_ids})[Order].values()
    return _page(member, sorted(found, key=lambda order: str(order.placed_at)))


def _page(member: StaffMember, orders: list[Order]) -> Response:
    return layout.render_page(
        member, "staff/orders/packing_slips.html", slips=[_slip_of(order) for order in orders]
    )


def _slip_of(order: Order) -> dict[str, Any]:
    kept = order.unreturned_quantities
    return {
        "number": order.number,
        "id": order.id,
        "placed_at": order.placed_at,
        "customer": order.customer,
        "state": order.state,
        "paid": order.state in (OrderState.PAID, OrderState.SHIPPED),
        "lines": [{**line_view(line), "packed": kept[line.sku]} for line in order.lines],
        "units": sum(kept.values()),
        "erased": bool(order.erased_at),
        "gone_back": order.refunded_or_reversed,
        "currency": order.currency,
    }
