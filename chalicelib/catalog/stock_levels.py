"""Variants that are low in stock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.catalog.models import STOCK_SHARDS, Product, Stock
from chalicelib.catalog.offers import variant_label
from chalicelib.database.reads import batch_get


@dataclass(frozen=True)
class LowStockVariant:
    """A variant of a visible product that is low in stock."""

    sku: str
    slug: str
    name: str
    label: str
    available: int


# -- what runs low ----------------------------------------------------------------------------------------


def low_stock(threshold: int, limit: int = 50) -> tuple[list[LowStockVariant], bool]:
    """List visible products' variants with at most `threshold` units, fewest first, and whether there are more."""
    most = limit * 2
    stocks, all_of_them = run_low(threshold, most)
    stocks.sort(key=lambda stock: (stock.available, stock.sku))
    found: list[LowStockVariant] = []
    # Usually one batch is enough; but hidden products that are sold out are in the index, too.
    for start in range(0, len(stocks), most):
        found += _visible(stocks[start : start + most])
        if len(found) > limit:
            break
    return found[:limit], len(found) > limit or not all_of_them


def _visible(stocks: Sequence[Stock]) -> Iterator[LowStockVariant]:
    products = batch_get({Product: [stock.slug for stock in stocks]}, consistent=False)[Product]
    for stock in stocks:
        product = products.get(stock.slug)
        variant = product.variant(stock.sku) if product is not None else None
        if product is not None and variant is not None and not product.hidden:
            label = variant_label(variant["options"])
            yield LowStockVariant(stock.sku, product.slug, product.name, label, int(stock.available))


def run_low(threshold: int, most: int) -> tuple[list[Stock], bool]:
    """Read SKUs with at most `threshold` units from the index, and whether these are all: one Query per shard.

    Of a shard with more than `most` of them, those with the fewest units are returned; among equals, any.
    """
    shards = [
        list(Stock.by_stock_level.query(str(shard), Stock.available <= threshold, limit=most + 1))
        for shard in range(STOCK_SHARDS)
    ]
    return [stock for shard in shards for stock in shard], all(len(shard) <= most for shard in shards)
