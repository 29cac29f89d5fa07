"""The whole catalog, hidden products too, as rows of a CSV file that importer.py reads; by Query, a few at a time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from chalicelib import money
from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.import_export.csv_cells import guarded, written_pairs
from chalicelib.catalog.listing_entries import STAFFS
from chalicelib.catalog.models import Listing, Product, Stock
from chalicelib.catalog.product_lists import EVERYTHING
from chalicelib.config import settings
from chalicelib.database.reads import read_many

TOGETHER = 100
Row = list[str]


def count_products() -> int:
    """Count the shop's products, hidden ones too."""
    return Listing.count(f"{STAFFS}{EVERYTHING}#name", consistent_read=True)


def has_more_than(most: int) -> bool:
    """Tell whether the shop has more products than so many, by one Query."""
    return Listing.count(f"{STAFFS}{EVERYTHING}#name", limit=most + 1, consistent_read=True) > most


def catalog_rows() -> Iterator[tuple[int, list[Row]]]:
    """Write the catalog by category and name: how many products come next, and their rows, one a variant, as COLUMNS."""
    written: set[str] = set()  # a product that moves to another category meanwhile is met twice
    for category in categories.read_categories():
        slugs = (row.slug for row in Listing.query(f"{STAFFS}{category.key}#name", consistent_read=True))
        while some := list(islice((slug for slug in slugs if slug not in written), TOGETHER)):
            written |= set(some)
            yield len(some), list(_rows(some, category))


def _rows(slugs: Iterable[str], category: Category) -> Iterator[Row]:
    found = read_many({Product: slugs})[Product]
    products = [found[slug] for slug in slugs if slug in found and found[slug].category == category.key]
    stocks = read_many({Stock: [each["sku"] for product in products for each in product.variants]})[Stock]
    for product in products:
        yield from _product_rows(product, category, stocks)


def _product_rows(product: Product, category: Category, stocks: Mapping[str, Stock]) -> Iterator[Row]:
    """Write a product: what all its variants share stands in the first row alone."""
    shared = [
        guarded(product.name),
        guarded(product.text),
        guarded(category.slug),
        guarded(category.name),
        product.tax_rate,
        product.added,
        "yes" if product.hidden else "no",
        guarded(written_pairs([(picture["key"], picture["alt"]) for picture in product.pictures])),
    ]
    for variant in product.variants:
        sku = variant["sku"]
        own = [guarded(sku), guarded(written_pairs(variant["options"])), *_selling(stocks.get(sku))]
        yield [guarded(product.slug), *shared, *own]
        shared = [""] * len(shared)


def _selling(stock: Stock | None) -> Row:
    if stock is None:
        return ["", "", ""]
    prices = (stock.price, stock.sale_price)
    amounts = ["" if each is None else money.decimal_string(int(each), settings.currency) for each in prices]
    return [*amounts, str(max(0, int(stock.available)))]
