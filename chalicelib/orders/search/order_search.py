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
    terms = _search_terms(text)
    if not terms:
        return SearchResult([])
    placed, truncated = _hits(terms)
    orders = read_in_order(sorted(placed, reverse=True)[: search_index.MAX_ROWS])
    kept = list(filter(matches(text), filter(selection.includes, orders)))
    return SearchResult(
        kept[:most], has_more=truncated or len(placed) > search_index.MAX_ROWS or len(kept) > most
    )


def matches(text: str) -> Callable[[Order | OrderRecord], bool]:
    """Return a predicate: whether a text is in an order's number, name or email address, as in `search_orders`; no calls."""
    terms = _search_terms(text)
    return lambda order: bool(terms) and all(term.is_in(order) for term in terms)


@dataclass(frozen=True)
class _SearchTerm:
    """A word of a search text, and its interpretations: “ann.lee” begins an address, or is the name Ann Lee."""

    interpretations: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, word: str) -> "_SearchTerm":
        address = search_index.fold_email(word)
        readings = {tuple(tokenize(word))} if "@" not in address else set()
        if not address.isalnum():
            readings.add((address,))
        if _NUMBER_BEGINNING.fullmatch(clean_code(word)):
            readings.add((search_index.number_term(_NOT_IN_A_NUMBER.sub("", clean_code(word))),))
        return cls(tuple(words for words in sorted(readings) if any(map(_is_long_enough, words))))

    def is_in(self, order: Order | OrderRecord) -> bool:
        known = [search_index.number_term(order.number), *search_index.all_terms_of(order.customer)]
        return any(
            all(any(word.startswith(part) for word in known) for part in parts)
            for parts in self.interpretations
        )

    def hits(self) -> search_index.SearchHits:
        prefixes = [
            [part for part in parts if _is_long_enough(part)][:MAX_WORD_PARTS]
            for parts in self.interpretations
        ]
        found = [[search_index.find_by_prefix(part) for part in parts] for parts in prefixes]
        placed = [frozenset.intersection(*(hits.placed_keys for hits in each)) for each in found]
        return search_index.SearchHits(
            frozenset().union(*placed), any(hits.truncated for each in found for hits in each)
        )


def _search_terms(text: str) -> list[_SearchTerm]:
    words = [text] if _NUMBER_BEGINNING.fullmatch(clean_code(text)) else text.split()[:MAX_QUERY_WORDS]
    terms = [_SearchTerm.of(word) for word in words]
    return [term for term in terms if term.interpretations]


def _is_long_enough(word: str) -> bool:
    return len(word) >= search_index.PREFIX_LENGTH


def _hits(terms: list[_SearchTerm]) -> tuple[frozenset[str], bool]:
    # A truncated result is incomplete, so the other terms decide; the orders found are checked anyway.
    found = [term.hits() for term in terms]
    deciding = [hits for hits in found if not hits.truncated] or found
    return frozenset.intersection(*(hits.placed_keys for hits in deciding)), any(
        hits.truncated for hits in deciding
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


def _find_by_lookup(key: str) -> Order | None:
    order_id = Order.find_by_lookup(key)
    return batch_get({Order: [order_id]})[Order].get(order_id) if order_id else None
