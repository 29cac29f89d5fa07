"""Prefix search over all words of all products: an inverted index, read by Query.

For one word, results have the order of the index: products with a matching word in their name, then those of a matching
category, then those with a matching word in their text; the word itself before longer ones, which are in alphabetical
order, as are the products of one word. So only what is shown is read, however many products match. Of several words the
rarest decide: one with more rows than are read is only checked in each product found.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from chalicelib.catalog.categories import Category, categories
from chalicelib.catalog.markdown_text import render_text
from chalicelib.catalog.models import Listing, Product, SearchEntry, Stock
from chalicelib.catalog.product_lists import ProductCard, make_card
from chalicelib.database.reads import Item, batch_get, batch_get_items
from chalicelib.database.streams import query_pages
from chalicelib.database.transactions import ConditionFailed, Transaction

MAX_WORDS = 8
MAX_WORD_LENGTH = 40  # longer words are cut, in the index and in searches
PREFIX_LENGTH = 2
MAX_SHOWN = 48
MAX_CATEGORIES = 4  # that one word may mean
MAX_CANDIDATES = 100  # of several words: one BatchGetItem
CANDIDATES_PER_READ = 50  # of one word: a page of results, and whether there are more
MAX_READS = 4  # of these, where hits are stale or lack the question's one-letter words
MAX_BATCH_SIZE = 100  # writes that fit into one transaction
# Begins every word of a hidden product. A shopper's search has only letters and digits, so it never finds one:
# neither its rows, nor a position among the hits that a visible product should have.
HIDDEN = "@"
NAMED = "!"  # begins a name's words, which are in the index twice: among all words, and by themselves
# A prefix with more rows than this is too common to select by: the other words decide, and hits are checked anyway.
MAX_ROWS = 500
ROWS_PER_READ = 100
# Letters that NFKD does not decompose, as they are typed on other keyboards.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


@dataclass(frozen=True)
class SearchResult:
    """The result of a search; `message` says why nothing was looked up."""

    products: list[ProductCard]
    has_more: bool = False
    message: str | None = None


def tokenize(text: str) -> Iterator[str]:
    """Split a text into words without case and accents: letters and digits of every script."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_PLAIN)
    kinds = ((letter, unicodedata.category(letter)[0]) for letter in plain)
    kept = "".join(letter if kind in "LN" else " " for letter, kind in kinds if kind != "M")
    for word in kept.split():
        yield word[:MAX_WORD_LENGTH]


def words_of(product: Product) -> dict[str, bool]:
    """Return the words that a product is found by, as the index has them, and whether each is in its name.

    Its category's name is not included: that may change without the product, so `_listed` looks it up.
    """
    texts = [render_text(product.text)]
    for variant in product.variants:
        texts += [variant["sku"], *variant["options"], *variant["options"].values()]
    in_name = dict.fromkeys(tokenize(product.name), True)
    found = dict.fromkeys(tokenize(" ".join(texts)), False) | in_name
    found |= {NAMED + word: False for word in in_name}
    return {index_term(word, product.hidden): in_name for word, in_name in found.items()}


def index_term(word: str, hidden: bool) -> str:
    """Return the index's term for a word of a visible or a hidden product."""
    return HIDDEN * hidden + word.removeprefix(HIDDEN)


def stored_words(product: Product) -> dict[str, bool]:
    """Return the words that are in the index for a product as it was read."""
    in_name = set(tokenize(product.name))
    return {word: index_term(word, hidden=False) in in_name for word in product.search_terms}


def add_words(product: Product, new: dict[str, bool], old: dict[str, bool]) -> None:
    """Write words that the index lacks, before the product is written."""
    with SearchEntry.batch_write() as batch:
        for word, in_name in new.items():
            if old.get(word) != in_name:
                row = _row(word, product.slug)
                row.in_name, row.version = in_name, product.version
                batch.save(row)


def remove_words(product: Product, gone: Iterable[str]) -> None:
    """Delete words from the index, after the product was written.

    A word that a later change has added again stays.
    """
    words_gone = list(gone)
    for start in range(0, len(words_gone), MAX_BATCH_SIZE):
        _remove(product, words_gone[start : start + MAX_BATCH_SIZE])


