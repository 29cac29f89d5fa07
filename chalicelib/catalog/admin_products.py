"""The catalog as staff see it: every product, hidden ones too, with current prices and stock. No Scan."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.catalog import search
from chalicelib.catalog.listing_entries import ADMIN_PREFIX, HIDDEN, listing_key_for
from chalicelib.catalog.models import SLUG, Listing, Product, Stock
from chalicelib.catalog.offers import variant_label
from chalicelib.catalog.product_lists import ALL_PRODUCTS, SORTS, decode_cursor, encode_cursor
from chalicelib.catalog.stock_levels import run_low
from chalicelib.database.reads import Item, batch_get, batch_get_items
from chalicelib.errors import BadInput

PAGE = 25
MAX_ROWS_READ = 1000  # rows of a list that are filtered here: one Query
MAX_SKUS_COUNTED = 500  # SKUs of a list whose stock is read for one page: five batches
MAX_SKUS_READ_AT_ONCE = 300  # if fewer SKUs than this are low in stock, all of them are read: three batches


@dataclass(frozen=True)
class ProductFilter:
    """The products that staff want to see.

    `category` is a key; `most_left`: some variant has at most this many units.
    """

    words: str = ""
    category: str | None = None
    hidden: bool | None = None
    most_left: int | None = None
    sort: str = "name"

    @property
    def list_name(self) -> str:
        """Return the list's name, so that a page's cursor is valid for this list only."""
        return f"{self.words}#{self.category}#{self.hidden}#{self.most_left}#{self.sort}"

    @property
    def downwards(self) -> bool:
        """Return whether the list runs from its last position to its first."""
        return self.sort == "newest"

    def is_behind(self, place: str, start: str) -> bool:
        """Return whether a position comes after another in this order."""
        return place < start if self.downwards else place > start

    def has(self, product: Item) -> bool:
        """Return whether a product is of the category and as visible as asked."""
        category, hidden = product["category"]["S"], product["hidden"]["BOOL"]
        return self.category in (None, category) and self.hidden in (None, hidden)


@dataclass(frozen=True)
class AdminVariant:
    """A variant with its stock; prices in minor units."""

    sku: str
    label: str
    price: int
    sale_price: int | None
    available: int


@dataclass(frozen=True)
class AdminProduct:
    """A product with its variants, as it is stored now."""

    slug: str
    name: str
    category: str
    hidden: bool
    picture: str | None
    variants: tuple[AdminVariant, ...]

    @property
    def least(self) -> int:
        """Return the stock of the variant with the least."""
        return min((variant.available for variant in self.variants), default=0)


@dataclass(frozen=True)
class ProductPage:
    """A page of products; `next_after` is the cursor of the next; `note` says what was not searched."""

    products: list[AdminProduct]
    next_after: str | None = None
    note: str | None = None


# -- a page -----------------------------------------------------------------------------------------------


def list_products(filters: ProductFilter, after: str | None = None) -> ProductPage:
    """Read a page of products. Raises BadInput for an unknown order, or another list's cursor."""
    if filters.sort not in SORTS:
        raise BadInput("Products can be sorted by name, price or newest.")
    start = None if after is None else decode_cursor(after, filters.list_name)
    if filters.words:
        products, note = _by_words(filters)
        return _of_known(filters, products, start, note)
    if filters.most_left is not None:
        low, _ = run_low(filters.most_left, MAX_SKUS_READ_AT_ONCE)
        if len(low) <= MAX_SKUS_READ_AT_ONCE:
            slugs = sorted({str(stock.slug) for stock in low})
            return _of_known(filters, batch_get_items(Product, slugs).values(), start, None)
    return _of_list(filters, start)


def get_products(slugs: Sequence[str]) -> dict[str, AdminProduct]:
    """Read products as they are now: by slug. Those that do not exist are missing."""
    products = batch_get_items(Product, [slug for slug in slugs if SLUG.fullmatch(slug)])
    found = {product.slug: product for product in _admin_products(products.values())}
    return {slug: found[slug] for slug in slugs if slug in found}


def _by_words(filters: ProductFilter) -> tuple[list[Item], str | None]:
    """Find the products with all words; return a note on what was not searched."""
    words = list(dict.fromkeys(search.tokenize(filters.words)))
    refusal = search.query_error(words)
    if refusal is not None:
        return [], refusal
    products: list[Item] = []
    note = None
    for hidden in (False, True) if filters.hidden is None else (filters.hidden,):
        best, has_more = search.find(words, search.MAX_CANDIDATES, hidden=hidden)
        products += best
        if has_more:
            note = (
                "Only the best matches are shown; there may be more. Add another word to narrow the search."
            )
    return products, note


