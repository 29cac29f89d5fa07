"""Columns or fields that a catalog file does not have: an existing product keeps its values."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import Picture

OF_PRODUCTS = frozenset({"text", "tax_class", "hidden", "pictures"})
OF_VARIANTS = frozenset({"options", "sale_price"})


def has_absent_fields(draft: ProductDraft) -> bool:
    """Return whether a draft lacks fields."""
    return bool(draft.absent_fields or draft.possible_classes) or any(
        variant.absent_fields for variant in draft.variants
    )


def keep_absent_fields(draft: ProductDraft, old: Product | None, stocks: Mapping[str, Stock]) -> ProductDraft:
    """Return a draft with the product's values for absent fields; a new product has the defaults."""
    if old is None or not has_absent_fields(draft):
        return draft
    known: dict[str, Any] = {
        "text": old.text,
        "tax_class": old.tax_class,
        "hidden": bool(old.hidden),
        "pictures": [Picture(picture["key"], picture["alt"]) for picture in old.pictures],
    }
    options = {variant["sku"]: dict(variant["options"]) for variant in old.variants}
    variants = [_keep_in_variant(variant, options, stocks) for variant in draft.variants]
    kept = {name: known[name] for name in draft.absent_fields}
    if old.tax_class in draft.possible_classes:
        kept["tax_class"] = old.tax_class
    return replace(draft, **kept, variants=variants)


def _keep_in_variant(
    variant: VariantDraft, options: Mapping[str, Mapping[str, str]], stocks: Mapping[str, Stock]
) -> VariantDraft:
    stock = stocks.get(variant.sku)
    if variant.sku not in options or stock is None:
        return variant
    sale_price = None if stock.sale_price is None else int(stock.sale_price)
    return replace(
        variant,
        options=options[variant.sku] if "options" in variant.absent_fields else variant.options,
        sale_price=sale_price if "sale_price" in variant.absent_fields else variant.sale_price,
    )
