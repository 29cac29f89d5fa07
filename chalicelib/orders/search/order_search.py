"""Find orders by number, name, email address, PayPal's IDs and tracking numbers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids
from chalicelib.catalog.search import tokenize
from chalicelib.cleaning import clean_code
from chalicelib.database.reads import batch_get
from chalicelib.orders.delivery.parcels import parse_tracking_number
from chalicelib.orders.models import Order
from chalicelib.orders.search import search_index
from chalicelib.orders.search.order_list import PAGE_SIZE, OrderFilter, read_in_order
from chalicelib.orders.views.order_record import OrderRecord

MAX_QUERY_WORDS = 6  # words of a search text
MAX_WORD_PARTS = 3  # parts of a word such as ann-sophie.lee that are looked up; the others are compared
_NOT_IN_A_NUMBER = re.compile(r"[\s#–—.-]")
_NUMBER = re.compile(r"[0-9]{10}", re.ASCII)
_NUMBER_BEGINNING = re.compile(r"#?([0-9]{3,5}|[0-9]{5}[\s–—.-]?[0-9]{0,4})", re.ASCII)
_PAYPAL_ID = re.compile(r"[A-Z0-9]{17}", re.ASCII)


@dataclass(frozen=True)
class SearchResult:
    """The orders found; `has_more` if only the newest are listed."""

    orders: list[Order]
    has_more: bool = False


# -- by text ----------------------------------------------------------------------------------------------


def search_orders(text: str, selection: OrderFilter, most: int = 2 * PAGE_SIZE) -> SearchResult:
    """Find orders by number, PayPal's ID, tracking number, name or email address; the last two within a selection.

    A name or an address is found by the beginning of each of its words, an order number by its first three
    digits or more.
    """
    exact = _find_by_id(text)
    if exact is not None:
        return SearchResult([exact])
    tracked = _find_by_tracking_number(text)
    if tracked:
        return SearchResult(tracked[:most], has_more=len(tracked) > most)
    telling = _search_terms(text)
    if not telling:
        return SearchResult([])
    placed, cut = _hits(telling)
    orders = read_in_order(sorted(placed, reverse=True)[: search_index.MAX_ROWS])
    kept = list(filter(matches(text), filter(selection.includes, orders)))
    return SearchResult(kept[:most], has_more=cut or len(placed) > search_index.MAX_ROWS or len(kept) > most)


def matches(text: str) -> Callable[[Order | OrderRecord], bool]:
    """Return what tells whether a text is found in an order's number, name and address, as `find` does; no calls."""
    telling = _search_terms(text)
    return lambda order: bool(telling) and all(word.is_in(order) for word in telling)


@dataclass(frozen=True)
class _SearchTerm:
    """A word of a search text, and its interpretations: “ann.lee” begins an address, or is the name Ann Lee."""

    interpretations: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, word: str) -> "_SearchTerm":
        address = search_index.fold_email(word)
        ways = {tuple(tokenize(word))} if "@" not in address else set()
        if not address.isalnum():
            ways.add((address,))
        if _NUMBER_BEGINNING.fullmatch(clean_code(word)):
            ways.add((search_index.number_term(_NOT_IN_A_NUMBER.sub("", clean_code(word))),))
        return cls(tuple(way for way in sorted(ways) if any(map(_is_long_enough, way))))

    def is_in(self, order: Order | OrderRecord) -> bool:
        known = [search_index.number_term(order.number), *search_index.all_terms_of(order.customer)]
        return any(
            all(any(word.startswith(part) for word in known) for part in way) for way in self.interpretations
        )

    def hits(self) -> search_index.SearchHits:
        asked = [
            [part for part in way if _is_long_enough(part)][:MAX_WORD_PARTS] for way in self.interpretations
        ]
        found = [[search_index.find_by_prefix(part) for part in way] for way in asked]
        placed = [frozenset.intersection(*(hits.placed_keys for hits in way)) for way in found]
        return search_index.SearchHits(
            frozenset().union(*placed), any(hits.truncated for way in found for hits in way)
        )


def _search_terms(text: str) -> list[_SearchTerm]:
    words = [text] if _NUMBER_BEGINNING.fullmatch(clean_code(text)) else text.split()[:MAX_QUERY_WORDS]
    asked = [_SearchTerm.of(word) for word in words]
    return [word for word in asked if word.interpretations]


def _is_long_enough(word: str) -> bool:
    return len(word) >= search_index.PREFIX_LENGTH


def _hits(asked: list[_SearchTerm]) -> tuple[frozenset[str], bool]:
    # A truncated result excludes little: the other words decide, and what is found is checked anyway.
    found = [word.hits() for word in asked]
    demanded = [hits for hits in found if not hits.truncated] or found
    return frozenset.intersection(*(hits.placed_keys for hits in demanded)), any(
        hits.truncated for hits in demanded
    )


def _find_by_id(text: str) -> Order | None:
    plain = _NOT_IN_A_NUMBER.sub("", clean_code(text))
    if _NUMBER.fullmatch(plain):
        return _find_by_lookup(f"number#{plain[:5]}-{plain[5:]}")
    if ids.is_id(plain):
        return batch_get({Order: [plain]})[Order].get(plain)
    if _PAYPAL_ID.fullmatch(plain.upper()) and any(map(str.isdigit, plain)):
        return _find_by_lookup(f"capture#{plain.upper()}") or _find_by_lookup(f"paypal#{plain.upper()}")
    return None


def _find_by_tracking_number(text: str) -> list[Order]:
    number = parse_tracking_number(text)
    if not number:
        return []
    word = f"{search_index.TRACKING_PREFIX}{number}"
    found = read_in_order(sorted(search_index.find_by_tracking_number(number).placed_keys, reverse=True))
    return [order for order in found if word in order.search_terms]


def _find_by_lookup(pointer: str) -> Order | None:
    order_id = Order.find_by_lookup(pointer)
    return batch_get({Order: [order_id]})[Order].get(order_id) if order_id else None
