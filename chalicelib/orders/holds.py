"""Holds: how many pieces the unpaid orders of one session or address may keep from others, and how many they do.

A session has one unpaid order at most, so its bound is a bound on that order. An address is counted in a row for each
SKU, which changes in the transaction that takes or returns the pieces. What is beyond the bound is not refused: such an
order is placed without a hold, and its pieces are taken when it is paid.
"""

import hashlib
from collections.abc import Iterable, Mapping

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import clock
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.orders.base import OrderLine

MAX_LINES_HELD = 40  # a transaction has a hundred items, and each line is two of them
ROW_SECONDS = 7 * 24 * 60 * 60  # far longer than an order stays unpaid
MIN_UNITS_WATCHED = 10  # of fewer, one shopper holds a large share


class Hold(Table):
    """How many pieces of a SKU the unpaid orders of one address hold. No personal data: its key is a hash."""

    class Meta(TableMeta):
        table_name = table_name("rate-limits")

    key = UnicodeAttribute(hash_key=True)
    quantity = NumberAttribute(default=0)
    expires = NumberAttribute()

    @classmethod
    def take(cls, holder: str, sku: str, quantity: int, most: int) -> tuple["Hold", list[Action], Condition]:
        """Count pieces, for a transaction; refused where the address would hold more than `most`."""
        item, actions = cls._add(holder, sku, quantity)
        return item, actions, cls.quantity.does_not_exist() | (cls.quantity <= most - quantity)

    @classmethod
    def release(cls, holder: str, sku: str, quantity: int) -> tuple["Hold", list[Action], None]:
        """Uncount pieces, for a transaction."""
        return *cls._add(holder, sku, -quantity), None

    @classmethod
    def _add(cls, holder: str, sku: str, quantity: int) -> tuple["Hold", list[Action]]:
        expires = clock.timestamp() + ROW_SECONDS
        return cls(f"hold#{holder}#{sku}"), [cls.quantity.add(quantity), cls.expires.set(expires)]


def holder_of(address: str) -> str | None:
    """Return what an address is counted under; None where it is not known."""
    return hashlib.sha256(f"hold\0{address}".encode()).hexdigest() if address else None


def max_holds(lines: Iterable[OrderLine], quantities: Mapping[str, int]) -> dict[str, int] | None:
    """Return how much of each SKU an address may hold; None where an order of these lines is beyond a bound by itself.

    `pieces`: SKU → pieces available and held.
    """
    limits = settings.shop.limits
    most = {}
    for line in lines:
        most[line.sku] = _share(quantities[line.sku], limits.held_share_per_address)
        if line.quantity > min(most[line.sku], _share(quantities[line.sku], limits.held_share_per_session)):
            return None
    return most if len(most) <= MAX_LINES_HELD else None


def held_share(stock: Stock) -> int:
    """Return how much of a SKU's unsold pieces unpaid orders hold, in percent; 0 where there are too few to tell."""
    quantity = int(stock.available + stock.held)
    return 100 * int(stock.held) // quantity if quantity >= MIN_UNITS_WATCHED else 0


def _share(quantity: int, percent: int) -> int:
    return max(1, quantity * percent // 100)
