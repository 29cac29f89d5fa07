"""What unpaid orders hold, by visitor; and the button that releases what one of them holds."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from chalice.app import Request, Response

from chalicelib import deadlines
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import batch_get
from chalicelib.errors import BadInput
from chalicelib.orders.holds import held_share
from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders.order_actions import release_hold, visitor_of
from chalicelib.web.forms import read_form

MAX_VISITORS = 20
ALARMING_PERCENT = 50  # of a SKU, like the alarm's threshold


def find_held() -> dict[str, Any]:
    """Read who holds what: the visitors that hold the most units first, and whether most of one SKU is held."""
    page = order_list.held_orders()
    by_visitor: dict[str, list[Order]] = defaultdict(list)
    for order in page.orders:
        by_visitor[visitor_of(order)].append(order)
    stocks = batch_get({Stock: sorted({line.sku for order in page.orders for line in order.lines})})[Stock]
    visitors = [_visitor(visitor, orders, stocks) for visitor, orders in by_visitor.items()]
    visitors.sort(key=lambda each: -each["units"])
    return {
        "visitors": visitors[:MAX_VISITORS],
        "more": page.after is not None or len(visitors) > MAX_VISITORS,
        "alarming": any(held_share(stock) >= ALARMING_PERCENT for stock in stocks.values()),
    }


def release(request: Request, member: StaffMember) -> Response:
    """Release everything that a visitor's unpaid orders hold; the orders can still be paid."""
    visitor = read_form(request).text("visitor")
    if not visitor:
        raise BadInput("This form is out of date. Please reload the page.")
    theirs = [order for order in order_list.held_orders().orders if visitor_of(order) == visitor]
    write_audit = audit_log.writer_for(member, "released reserved items")
    released = 0
    for order in theirs:
        if deadlines.is_expired():
            break
        released += release_hold(order.id, visitor, member.email, write_audit)
    if released < len(theirs) and deadlines.is_expired():
        notice = f"Released the items of {released} orders. There are more: please press the button again."
    elif not released:
        notice = "There was nothing left to release: the orders are paid, being paid or no longer reserved."
    else:
        notice = f"Released the items of {released} unpaid order{'s' if released > 1 else ''}."
    return layout.redirect_with_notice("/staff/attention", notice)


def units_of_orders(orders: Iterable[Order]) -> list[dict[str, Any]]:
    """Add up the reserved units of orders by SKU, the most first."""
    kept: Counter[str] = Counter()
    names = {}
    for order in orders:
        for line in order.lines:
            kept[line.sku] += line.quantity
            names[line.sku] = line.full_name
    return [{"name": names[sku], "sku": sku, "units": many} for sku, many in kept.most_common()]


def _visitor(visitor: str, orders: list[Order], stocks: dict[str, Stock]) -> dict[str, Any]:
    skus = units_of_orders(orders)
    return {
        "visitor": visitor,
        "orders": [{"id": order.id, "number": order.number} for order in orders],
        "units": sum(item["units"] for item in skus),
        "skus": [
            {**item, "share": _share(item["units"], stocks[item["sku"]])}
            for item in skus
            if item["sku"] in stocks
        ],
    }


def _share(quantity: int, stock: Stock) -> int:
    return 100 * quantity // max(int(stock.available + stock.held), 1)
