"""The catalog's fields in the audit log, as staff know them; only those that changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib import money
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.inline_edit_rules import Cell, Cells
from chalicelib.catalog.models import Product
from chalicelib.config import settings

Prices = Mapping[str, tuple[float | None, float | None]]  # SKU → price and sale price in minor units


def product_fields(product: Product | None, prices: Prices) -> dict[str, Any]:
    """Return a product's fields; empty if there is no product."""
    if product is None:
        return {}
    fields: dict[str, Any] = {
        "name": product.name,
        "text": product.text,
        "category": product.category,
        "tax class": product.tax_class,
        "added": product.added,
        "visible": yes_no(not product.hidden),
        "images": [picture["alt"] for picture in product.pictures],
    }
    for variant in product.variants:
        sku = variant["sku"]
        price, sale_price = prices.get(sku, (None, None))
        fields[f"{sku} options"] = ", ".join(variant["options"].values())
        fields[f"{sku} price"] = amount(price)
        fields[f"{sku} sale price"] = amount(sale_price)
    return fields


def image_fields(product: Product) -> dict[str, Any]:
    """List a product's images, and those that are being processed."""
    return {
        "images": [f"{each['key']}: {each['alt']}" for each in product.pictures],
        "pending images": [
            f"{each['upload']}: {each['alt']}" + (f" ({each['problem']})" if each["problem"] else "")
            for each in product.pending_pictures
        ],
    }


def cell_fields(cells: Iterable[Cell], values: Cells) -> dict[str, Any]:
    """List what some cells of the products' list hold."""
    fields: dict[str, Any] = {}
    for cell in cells:
        value = values[cell]
        if cell.what == "visible":
            fields["visible"] = yes_no(value)
        else:
            fields[f"{cell.sku} {cell.what}"] = value if cell.what == "stock" else amount(value)
    return fields


def changed_categories(
    before: Iterable[Category], after: Iterable[Category]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return what is changed, and both sides: of one category its fields, of several each by its key, or their order."""
    old, new = (
        {each.key: {"name": each.name, "address": each.slug, "text": each.text} for each in categories}
        for categories in (before, after)
    )
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if len(changed) == 1:
        key = changed[0]
        return f"category {key}", old.get(key, {}), new.get(key, {})
    if not changed:
        orders = [[each["address"] for each in categories.values()] for categories in (old, new)]
        return "categories", {"order": orders[0]}, {"order": orders[1]}
    before_all, after_all = ({key: each[key] for key in changed if key in each} for each in (old, new))
    return "categories", before_all, after_all


def changed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that differ, before and after."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )


def amount(minor: float | None) -> str:
    """Format a price; "" if there is none."""
    return "" if minor is None else money.to_decimal_string(int(minor), settings.currency)


def yes_no(flag: object) -> str:
    """Return "yes" or "no"."""
    return "yes" if flag else "no"
