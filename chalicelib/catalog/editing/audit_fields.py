"""Fields of products for the audit log: named as staff know them, and only those that differ."""

from collections.abc import Mapping
from typing import Any

from chalicelib import money
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
        "tax rate": product.tax_rate,
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
