"""Variants that run low."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.catalog.models import STOCK_SHARDS, Product, Stock
from chalicelib.catalog.offers import variant_label
from chalicelib.database.reads import batch_get


@dataclass(frozen=True)
class LowStockVariant:
    """A variant of a visible product of which few are left."""

    sku: str
    slug: str
    name: str
    label: str
    available: int


# -- what runs low ----------------------------------------------------------------------------------------


def low_stock(threshold: int, limit: int = 50) -> tuple[list[LowStockVariant], bool]:
    """List visible products' variants with at most so many pieces, fewest first, and tell whether there are more."""
    most = limit * 2
    stocks, all_of_them = run_low(threshold, most)
    stocks.sort(key=lambda stock: (stock.available, stock.sku))
    found: list[LowStockVariant] = []
    # Mostly one batch will do; but hidden products, sold out for good, are in the index as well.
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
    """Ask the index for SKUs with at most so many pieces, and tell whether these are all: a Query a shard.

    Of a shard with more than `most` of them, the fewest pieces come; of equal ones, any.
    """
    shards = [
        list(Stock.by_stock_level.query(str(shard), Stock.available <= threshold, limit=most + 1))
        for shard in range(STOCK_SHARDS)
    ]
    return [stock for shard in shards for stock in shard], all(len(shard) <= most for shard in shards)
