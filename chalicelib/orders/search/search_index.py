"""What orders are found by: words of the customer's name, the e-mail address, tracking numbers. Prefixes, by Query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pynamodb.attributes import UnicodeAttribute

from chalicelib.catalog.search import words
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.database.transactions import Transaction
from chalicelib.orders.delivery.parcels import folded_number

FEWEST_LETTERS = 2
MOST_NAME_WORDS = 6  # more of a name tell nothing, and placing stays one small transaction
TRACKING = "~"  # begins a tracking number among the words: no word of a name does
MOST_ROWS = 200  # of one word


class OrderWord(Table):
    """A word of an order's customer, or a tracking number. Written with the order, deleted as it is erased."""

    class Meta(TableMeta):
        table_name = table_name("order-words")

    letters = UnicodeAttribute(hash_key=True)  # the word's first two
    entry = UnicodeAttribute(range_key=True)  # word # moment placed # order's id


@dataclass(frozen=True)
class Hits:
    """The orders a word was found in, as `moment placed # id`; `cut` where there are more."""

    placed: frozenset[str]
    cut: bool


def words_of(customer: Mapping[str, str], parcels: Iterable[Mapping[str, str]] = ()) -> list[str]:
    """List the words that an order is found by."""
    *name, email = known_words(customer)
    telling = dict.fromkeys(word for word in name if len(word) >= FEWEST_LETTERS)
    numbers = (folded_number(parcel["tracking"]) for parcel in parcels)
    tracked = dict.fromkeys(f"{TRACKING}{number}" for number in numbers if number)
    return [*list(telling)[:MOST_NAME_WORDS], *([email] if email else []), *tracked]


def known_words(customer: Mapping[str, str]) -> list[str]:
    """List all words of a customer's name, then their folded address, which may be empty."""
    return [*words(customer.get("name") or ""), folded_address(customer.get("email") or "")]


def folded_address(email: str) -> str:
    """Fold an e-mail address as it is kept and asked for."""
    return email.strip().lower()


def add_words(customer: Mapping[str, str], placed: str, transaction: Transaction) -> None:
    """Let an order be found, once the transaction is committed."""
    for number, word in enumerate(words_of(customer)):
        transaction.put(f"word#{number}", _row(word, placed))


def change_words(before: list[str], after: list[str], placed: str, transaction: Transaction) -> None:
    """Let an order be found by other words than before; what stays is not touched."""
    for word in set(before) - set(after):
        transaction.delete("word", _row(word, placed))
    for word in set(after) - set(before):
        transaction.put("word", _row(word, placed))


def beginning_with(word: str) -> Hits:
    """Find the orders with a word that begins so: one Query."""
    return _hits(word[:FEWEST_LETTERS], word, newest_first=True, most=MOST_ROWS)


def with_tracking_number(number: str) -> Hits:
    """Find the newest orders with a folded tracking number: one Query."""
    word = f"{TRACKING}{number}"
    return _hits(word[:FEWEST_LETTERS], f"{word}#", newest_first=True, most=MOST_ROWS)


def of_address(email: str, most: int) -> Hits:
    """Find the oldest orders placed with an e-mail address: one Query."""
    word = folded_address(email)
    return _hits(word[:FEWEST_LETTERS], f"{word}#", newest_first=False, most=most)


def _hits(letters: str, beginning: str, *, newest_first: bool, most: int) -> Hits:
    rows = OrderWord.query(
        letters, OrderWord.entry.startswith(beginning), scan_index_forward=not newest_first, limit=most + 1
    )
    entries = [row.entry for row in rows]
    return Hits(frozenset(map(_placed_of, entries[:most])), len(entries) > most)


def _placed_of(entry: str) -> str:
    return "#".join(entry.rsplit("#", 2)[1:])  # an address may have a # of its own


def _row(word: str, placed: str) -> OrderWord:
    return OrderWord(word[:FEWEST_LETTERS], f"{word}#{placed}")


def ids(placed: Iterable[str]) -> list[str]:
    """Tell the orders' IDs, the newest order first."""
    return [entry.rpartition("#")[2] for entry in sorted(placed, reverse=True)]
