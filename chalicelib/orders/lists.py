"""Lists of orders: newest first, in pages, by state, days and text. Each page is a bounded number of calls."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice

from chalicelib import clock
from chalicelib.catalog.search import words as split_words
from chalicelib.cleaning import clean_code
from chalicelib.config import settings
from chalicelib.orders import states, words
from chalicelib.orders.dues import LONGEST_WAIT
from chalicelib.orders.indexes import SHARDS, PlacedIndex, StateIndex
from chalicelib.orders.models import Order
from chalicelib.orders.parcels import asked_number
from chalicelib.storage import read_many

PAGE = 40
MOST_RAISED = 100  # one BatchGetItem
MOST_HELD = 400  # four BatchGetItems
MOST_ASKED = 6  # words of a question
MOST_PARTS = 3  # of a word such as ann-sophie.lee that are looked up; the others are compared
KEYS_A_STEP = 500  # of one shard's Query, where a list is read to its end
ORDERS_A_STEP = 100  # one BatchGetItem
FIRST, LAST = "0", "~"  # before and behind every moment
_NOT_IN_A_NUMBER = re.compile(r"[\s#–—.-]")
_NUMBER = re.compile(r"[0-9]{10}", re.ASCII)
_PAYPAL_ID = re.compile(r"[A-Z0-9]{17}", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """Which orders: listed as a state or all, placed on the shop's days from `first` to `last` or at any time."""

    state: str | None = None
    first: date | None = None
    last: date | None = None

    def has(self, order: Order) -> bool:
        """Tell whether an order is among them, as it is now."""
        low, high = self.bounds
        return self.state in (None, order.listed_as) and low <= order.placed_at < high

    @property
    def bounds(self) -> tuple[str, str]:
        """Tell from which moment they were placed, and before which."""
        low = _beginning(self.first) if self.first else FIRST
        return low, _beginning(self.last + timedelta(days=1)) if self.last else LAST


@dataclass(frozen=True)
class Page:
    """Some orders, and what to ask for those after them: None where there are no more."""

    orders: list[Order]
    after: str | None


@dataclass(frozen=True)
class Found:
    """What a text was found in; `more` where only the newest are shown."""

    orders: list[Order]
    more: bool = False


def page_of_orders(selection: Selection, after: str | None = None) -> Page:
    """Read a page: one Query a shard, one BatchGetItem."""
    rows = list(islice(_merged(selection, after, limit=PAGE + 1), PAGE + 1))
    orders = read_in_order(rows[:PAGE])
    shown = [order for order in orders if selection.state in (None, order.listed_as)]
    return Page(shown, rows[PAGE - 1] if len(rows) > PAGE else None)


def count_up_to(selection: Selection, most: int) -> int:
    """Count the selected orders, no further than `most`: one Query a shard."""
    return sum(1 for _ in islice(_merged(selection, None, limit=most), most))


def count_all(selection: Selection, before: str) -> int:
    """Count the selected orders placed until a moment: DynamoDB counts, a megabyte of keys a Query."""
    index, partitions, low, high = _walk(selection, before)
    if high <= low:
        return 0
    return sum(index.count(partition, Order.placed.between(low, high)) for partition in partitions)


def all_orders(selection: Selection, before: str | None = None) -> Iterator[list[Order]]:
    """Read every selected order, a hundred at a time; memory stays flat. `before` as `Page.after`."""
    rows = _merged(selection, before)
    while step := list(islice(rows, ORDERS_A_STEP)):
        orders = read_in_order(step)
        yield [order for order in orders if selection.state in (None, order.listed_as)]


def raised_orders() -> Page:
    """Read the newest orders that staff must look at: an open issue, or mail that is late."""
    rows = _newest(
        Order.raised_index.query(str(shard), scan_index_forward=False, limit=MOST_RAISED + 1)
        for shard in range(SHARDS)
    )
    wanted = list(islice(rows, MOST_RAISED + 1))
    orders = read_in_order(wanted[:MOST_RAISED])
    still = [order for order in orders if order.open_issues or order.mail_is_late]
    return Page(still, wanted[MOST_RAISED - 1] if len(wanted) > MOST_RAISED else None)


