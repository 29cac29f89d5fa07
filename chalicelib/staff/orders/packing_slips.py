"""Packing slips to print: what goes into the parcel and where it goes, without prices, one order a sheet."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.database.reads import read_many
from chalicelib.orders.models import Order
from chalicelib.orders.repository import find_order
from chalicelib.orders.states import PAID, SHIPPED
from chalicelib.orders.views.customer_view import line_view
from chalicelib.staff import layout
from chalicelib.staff.models import Member
from chalicelib.staff.orders.order_filter import picked


def show_one(request: Request, member: Member, order_id: str) -> Response:
    """Show an order's packing slip."""
    return _page(member, [find_order(order_id)])


def show_several(request: Request, member: Member) -> Response:
    """Show the packing slips of all ticked orders, in the order they were placed."""
    order_ids = picked(request)
    if not order_ids:
        return layout.go("/staff/orders", "Please tick the orders that you want to print slips of.")
    found = read_many({Order: order_ids})[Order].values()
    return _page(member, sorted(found, key=lambda order: str(order.placed_at)))


def _page(member: Member, orders: list[Order]) -> Response:
    return layout.show(member, "staff/orders/packing_slips.html", slips=[_slip_of(order) for order in orders])


def _slip_of(order: Order) -> dict[str, Any]:
    kept = order.pieces_kept
    return {
        "number": order.number,
        "id": order.id,
        "placed_at": order.placed_at,
        "customer": order.customer,
        "paid": order.state in (PAID, SHIPPED),
        "lines": [{**line_view(line), "packed": kept[line.sku]} for line in order.lines],
        "pieces": sum(kept.values()),
        "erased": bool(order.erased_at),
        "gone_back": order.gone_back,
        "currency": order.currency,
    }
