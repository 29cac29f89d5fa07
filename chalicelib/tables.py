"""The model of every table."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.database.connection import Table


def all_tables() -> "list[type[Table]]":
    """List the model of every table, for whoever creates or describes them."""
    from chalicelib.cart.models import Cart
    from chalicelib.catalog.models import Listing, Product, Stock, Word
    from chalicelib.ledger.daily_totals import Day
    from chalicelib.ledger.models import Movement
    from chalicelib.orders.models import Order
    from chalicelib.orders.search.search_index import OrderWord
    from chalicelib.rate_limits import Count
    from chalicelib.scheduled_runs import Run
    from chalicelib.staff.models import AuditEntry, Job, Member, StaffSession

    shop = [Product, Listing, Word, Stock, Cart, Order, OrderWord, Movement, Day, Run, Count]
    return [*shop, Member, StaffSession, AuditEntry, Job]
