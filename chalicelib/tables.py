"""The model of every table."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.database.connection import Table


def all_tables() -> "list[type[Table]]":
    """List the model of every table, for code that creates or describes them."""
    from chalicelib.cart.models import Cart
    from chalicelib.catalog.models import Listing, Product, SearchEntry, Stock
    from chalicelib.ledger.daily_totals import PartitionTotals
    from chalicelib.ledger.models import LedgerEntry
    from chalicelib.orders.models import Order
    from chalicelib.orders.search.search_index import OrderSearchEntry
    from chalicelib.rate_limits import RateLimitCounter
    from chalicelib.scheduled_runs import Run
    from chalicelib.shop_settings.models import SettingsVersion
    from chalicelib.staff.models import AuditEntry, Job, StaffMember, StaffSession

    shop = [
        Product,
        Listing,
        SearchEntry,
        Stock,
        Cart,
        Order,
        OrderSearchEntry,
        LedgerEntry,
        PartitionTotals,
        Run,
        RateLimitCounter,
        SettingsVersion,
    ]
    return [*shop, StaffMember, StaffSession, AuditEntry, Job]
