"""Lists of orders: newest first, in pages, by state, days and text. Each page is a bounded number of calls."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.reads import Item, batch_get, batch_get_items
from chalicelib.database.streams import page_ahead, query_pages, read_ahead
from chalicelib.orders.indexes import SHARDS, PlacedIndex, StateIndex
from chalicelib.orders.models import Order
from chalicelib.orders.search import search_index
from chalicelib.orders.states import OrderState
from chalicelib.orders.timeouts import MAX_CHECK_DELAY
from chalicelib.orders.views.order_record import OrderRecord

PAGE_SIZE = 40
MAX_ORDERS_WITH_ISSUES = 100  # one BatchGetItem
MAX_HELD_ORDERS = 400  # four BatchGetItems
KEYS_PER_QUERY = 500  # of one shard's Query, if a list is read to its end
ORDERS_PER_BATCH = 100  # one BatchGetItem
BATCHES_AHEAD = 3  # prefetched before the consumer, which writes them to a file
FIRST, LAST = "0", "~"  # sort before and after every moment
_T = TypeVar("_T")


@dataclass(frozen=True)
class OrderFilter:
    """Selects orders by list status (None: all), and by the shop's days `first` to `last` on which they were placed."""

    state: str | None = None
    first: date | None = None
    last: date | None = None

    def includes(self, order: Order) -> bool:
        """Return whether the filter selects an order as it is now."""
        low, high = self.bounds
        return self.state in (None, order.list_status) and low <= order.placed_at < high

    @property
    def bounds(self) -> tuple[str, str]:
        """Return the range of `placed_at`: from the first moment, before the second."""
        low = _start_of_day(self.first) if self.first else FIRST
        return low, _start_of_day(self.last + timedelta(days=1)) if self.last else LAST


@dataclass(frozen=True)
class OrderPage:
    """A page of orders, and the cursor of the next page; None if there is none."""

    orders: list[Order]
    after: str | None


def list_orders(selection: OrderFilter, after: str | None = None) -> OrderPage:
    """Read a page: one Query per shard, one BatchGetItem."""
    rows = list(islice(merged(selection, after, limit=PAGE_SIZE + 1), PAGE_SIZE + 1))
    orders = read_in_order(rows[:PAGE_SIZE])
    shown = [order for order in orders if selection.state in (None, order.list_status)]
    return OrderPage(shown, rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None)


def count_up_to(selection: OrderFilter, most: int) -> int:
    """Count the selected orders, at most `most`: one Query per shard."""
    return sum(1 for _ in islice(merged(selection, None, limit=most), most))


def count_all(selection: OrderFilter, before: str) -> int:
    """Count the selected orders placed before a moment: DynamoDB counts, one Query per megabyte of keys."""
    index, partitions, low, high = _index_range(selection, before)
    if high <= low:
        return 0
    return sum(index.count(partition, Order.placed_key.between(low, high)) for partition in partitions)


def all_orders(
    selection: OrderFilter, before: str | None, take: Callable[[list[OrderRecord]], _T]
) -> Iterator[_T]:
    """Read all selected orders in batches of a hundred; yield the result of `take` for each batch.

    `before` is a cursor as `OrderPage.after`. Some batches are read and processed ahead, in threads; memory use stays
    constant if `take` returns little.
    """
    rows = merged(selection, before)

    def read(placed: list[str]) -> _T:
        wanted = search_index.ids(placed)
        found = batch_get_items(Order, wanted)
        records = [OrderRecord(found[order_id]) for order_id in wanted if order_id in found]
        return take([order for order in records if selection.state in (None, order.list_status)])

    steps = iter(lambda: list(islice(rows, ORDERS_PER_BATCH)), [])
    yield from read_ahead((partial(read, step) for step in steps), BATCHES_AHEAD)


