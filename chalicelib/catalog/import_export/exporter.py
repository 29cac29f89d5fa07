"""Export the whole catalog, with hidden products, as rows of a CSV file that importer.py reads; a few per Query."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from chalicelib import clock, money
from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.import_export.csv_cells import escape_formula, format_options
from chalicelib.catalog.listing_entries import ADMIN_PREFIX
from chalicelib.catalog.models import Listing, Product, Stock
from chalicelib.catalog.product_lists import ALL_PRODUCTS
from chalicelib.config import settings
from chalicelib.database.reads import batch_get
from chalicelib.shop_settings import taxes
from chalicelib.taxes.home_rates import find_home_rate
from chalicelib.taxes.tax_classes import TaxClass

BATCH_SIZE = 100
Row = list[str]


def count_products() -> int:
    """Count the shop's products, hidden ones too."""
    return Listing.count(f"{ADMIN_PREFIX}{ALL_PRODUCTS}#name", consistent_read=True)


def has_more_than(most: int) -> bool:
    """Return whether the shop has more than `most` products; one Query."""
    return Listing.count(f"{ADMIN_PREFIX}{ALL_PRODUCTS}#name", limit=most + 1, consistent_read=True) > most


def catalog_rows() -> Iterator[tuple[int, list[Row]]]:
    """Yield the catalog by category and name, in batches: the number of products, and their rows, one per variant, as COLUMNS."""
    rules, today = taxes.current(), clock.today()
    rates = {each.value: find_home_rate(rules, each, today) for each in TaxClass}
    written: set[str] = set()  # a product that moves to another category during the export is read twice
    for category in categories.read_categories():
        slugs = (
            row.slug for row in Listing.query(f"{ADMIN_PREFIX}{category.key}#name", consistent_read=True)
        )
        while some := list(islice((slug for slug in slugs if slug not in written), BATCH_SIZE)):
            written |= set(some)
            yield len(some), list(_rows(some, category, rates))


def _rows(slugs: Iterable[str], category: Category, rates: Mapping[str, str | None]) -> Iterator[Row]:
    found = batch_get({Product: slugs})[Product]
    products = [found[slug] for slug in slugs if slug in found and found[slug].category == category.key]
    stocks = batch_get({Stock: [each["sku"] for product in products for each in product.variants]})[Stock]
    for product in products:
        yield from _product_rows(product, category, stocks, rates)


def _product_rows(
    product: Product, category: Category, stocks: Mapping[str, Stock], rates: Mapping[str, str | None]
) -> Iterator[Row]:
    """Yield a product's rows; what all its variants share is in the first row only."""
    shared = [
        escape_formula(product.name),
        escape_formula(product.text),
        escape_formula(category.slug),
        escape_formula(category.name),
        rates.get(product.tax_class) or "",
        product.added,
        "yes" if product.hidden else "no",
        escape_formula(format_options([(picture["key"], picture["alt"]) for picture in product.pictures])),
    ]
    tax_class = product.tax_class
    for variant in product.variants:
        sku = variant["sku"]
        own = [
            escape_formula(sku),
            escape_formula(format_options(variant["options"])),
            *_selling(stocks.get(sku)),
        ]
        yield [escape_formula(product.slug), *shared, *own, tax_class]
        shared, tax_class = [""] * len(shared), ""


def _selling(stock: Stock | None) -> Row:
    if stock is None:
        return ["", "", ""]
    prices = (stock.price, stock.sale_price)
    amounts = [
        "" if each is None else money.to_decimal_string(int(each), settings.currency) for each in prices
    ]
    return [*amounts, str(max(0, int(stock.available)))]
