"""A product as its page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.catalog.categories import categories
from chalicelib.catalog.models import SLUG, Product, Stock
from chalicelib.catalog.offers import Picture, Price, price_of, variant_label
from chalicelib.database.reads import batch_get, get
from chalicelib.errors import NotFound

FEW = 5  # from this stock downwards shoppers see how many are left


@dataclass(frozen=True)
class VariantView:
    """A variant as the product's page shows it; prices in minor units."""

    sku: str
    label: str
    options: Mapping[str, str]
    price: int
    was: int | None
    available: int

    @property
    def in_stock(self) -> bool:
        """Return whether at least one unit is available."""
        return self.available > 0

    @property
    def availability(self) -> str:
        """Return the availability as text."""
        if not self.in_stock:
            return "Sold out"
        return f"Only {self.available} left" if self.available <= FEW else "In stock"


@dataclass(frozen=True)
class ProductView:
    """A product as its page shows it; prices in minor units."""

    slug: str
    name: str
    text: str
    category_slug: str
    category_name: str
    pictures: list[Picture]
    variants: list[VariantView]
    price: int
    was: int | None
    varies: bool

    @property
    def in_stock(self) -> bool:
        """Return whether any variant is available."""
        return any(variant.in_stock for variant in self.variants)

    @property
    def selected(self) -> str | None:
        """The SKU that the page selects first; None if all are sold out."""
        return next((variant.sku for variant in self.variants if variant.in_stock), None)


def product_view(slug: str) -> ProductView:
    """Read a product for its page, with current prices and stock. Raises NotFound, also for hidden products."""
    product = get(Product, slug, consistent=False) if SLUG.fullmatch(slug) else None
    if product is None or product.hidden:
        raise NotFound("We couldn’t find this product. It may no longer be available.")
    skus = [variant["sku"] for variant in product.variants]
    stocks = batch_get({Stock: skus}, consistent=False)[Stock]
    today = price_of(stocks.values())
    if today is None:
        raise NotFound("This product has no price yet.")
    several = len(product.variants) > 1
    variants = [(variant, stocks.get(variant["sku"])) for variant in product.variants]
    category = next((c for c in categories() if c.key == product.category), None)
    return ProductView(
        slug=product.slug,
        name=product.name,
        text=product.text,
        category_slug=category.slug if category else product.category,
        category_name=category.name if category else product.category,
        pictures=[Picture(**picture) for picture in product.pictures],
        variants=[_variant(variant, stock, several) for variant, stock in variants if stock is not None],
        price=today.price,
        was=today.was,
        varies=today.varies,
    )


def _variant(variant: Mapping[str, Any], stock: Stock, several: bool) -> VariantView:
    today = price_of([stock]) or Price(0, None)
    return VariantView(
        sku=stock.sku,
        label=variant_label(variant["options"]) if several else "",
        options=variant["options"],
        price=today.price,
        was=today.was,
        available=max(0, int(stock.available)),
    )