def _remove(product: Product, gone: list[str]) -> None:
    transaction = Transaction()
    for word in gone:
        transaction.delete(word, _row(word, product.slug), SearchEntry.version < product.version)
    try:
        transaction.commit()
    except (
        ConditionFailed
    ) as refusal:  # these are a later change's, or deleted already; the others are deleted without them
        _remove(product, [word for word in gone if word not in refusal.names])


def _row(word: str, slug: str) -> SearchEntry:
    return SearchEntry(_letters(word), f"{word}#{slug}", slug=slug)


def _letters(word: str) -> str:
    return word[: PREFIX_LENGTH + len(word) - len(word.lstrip(HIDDEN + NAMED))]


def search(question: str) -> SearchResult:
    """Find the products that have, for each word of the search text, a word that begins with it; best first."""
    asked = list(dict.fromkeys(tokenize(question)))
    if not asked:
        return SearchResult([])
    message = query_error(asked)
    if message is not None:
        return SearchResult([], message=message)
    found, has_more = find(asked, MAX_SHOWN)
    return SearchResult(_cards(found), has_more)


def query_error(asked: list[str]) -> str | None:
    """Return why nothing can be looked up; None if it can."""
    if len(asked) > MAX_WORDS:
        return f"Please use at most {MAX_WORDS} words."
    if all(len(word) < PREFIX_LENGTH for word in asked):
        return "Please enter at least two letters of a word."
    return None


def find(asked: list[str], most: int, *, hidden: bool = False) -> tuple[list[Item], bool]:
    """Find the best `most` of the visible or the hidden products that have all words, and whether there may be more."""
    telling = [index_term(word, hidden) for word in asked if len(word) >= PREFIX_LENGTH]
    check = _Check(asked, hidden, categories())
    if len(telling) == 1:
        return _find_by_word(telling[0], check, most)
    hits, all_hits = _hits(telling, check)
    best = sorted(hits, key=lambda slug: (-hits[slug], slug))[:MAX_CANDIDATES]
    found = sorted(check.read(best), key=check.rank)
    return found[:most], not all_hits or len(hits) > MAX_CANDIDATES or len(found) > most


class _Check:
    """What is hit may be stale: read products, and keep what is visible (or hidden) and has all words of a question."""

    def __init__(self, asked: list[str], hidden: bool, known: tuple[Category, ...]) -> None:
        self.hidden = hidden
        self._asked = [index_term(word, hidden) for word in asked]
        self._category_words = {
            each.key: [index_term(word, hidden) for word in tokenize(each.name)] for each in known
        }

    def read(self, slugs: list[str]) -> list[Item]:
        """Read at most a hundred products in this order."""
        found = batch_get_items(Product, slugs, consistent=False)
        return [found[slug] for slug in slugs if slug in found and self._fits(found[slug])]

    def categories_named(self, word: str) -> list[str]:
        """List the keys of the categories that a word begins a word of the name of."""
        return [key for key, names in self._category_words.items() if _begins(word, names)]

    def rank(self, item: Item) -> tuple[int, int, str, str]:
        """Rank first what has the words in its name, then what has them whole, then by name."""
        in_name = [index_term(word, self.hidden) for word in tokenize(item["name"]["S"])]
        words = self._words(item)
        named = sum(_begins(word, in_name) for word in self._asked)
        whole = sum(word in words for word in self._asked)
        return -named, -whole, " ".join(in_name), item["slug"]["S"]

    def _fits(self, item: Item) -> bool:
        words = self._words(item)
        return item["hidden"]["BOOL"] == self.hidden and all(_begins(word, words) for word in self._asked)

    def _words(self, item: Item) -> list[str]:
        return [*json.loads(item["search_terms"]["S"]), *self._category_words.get(item["category"]["S"], ())]


