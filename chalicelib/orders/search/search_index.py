"""The index of orders for staff's search: number, words of the customer's name, email address, tracking numbers.

A term is found by its beginning, with one Query.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pynamodb.attributes import UnicodeAttribute

from chalicelib.catalog.search import tokenize
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.database.transactions import Transaction
from chalicelib.orders.delivery.parcels import normalize_tracking_number

PREFIX_LENGTH = 2
MAX_NAME_WORDS = 6  # further words of a name hardly help, and placing an order stays one small transaction
TRACKING_PREFIX = "~"  # begins a tracking number among the terms: no word of a name begins with it
NUMBER_PREFIX = "#"  # begins an order number, written without its hyphen
MAX_ROWS = 200  # per word


class OrderSearchEntry(Table):
    """A term by which an order is found: its number, a word of the customer's name, the email address, a tracking number.

    Erasure deletes all but the number.
    """

    class Meta(TableMeta):
        table_name = table_name("order-search")

    prefix = UnicodeAttribute(hash_key=True)  # the term's first two characters
    entry = UnicodeAttribute(range_key=True)  # term # moment placed # order ID


@dataclass(frozen=True)
class SearchHits:
    """The orders with a term, as `moment placed # ID`; `truncated` if there are more."""

    placed_keys: frozenset[str]
    truncated: bool


def search_terms_of(customer: Mapping[str, str], parcels: Iterable[Mapping[str, str]] = ()) -> list[str]:
    """List the terms that an order is found by."""
    *name, email = all_terms_of(customer)
    indexed = dict.fromkeys(word for word in name if len(word) >= PREFIX_LENGTH)
    numbers = (normalize_tracking_number(parcel["tracking"]) for parcel in parcels)
    tracked = dict.fromkeys(f"{TRACKING_PREFIX}{number}" for number in numbers if number)
    return [*list(indexed)[:MAX_NAME_WORDS], *([email] if email else []), *tracked]


def all_terms_of(customer: Mapping[str, str]) -> list[str]:
    """List all words of a customer's name, then their folded email address, which may be empty."""
    return [*tokenize(customer.get("name") or ""), fold_email(customer.get("email") or "")]


def fold_email(email: str) -> str:
    """Return an email address as it is stored and searched."""
    return email.strip().lower()


def number_term(order_number: str) -> str:
    """Return an order number, or its beginning, as it is stored and searched."""
    return NUMBER_PREFIX + order_number.replace("-", "")


def add_search_entries(
    order_number: str, customer: Mapping[str, str], placed: str, transaction: Transaction
) -> None:
    """Add an order's search entries to a transaction."""
    for place, word in enumerate([number_term(order_number), *search_terms_of(customer)]):
        transaction.put(f"word#{place}", _entry(word, placed))


def update_search_entries(before: list[str], after: list[str], placed: str, transaction: Transaction) -> None:
    """Replace an order's search entries in a transaction; unchanged ones are not written."""
    for word in set(before) - set(after):
        transaction.delete("word", _entry(word, placed))
    for word in set(after) - set(before):
        transaction.put("word", _entry(word, placed))


def find_by_prefix(word: str) -> SearchHits:
    """Find the orders with a term that begins with a prefix: one Query."""
    return _query(word[:PREFIX_LENGTH], word, newest_first=True, most=MAX_ROWS)


def find_by_tracking_number(number: str) -> SearchHits:
    """Find the newest orders with a normalized tracking number: one Query."""
    word = f"{TRACKING_PREFIX}{number}"
    return _query(word[:PREFIX_LENGTH], f"{word}#", newest_first=True, most=MAX_ROWS)


def find_by_email(email: str, most: int) -> SearchHits:
    """Find the oldest orders placed with an email address: one Query."""
    word = fold_email(email)
    return _query(word[:PREFIX_LENGTH], f"{word}#", newest_first=False, most=most)


def _query(prefix: str, beginning: str, *, newest_first: bool, most: int) -> SearchHits:
    rows = OrderSearchEntry.query(
        prefix,
        OrderSearchEntry.entry.startswith(beginning),
        scan_index_forward=not newest_first,
        limit=most + 1,
    )
    entries = [row.entry for row in rows]
    return SearchHits(frozenset(map(_placed_key_of, entries[:most])), len(entries) > most)


def _placed_key_of(entry: str) -> str:
    return "#".join(entry.rsplit("#", 2)[1:])  # an address may contain a #


def _entry(word: str, placed: str) -> OrderSearchEntry:
    return OrderSearchEntry(word[:PREFIX_LENGTH], f"{word}#{placed}")


def ids(placed: Iterable[str]) -> list[str]:
    """Return the orders' IDs, the newest order first."""
    return [entry.rpartition("#")[2] for entry in sorted(placed, reverse=True)]