def orders_with_issues() -> OrderPage:
    """Read the newest orders that need staff's attention: with an open issue or a late email."""
    shards = (
        query_pages(
            Order,
            str(shard),
            index=Order.open_issues_index.Meta.index_name,
            ascending=False,
            page_size=MAX_ORDERS_WITH_ISSUES + 1,
        )
        for shard in range(SHARDS)
    )
    rows = heapq.merge(*(_placed_keys(islice(shard, 1)) for shard in shards), reverse=True)
    wanted = list(islice(rows, MAX_ORDERS_WITH_ISSUES + 1))
    orders = read_in_order(wanted[:MAX_ORDERS_WITH_ISSUES])
    still = [order for order in orders if order.open_issues or order.has_late_email]
    return OrderPage(
        still, wanted[MAX_ORDERS_WITH_ISSUES - 1] if len(wanted) > MAX_ORDERS_WITH_ISSUES else None
    )


def held_orders() -> OrderPage:
    """Read the unpaid orders that hold units; if there are too many, those that are due first.

    Most are due for the reconciler by the end of their hold. An approved order for which PayPal does not answer holds
    its units longer, and is due within MAX_CHECK_DELAY.
    """
    ends = clock.timestamp() + MAX_CHECK_DELAY
    rows = list(
        heapq.merge(
            *(
                Order.due_index.query(str(shard), Order.due_at <= ends, limit=MAX_HELD_ORDERS // SHARDS + 1)
                for shard in range(SHARDS)
            ),
            key=lambda row: float(row.due_at),
        )
    )
    wanted = [row.id for row in rows[:MAX_HELD_ORDERS]]
    found = batch_get({Order: wanted})[Order]
    orders = [found[order_id] for order_id in wanted if order_id in found and found[order_id].held]
    return OrderPage(orders, rows[MAX_HELD_ORDERS].id if len(rows) > MAX_HELD_ORDERS else None)


def pending_orders() -> OrderPage:
    """Read the newest orders with a pending payment."""
    return list_orders(OrderFilter(OrderState.PENDING))


def read_in_order(placed: Iterable[str]) -> list[Order]:
    """Read orders by `moment placed # ID`, the newest first; a hundred per BatchGetItem."""
    wanted = search_index.ids(placed)
    found = batch_get({Order: wanted})[Order]
    return [found[order_id] for order_id in wanted if order_id in found]


# -- reading the indexes ----------------------------------------------------------------------------------


def merged(selection: OrderFilter, before: str | None, limit: int | None = None) -> Iterator[str]:
    """Yield the selected orders of all shards as `moment placed # ID`, newest first, after the cursor `before`.

    With a `limit`, one Query per shard, of at most so many keys.
    """
    index, partitions, low, high = _index_range(selection, before)
    if high <= low:  # DynamoDB refuses a range that ends before it begins
        return iter(())
    shards = [
        query_pages(
            Order,
            partition,
            Order.placed_key.between(low, high),
            index=index.Meta.index_name,
            ascending=False,
            page_size=limit + 1 if limit else KEYS_PER_QUERY,  # `before` itself is read again
        )
        for partition in partitions
    ]
    pages = [islice(shard, 1) if limit else page_ahead(shard) for shard in shards]
    return (placed for placed in heapq.merge(*map(_placed_keys, pages), reverse=True) if placed < high)


def _index_range(
    selection: OrderFilter, before: str | None
) -> tuple[PlacedIndex | StateIndex, list[str], str, str]:
    """Return the index of the selected orders, its partitions, and the range of keys."""
    low, high = selection.bounds
    span = low, min(high, before or LAST)
    if selection.state is None:
        return Order.placed_index, [str(shard) for shard in range(SHARDS)], *span
    return Order.state_index, [f"{selection.state}#{shard}" for shard in range(SHARDS)], *span


def _placed_keys(pages: Iterable[list[Item]]) -> Iterator[str]:
    return (item["placed_key"]["S"] for page in pages for item in page)


def _start_of_day(day: date) -> str:
    # If midnight occurs twice because clocks go back, the day begins at the first one; if midnight is skipped, at
    # the moment of the change.
    return clock.iso_now(datetime.combine(day, time(), settings.timezone))
