"""Prefix search over all words of all products: an inverted index, read by Query."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.catalog.categories import categories
from chalicelib.catalog.markdown_text import render_text
from chalicelib.catalog.models import Listing, Product, SearchEntry, Stock
from chalicelib.catalog.offers import Picture
from chalicelib.catalog.product_lists import ProductCard, make_card
from chalicelib.database.reads import batch_get
from chalicelib.database.transactions import ConditionFailed, Transaction

MAX_WORDS = 8
MAX_WORD_LENGTH = 40  # longer words are cut, in the index and in searches
PREFIX_LENGTH = 2
MAX_SHOWN = 48
MAX_CATEGORIES = 4  # whose names one word may match
MAX_CANDIDATES = 100  # one BatchGetItem
MAX_BATCH_SIZE = 100  # writes that fit into one transaction
# Begins every word of a hidden product. A shopper's search has only letters and digits, so it never finds one:
# neither its rows, nor a position among the hits that a visible product should have.
HIDDEN = "@"
# A prefix with more rows than this excludes little; the other words decide, and hits are checked anyway.
MAX_ROWS = 1000
# Letters that NFKD does not decompose, as people without the key type them.
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
    found = dict.fromkeys(tokenize(" ".join(texts)), False) | dict.fromkeys(tokenize(product.name), True)
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
    return word[: PREFIX_LENGTH + word.startswith(HIDDEN)]


def search(question: str) -> SearchResult:
    """Find the products that have, for each word of the search text, a word that begins with it; best first."""
    asked = list(dict.fromkeys(tokenize(question)))
    if not asked:
        return SearchResult([])
    message = query_error(asked)
    if message is not None:
        return SearchResult([], message=message)
    hits, products = find(asked)
    shown = _cards(products[:MAX_SHOWN])
    return SearchResult(shown, has_more=len(products) > MAX_SHOWN or hits > MAX_CANDIDATES)


def query_error(asked: list[str]) -> str | None:
    """Return why nothing can be looked up; None if it can."""
    if len(asked) > MAX_WORDS:
        return f"Please use at most {MAX_WORDS} words."
    if all(len(word) < PREFIX_LENGTH for word in asked):
        return "Please enter at least two letters of a word."
    return None


def find(asked: list[str], *, hidden: bool = False) -> tuple[int, list[Product]]:
    """Find the visible or hidden products that have all words: how many there may be, and the best hundred."""
    telling = [index_term(word, hidden) for word in asked if len(word) >= PREFIX_LENGTH]
    hits = _hits(telling)
    best = sorted(hits, key=lambda slug: (-hits[slug], slug))[:MAX_CANDIDATES]
    return len(hits), _checked(best, asked, hidden)


def _hits(asked: list[str]) -> dict[str, int]:
    """Return slug → how many of the words are in the product's name, for products that have all words."""
    whole: list[dict[str, bool]] = []
    cut: list[dict[str, bool]] = []
    for word in asked:
        rows = list(SearchEntry.query(_letters(word), SearchEntry.entry.startswith(word), limit=MAX_ROWS))
        listed, all_listed = _listed(word)
        slugs = dict.fromkeys(listed, False)
        for row in rows:
            slugs[row.slug] = slugs.get(row.slug, False) or row.in_name
        (whole if len(rows) < MAX_ROWS and all_listed else cut).append(slugs)
    demanded = whole or cut
    common = set.intersection(*(set(slugs) for slugs in demanded))
    return {slug: sum(slugs.get(slug, False) for slugs in (*whole, *cut)) for slug in common}


def _listed(word: str) -> tuple[list[str], bool]:
    """Find the products of categories with a word in the name that begins so; and whether these are all."""
    hidden = word.startswith(HIDDEN)
    keys = [key for key, names in _category_words(hidden).items() if _begins(word, names)]
    # Staff's lists, which include hidden products, begin with the same sign as hidden products' words.
    groups = [f"{HIDDEN * hidden}{key}#newest" for key in keys[:MAX_CATEGORIES]]
    found = [[row.slug for row in Listing.query(group, limit=MAX_ROWS)] for group in groups]
    complete = len(keys) <= MAX_CATEGORIES and all(len(slugs) < MAX_ROWS for slugs in found)
    return [slug for slugs in found for slug in slugs], complete


def _category_words(hidden: bool) -> dict[str, list[str]]:
    """Return the words of each category's name by key, as a visible or a hidden product has them."""
    return {each.key: [index_term(word, hidden) for word in tokenize(each.name)] for each in categories()}


def _checked(slugs: list[str], asked: list[str], hidden: bool) -> list[Product]:
    """Read the hits, and keep those that exist, are visible (or hidden) and still have the words.

    First those with the words in the name, then those with whole words, then by name.
    """
    found = batch_get({Product: slugs}, consistent=False)[Product]
    categories_words = _category_words(hidden)
    kept = []
    for product in found.values():
        all_words = [*product.search_terms, *categories_words.get(product.category, ())]
        if product.hidden == hidden and all(_begins(index_term(word, hidden), all_words) for word in asked):
            in_name = list(tokenize(product.name))
            named = sum(_begins(word, in_name) for word in asked)
            whole = sum(index_term(word, hidden) in all_words for word in asked)
            kept.append(((-named, -whole, " ".join(in_name), product.slug), product))
    return [product for _, product in sorted(kept, key=lambda entry: entry[0])]


def _begins(beginning: str, candidates: list[str]) -> bool:
    return any(word.startswith(beginning) for word in candidates)


def _cards(products: list[Product]) -> list[ProductCard]:
    skus = [variant["sku"] for product in products for variant in product.variants]
    stocks = batch_get({Stock: skus}, consistent=False)[Stock]
    found = []
    for product in products:
        variants = [stocks[variant["sku"]] for variant in product.variants if variant["sku"] in stocks]
        picture = next((Picture(**each) for each in product.pictures), None)
        key, alt = (picture.key, picture.alt) if picture else (None, "")
        card = make_card(product.slug, product.name, key, alt, variants)
        if card is not None:
            found.append(card)
    return found