def _of_known(
    filters: ProductFilter, products: Iterable[Item], start: str | None, note: str | None
) -> ProductPage:
    """Return a page of products that were not found by their list."""
    fitting = (
        (listing_key_for(product, filters.sort), product) for product in products if filters.has(product)
    )
    ranked = sorted(fitting, key=lambda pair: pair[0], reverse=filters.downwards)
    behind = [
        (place, product) for place, product in ranked if start is None or filters.is_behind(place, start)
    ]
    if filters.most_left is None:
        behind = behind[: PAGE + 1]
    found = _admin_products(product for _, product in behind)
    low = [each for each in found if filters.most_left is None or each.least <= filters.most_left]
    shown = low[:PAGE]
    places = {product["slug"]["S"]: place for place, product in behind}
    beyond = encode_cursor(filters.list_name, places[shown[-1].slug]) if len(low) > PAGE else None
    return ProductPage(shown, beyond, note)


def _of_list(filters: ProductFilter, start: str | None) -> ProductPage:
    """Read the next page of a list. If its rows must be filtered here, a limited number is read, and the note says so."""
    group, filtered = _group(filters)
    limit = MAX_ROWS_READ if filtered else PAGE + 1
    rows = _rows(f"{group}#{filters.sort}", start, limit, filters.downwards)
    looked = _countable(rows) if filters.most_left is not None else rows
    ended = len(looked) == len(rows) < limit
    fitting = _fitting(filters, looked)
    shown = fitting[:PAGE]
    full = len(fitting) > PAGE
    last = shown[-1] if full else None if ended else looked[-1]
    note = None
    if last is not None and not full:
        note = f"{len(looked):,} products were searched for this page. The next page continues the search."
    products = list(get_products([row.slug for row in shown]).values())
    return ProductPage(
        products, None if last is None else encode_cursor(filters.list_name, last.position), note
    )


def _group(filters: ProductFilter) -> tuple[str, bool]:
    """Return the most specific list for the filter, and whether its rows must be filtered further."""
    if filters.hidden:
        return HIDDEN, filters.category is not None or filters.most_left is not None
    group = filters.category or ALL_PRODUCTS
    return (ADMIN_PREFIX + group if filters.hidden is None else group), filters.most_left is not None


def _rows(listed: str, start: str | None, limit: int, downwards: bool) -> list[Listing]:
    beyond = None
    if start is not None:
        beyond = Listing.position < start if downwards else Listing.position > start
    upwards = not downwards
    return list(Listing.query(listed, beyond, limit=limit, scan_index_forward=upwards, consistent_read=True))


def _countable(rows: list[Listing]) -> list[Listing]:
    """Return as many rows as have no more SKUs than are counted for one page."""
    kept = 0
    skus = 0
    while kept < len(rows) and (skus := skus + len(rows[kept].skus)) <= MAX_SKUS_COUNTED:
        kept += 1
    return rows[:kept]


def _fitting(filters: ProductFilter, rows: list[Listing]) -> list[Listing]:
    # Rows of shoppers' lists name no category: the list is of one.
    rows = [row for row in rows if filters.category is None or row.category in (None, filters.category)]
    if filters.most_left is None:
        return rows
    stocks = batch_get({Stock: [sku for row in rows for sku in row.skus]}, consistent=False)[Stock]
    low = {sku for sku, stock in stocks.items() if stock.available <= filters.most_left}
    return [row for row in rows if low.intersection(row.skus)]


def _admin_products(products: Iterable[Item]) -> list[AdminProduct]:
    listed = [(product, json.loads(product["variants"]["S"])) for product in products]
    stocks = batch_get_items(Stock, [variant["sku"] for _, variants in listed for variant in variants])
    return [_admin_product(product, variants, stocks) for product, variants in listed]


def _admin_product(product: Item, variants: list[dict[str, Any]], stocks: Mapping[str, Item]) -> AdminProduct:
    return AdminProduct(
        slug=product["slug"]["S"],
        name=product["name"]["S"],
        category=product["category"]["S"],
        hidden=product["hidden"]["BOOL"],
        picture=next((picture["key"] for picture in json.loads(product["pictures"]["S"])), None),
        variants=tuple(
            _variant(variant, stocks[variant["sku"]]) for variant in variants if variant["sku"] in stocks
        ),
    )


def _variant(variant: Mapping[str, Any], stock: Item) -> AdminVariant:
    sale_price = stock.get("sale_price", {}).get("N")
    return AdminVariant(
        sku=variant["sku"],
        label=variant_label(variant["options"]),
        price=int(stock.get("price", {}).get("N", 0)),
        sale_price=None if sale_price is None else int(sale_price),
        available=int(stock["available"]["N"]),
    )