def held_orders() -> Page:
    """Read the unpaid orders that keep pieces from others; of very many those that are looked at first.

    Most are due for the reconciler by the end of their hold; one that PayPal has approved and does not answer for keeps its
    pieces longer, and is due within the longest wait.
    """
    ends = clock.timestamp() + LONGEST_WAIT
    rows = list(
        heapq.merge(
            *(
                Order.attention_index.query(str(shard), Order.due <= ends, limit=MOST_HELD // SHARDS + 1)
                for shard in range(SHARDS)
            ),
            key=lambda row: float(row.due),
        )
    )
    wanted = [row.id for row in rows[:MOST_HELD]]
    found = read_many({Order: wanted})[Order]
    orders = [found[order_id] for order_id in wanted if order_id in found and found[order_id].held]
    return Page(orders, rows[MOST_HELD].id if len(rows) > MOST_HELD else None)


def pending_orders() -> Page:
    """Read the newest orders whose payment PayPal holds."""
    return page_of_orders(Selection(states.PENDING))


def read_in_order(placed: Iterable[str]) -> list[Order]:
    """Read orders by `moment placed # id`, the newest first; a hundred in one BatchGetItem."""
    wanted = words.ids(placed)
    found = read_many({Order: wanted})[Order]
    return [found[order_id] for order_id in wanted if order_id in found]


# -- by text ----------------------------------------------------------------------------------------------


def find(text: str, selection: Selection, most: int = 2 * PAGE) -> Found:
    """Find orders by number, PayPal's id, tracking number, name or e-mail address; the last two within a selection.

    A name or an address is found by the beginning of each of its words.
    """
    exact = _by_pointer(text)
    if exact is not None:
        return Found([exact])
    tracked = _by_tracking_number(text)
    if tracked:
        return Found(tracked[:most], more=len(tracked) > most)
    telling = _telling(text)
    if not telling:
        return Found([])
    placed, cut = _hits(telling)
    orders = read_in_order(sorted(placed, reverse=True)[: words.MOST_ROWS])
    kept = list(filter(matching(text), filter(selection.has, orders)))
    return Found(kept[:most], more=cut or len(placed) > words.MOST_ROWS or len(kept) > most)


def matching(text: str) -> Callable[[Order], bool]:
    """Return what tells whether a text is found in an order's name and address, as `find` does; no calls."""
    telling = _telling(text)
    return lambda order: bool(telling) and all(word.is_in(order) for word in telling)


@dataclass(frozen=True)
class _Asked:
    """A word of a question, and the ways to read it: “ann.lee” begins an address, or is the name Ann Lee."""

    ways: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, word: str) -> "_Asked":
        address = words.folded_address(word)
        ways = {tuple(split_words(word))} if "@" not in address else set()
        if not address.isalnum():
            ways.add((address,))
        return cls(tuple(way for way in sorted(ways) if any(map(_tells, way))))

    def is_in(self, order: Order) -> bool:
        known = words.known_words(order.customer)
        return any(all(any(word.startswith(part) for word in known) for part in way) for way in self.ways)

    def hits(self) -> words.Hits:
        asked = [[part for part in way if _tells(part)][:MOST_PARTS] for way in self.ways]
        found = [[words.beginning_with(part) for part in way] for way in asked]
        placed = [frozenset.intersection(*(hits.placed for hits in way)) for way in found]
        return words.Hits(frozenset().union(*placed), any(hits.cut for way in found for hits in way))


def _telling(text: str) -> list[_Asked]:
    asked = [_Asked.of(word) for word in text.split()[:MOST_ASKED]]
    return [word for word in asked if word.ways]


def _tells(word: str) -> bool:
    return len(word) >= words.FEWEST_LETTERS


def _hits(asked: list[_Asked]) -> tuple[frozenset[str], bool]:
    # A word that is cut short tells little: the others decide, and what is found is checked anyway.
    found = [word.hits() for word in asked]
    demanded = [hits for hits in found if not hits.cut] or found
    return frozenset.intersection(*(hits.placed for hits in demanded)), any(hits.cut for hits in demanded)


def _by_pointer(text: str) -> Order | None:
    plain = _NOT_IN_A_NUMBER.sub("", clean_code(text))
    if _NUMBER.fullmatch(plain):
        return _pointed_at(f"number#{plain[:5]}-{plain[5:]}")
    if clock.is_id(plain):
        return read_many({Order: [plain]})[Order].get(plain)
    if _PAYPAL_ID.fullmatch(plain.upper()) and any(map(str.isdigit, plain)):
        return _pointed_at(f"capture#{plain.upper()}") or _pointed_at(f"paypal#{plain.upper()}")
    return None


def _by_tracking_number(text: str) -> list[Order]:
    number = asked_number(text)
    if not number:
        return []
    word = f"{words.TRACKING}{number}"
    found = read_in_order(sorted(words.with_tracking_number(number).placed, reverse=True))
    return [order for order in found if word in order.words]


def _pointed_at(pointer: str) -> Order | None:
    order_id = Order.find(pointer)
    return read_many({Order: [order_id]})[Order].get(order_id) if order_id else None


# -- reading the indexes ----------------------------------------------------------------------------------


def _merged(selection: Selection, before: str | None, limit: int | None = None) -> Iterator[str]:
    """Walk the selected orders of all shards as `moment placed # id`, newest first, those behind `before`."""
    index, partitions, low, high = _walk(selection, before)
    if high <= low:  # DynamoDB refuses a range that ends before it begins
        return iter(())
    shards = (
        index.query(
            partition,
            Order.placed.between(low, high),
            scan_index_forward=False,
            limit=limit and limit + 1,  # `before` itself is read again
            page_size=None if limit else KEYS_A_STEP,
        )
        for partition in partitions
    )
    return (placed for placed in _newest(shards) if placed < high)


def _walk(selection: Selection, before: str | None) -> tuple[PlacedIndex | StateIndex, list[str], str, str]:
    """Tell in which index the selected orders are, in which of its partitions, from where to where."""
    low, high = selection.bounds
    span = low, min(high, before or LAST)
    if selection.state is None:
        return Order.placed_index, [str(shard) for shard in range(SHARDS)], *span
    return Order.state_index, [f"{selection.state}#{shard}" for shard in range(SHARDS)], *span


def _newest(shards: Iterable[Iterable[Order]]) -> Iterator[str]:
    return heapq.merge(*(_placed(rows) for rows in shards), reverse=True)


def _placed(rows: Iterable[Order]) -> Iterator[str]:
    for row in rows:
        yield str(row.placed)


def _beginning(day: date) -> str:
    # Where clocks go back and midnight strikes twice, the day begins at the first; where it is skipped, right then.
    return clock.moment(datetime.combine(day, time(), settings.timezone))
