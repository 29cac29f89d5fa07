"""Holds: how many units the unpaid orders of one session or IP address may reserve, and how many they do.

A session has at most one unpaid order, so its limit is a limit on that order. An address is counted in a row
per SKU, which changes in the transaction that reserves or releases the units. An IPv6 visitor may have
thousands of addresses, so the /48 network around the address is counted in a second row, with a higher limit.
An order beyond the limit is not refused: it is placed without a hold, and takes its units when it is paid.
"""

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import clock
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.database.transactions import Transaction
from chalicelib.orders.base import OrderLine

# A transaction has a hundred items, and each line takes two of them; with a network's row, three.
MAX_LINES_HELD = 40
MAX_LINES_HELD_IN_NETWORK = 26
# The largest network that providers give to one site (RFC 6177), or hosting companies to one machine.
NETWORK_PREFIX = 48
NETWORK_FACTOR = 2  # a network may hold this many times as much as an address
_BETWEEN = "+"  # separates an address's hash from its network's
ROW_SECONDS = 7 * 24 * 60 * 60  # far longer than an order stays unpaid
MIN_UNITS_WATCHED = 10  # of fewer units, one shopper holds a large share


class Hold(Table):
    """The units of a SKU that the unpaid orders of one address or network hold.

    No personal data: its key is a hash.
    """

    class Meta(TableMeta):
        table_name = table_name("rate-limits")

    key = UnicodeAttribute(hash_key=True)
    quantity = NumberAttribute(default=0)
    expires = NumberAttribute()

    @classmethod
    def take(cls, holder: str, sku: str, quantity: int, most: int) -> tuple["Hold", list[Action], Condition]:
        """Return the write that adds units to a hold; its condition fails if the address would hold more than `most`."""
        item, actions = cls._add(holder, sku, quantity)
        return item, actions, cls.quantity.does_not_exist() | (cls.quantity <= most - quantity)

    @classmethod
    def release(cls, holder: str, sku: str, quantity: int) -> tuple["Hold", list[Action], None]:
        """Return the write that removes units from a hold."""
        return *cls._add(holder, sku, -quantity), None

    @classmethod
    def _add(cls, holder: str, sku: str, quantity: int) -> tuple["Hold", list[Action]]:
        expires = clock.timestamp() + ROW_SECONDS
        return cls(f"hold#{holder}#{sku}"), [cls.quantity.add(quantity), cls.expires.set(expires)]


def holder_of(address: str) -> str | None:
    """Return the key under which an address is counted, for IPv6 with its network's; None if the address is unknown."""
    if not address:
        return None
    counted = [address]
    if ":" in address and "/" in address:
        counted.append(str(ip_network(address).supernet(new_prefix=NETWORK_PREFIX)))
    return _BETWEEN.join(hashlib.sha256(f"hold\0{each}".encode()).hexdigest() for each in counted)


def take(transaction: Transaction, holder: str | None, line: OrderLine, most: int) -> None:
    """Add a line's units to the holds of its address and network.

    Refused as `hold#…` if the address would hold more than `most`, or its network too many.
    """
    for place, each in enumerate(_counted(holder)):
        bound = most * NETWORK_FACTOR if place else most
        transaction.update(f"hold#{line.sku}#{place}", *Hold.take(each, line.sku, line.quantity, bound))


def release(transaction: Transaction, holder: str | None, line: OrderLine) -> None:
    """Remove a line's units from its address's hold."""
    for place, each in enumerate(_counted(holder)):
        transaction.update(f"hold#{line.sku}#{place}", *Hold.release(each, line.sku, line.quantity))


def _counted(holder: str | None) -> list[str]:
    """Return the hash of an address, and of its network if that is counted."""
    return holder.split(_BETWEEN) if holder else []


def max_holds(
    lines: Iterable[OrderLine], quantities: Mapping[str, int], holder: str | None
) -> dict[str, int] | None:
    """Return how many units of each SKU an address may hold; None if an order of these lines alone exceeds a limit.

    `quantities`: SKU → units available and held.
    """
    limits = settings.shop.limits
    most = {}
    for line in lines:
        most[line.sku] = _share(quantities[line.sku], limits.held_share_per_address)
        if line.quantity > min(most[line.sku], _share(quantities[line.sku], limits.held_share_per_session)):
            return None
    most_lines = MAX_LINES_HELD if len(_counted(holder)) < 2 else MAX_LINES_HELD_IN_NETWORK
    return most if len(most) <= most_lines else None


def held_share(stock: Stock) -> int:
    """Return the percentage of a SKU's unsold units that unpaid orders hold; 0 if there are too few to judge."""
    quantity = int(stock.available + stock.held)
    return 100 * int(stock.held) // quantity if quantity >= MIN_UNITS_WATCHED else 0


def _share(quantity: int, percent: int) -> int:
    return max(1, quantity * percent // 100)