def _find_by_word(word: str, check: _Check, most: int) -> tuple[list[Item], bool]:
    """Read on in the index's order until there are more than are shown, or nothing is left."""
    named = HIDDEN * check.hidden + NAMED + word.removeprefix(HIDDEN)
    keys = check.categories_named(word)
    listed = (_listed(key, hidden=check.hidden) for key in keys[:MAX_CATEGORIES])
    ranked = chain(_indexed(named), chain.from_iterable(listed), _indexed(word))
    slugs = _distinct(islice(ranked, MAX_ROWS))
    found: list[Item] = []
    for _ in range(MAX_READS):
        some = list(islice(slugs, CANDIDATES_PER_READ))
        found += check.read(some)
        if len(found) > most:
            return found[:most], True
    has_more = any(True for _ in chain(slugs, ranked))
    return found, has_more or len(keys) > MAX_CATEGORIES


def _distinct(slugs: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for slug in slugs:
        if slug not in seen:
            seen.add(slug)
            yield slug


def _indexed(word: str) -> Iterator[str]:
    """Walk the products with a word that begins so, in the index's order."""
    pages = query_pages(
        SearchEntry, _letters(word), SearchEntry.entry.startswith(word), page_size=ROWS_PER_READ
    )
    return (item["slug"]["S"] for page in pages for item in page)


def _listed(category: str, *, hidden: bool) -> Iterator[str]:
    """Walk a category's products by name; staff's lists begin with the sign that hidden products' words begin with."""
    pages = query_pages(Listing, f"{HIDDEN * hidden}{category}#name", page_size=ROWS_PER_READ)
    return (item["slug"]["S"] for page in pages for item in page)


def _hits(asked: list[str], check: _Check) -> tuple[dict[str, int], bool]:
    """Find slug → how many of the words are in the product's name, for products that may have them all.

    The second is whether these are all that may: some word was read to its end.
    """
    read = [_rows_of(word) for word in asked]
    ended = [
        (check.categories_named(word), slugs)
        for word, (slugs, is_whole) in zip(asked, read, strict=True)
        if is_whole
    ]
    demanded = [slugs for keys, slugs in ended if not keys]
    if not demanded:  # categories' products are read only if no other word is selective enough
        demanded = [slugs for keys, slugs in ended if _add_listed(slugs, keys, hidden=check.hidden)]
    every = [slugs for slugs, _ in read]
    common = set.intersection(*map(set, demanded or every))
    return {slug: sum(slugs.get(slug, False) for slugs in every) for slug in common}, bool(demanded)


def _rows_of(word: str) -> tuple[dict[str, bool], bool]:
    """Read a word's products, and whether each has it in its name; the second is whether these are all."""
    begins = SearchEntry.entry.startswith(word)
    rows = next(query_pages(SearchEntry, _letters(word), begins, page_size=MAX_ROWS))
    slugs: dict[str, bool] = {}
    for row in rows:
        slug = row["slug"]["S"]
        slugs[slug] = slugs.get(slug, False) or row["in_name"]["BOOL"]
    return slugs, len(rows) < MAX_ROWS


def _add_listed(slugs: dict[str, bool], categories_named: list[str], *, hidden: bool) -> bool:
    """Add the products of categories to those of a word; return whether these are all."""
    listed = [
        list(islice(_listed(key, hidden=hidden), MAX_ROWS)) for key in categories_named[:MAX_CATEGORIES]
    ]
    for slug in chain.from_iterable(listed):
        slugs.setdefault(slug, False)
    return len(categories_named) <= MAX_CATEGORIES and all(len(some) < MAX_ROWS for some in listed)


def _begins(beginning: str, candidates: list[str]) -> bool:
    return any(word.startswith(beginning) for word in candidates)


def _cards(products: list[Item]) -> list[ProductCard]:
    skus = [[variant["sku"] for variant in json.loads(item["variants"]["S"])] for item in products]
    stocks = batch_get({Stock: chain.from_iterable(skus)}, consistent=False)[Stock]
    found = []
    for item, own in zip(products, skus, strict=True):
        picture: dict[str, Any] = next(iter(json.loads(item["pictures"]["S"])), {"key": None, "alt": ""})
        variants = [stocks[sku] for sku in own if sku in stocks]
        card = make_card(item["slug"]["S"], item["name"]["S"], picture["key"], picture["alt"], variants)
        if card is not None:
            found.append(card)
    return found
