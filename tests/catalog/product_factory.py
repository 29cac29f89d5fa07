"""Goods for the shelves of the tests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import save_categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import get

TEA = Category("tea", "Tea & herbs", "Leaves for the pot.")
POTS = Category("pots", "Pots", "")


def variant(sku: str, **changes: Any) -> VariantDraft:
    """Draft a variant: €5.00, ten units."""
    return replace(VariantDraft(sku, {}, 500, None, 10), **changes)


def product(slug: str, /, *variants: VariantDraft, **changes: Any) -> ProductDraft:
    """Draft a product of the category tea, with one variant unless others are given."""
    draft = ProductDraft(
        slug=slug,
        name=slug.replace("-", " ").capitalize(),
        text="Grown on a hill.",
        category="tea",
        tax_class="food",
        added="2026-10-01",
        hidden=False,
        pictures=[],
        variants=variants or (variant(slug.upper()),),
    )
    return replace(draft, **changes)


def fill(*drafts: ProductDraft) -> None:
    """Put the categories and these products into the shop."""
    save_categories([TEA, POTS])
    for draft in drafts:
        save_product(draft)


def numbered(count: int, **changes: Any) -> list[ProductDraft]:
    """Draft products tea-000, tea-001 …: added a day after each other, each a euro dearer than the one before."""
    return [
        product(
            f"tea-{number:03d}",
            variant(f"TEA-{number:03d}", price=100 * (number + 1)),
            added=f"2026-{1 + number // 28:02d}-{1 + number % 28:02d}",
            **changes,
        )
        for number in range(count)
    ]


def units(sku: str) -> int:
    """Count what is on the shelf."""
    stock = get(Stock, sku)
    assert stock is not None, sku
    return int(stock.available)


def sell(sku: str, quantity: int) -> None:
    """Take units off the shelf, as an order does."""
    stock, actions, condition = Stock.reserve(sku, quantity)
    stock.update(actions=actions, condition=condition)


def options(**chosen: str) -> Mapping[str, str]:
    """Name options: options(Weight="50 g")."""
    return chosen
