"""Find orders by number, name, e-mail address, PayPal's ids and tracking numbers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids
from chalicelib.catalog.search import words as split_words
from chalicelib.cleaning import clean_code
from chalicelib.database.reads import read_many
from chalicelib.orders.delivery.parcels import asked_number
from chalicelib.orders.models import Order
from chalicelib.orders.search import search_index
from chalicelib.orders.search.order_list import PAGE, Selection, read_in_order

MOST_ASKED = 6  # words of a question
MOST_PARTS = 3  # of a word such as ann-sophie.lee that are looked up; the others are compared
_NOT_IN_A_NUMBER = re.compile(r"[\s#–—.-]")
_NUMBER = re.compile(r"[0-9]{10}", re.ASCII)
_PAYPAL_ID = re.compile(r"[A-Z0-9]{17}", re.ASCII)


@dataclass(frozen=True)
class Found:
    """What a text was found in; `more` where only the newest are shown."""

    orders: list[Order]
    more: bool = False


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
    orders = read_in_order(sorted(placed, reverse=True)[: search_index.MOST_ROWS])
    kept = list(filter(matching(text), filter(selection.has, orders)))
    return Found(kept[:most], more=cut or len(placed) > search_index.MOST_ROWS or len(kept) > most)


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
        address = search_index.folded_address(word)
        ways = {tuple(split_words(word))} if "@" not in address else set()
        if not address.isalnum():
            ways.add((address,))
        return cls(tuple(way for way in sorted(ways) if any(map(_tells, way))))

    def is_in(self, order: Order) -> bool:
        known = search_index.known_words(order.customer)
        return any(all(any(word.startswith(part) for word in known) for part in way) for way in self.ways)

    def hits(self) -> search_index.Hits:
        asked = [[part for part in way if _tells(part)][:MOST_PARTS] for way in self.ways]
        found = [[search_index.beginning_with(part) for part in way] for way in asked]
        placed = [frozenset.intersection(*(hits.placed for hits in way)) for way in found]
        return search_index.Hits(frozenset().union(*placed), any(hits.cut for way in found for hits in way))


def _telling(text: str) -> list[_Asked]:
    asked = [_Asked.of(word) for word in text.split()[:MOST_ASKED]]
    return [word for word in asked if word.ways]


def _tells(word: str) -> bool:
    return len(word) >= search_index.FEWEST_LETTERS


def _hits(asked: list[_Asked]) -> tuple[frozenset[str], bool]:
    # A word that is cut short tells little: the others decide, and what is found is checked anyway.
    found = [word.hits() for word in asked]
    demanded = [hits for hits in found if not hits.cut] or found
    return frozenset.intersection(*(hits.placed for hits in demanded)), any(hits.cut for hits in demanded)


def _by_pointer(text: str) -> Order | None:
    plain = _NOT_IN_A_NUMBER.sub("", clean_code(text))
    if _NUMBER.fullmatch(plain):
        return _pointed_at(f"number#{plain[:5]}-{plain[5:]}")
    if ids.is_id(plain):
        return read_many({Order: [plain]})[Order].get(plain)
    if _PAYPAL_ID.fullmatch(plain.upper()) and any(map(str.isdigit, plain)):
        return _pointed_at(f"capture#{plain.upper()}") or _pointed_at(f"paypal#{plain.upper()}")
    return None


def _by_tracking_number(text: str) -> list[Order]:
    number = asked_number(text)
    if not number:
        return []
    word = f"{search_index.TRACKING}{number}"
    found = read_in_order(sorted(search_index.with_tracking_number(number).placed, reverse=True))
    return [order for order in found if word in order.words]


def _pointed_at(pointer: str) -> Order | None:
    order_id = Order.find(pointer)
    return read_many({Order: [order_id]})[Order].get(order_id) if order_id else None
