"""Products for search engines: schema.org documents in JSON-LD."""

import json
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from chalicelib import money
from chalicelib.catalog import markdown_text
from chalicelib.catalog.product_details import ProductView, VariantView
from chalicelib.config import settings
from chalicelib.web.image_urls import media_url
from chalicelib.web.urls import absolute_url

SCHEMA = "https://schema.org/"
# What options are called → schema.org's property.
PROPERTIES = {
    "color": "color",
    "colour": "color",
    "size": "size",
    "material": "material",
    "pattern": "pattern",
}
# Inside <script>, the HTML parser comes first: nothing may look like markup to it, or end a line in JavaScript.
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def documents(product: ProductView) -> list[Markup]:
    """Return documents on a product and its breadcrumbs, each safe inside <script>."""
    category = (product.category_name, absolute_url(f"/categories/{product.category_slug}"))
    return [
        _script_safe(_product(product)),
        breadcrumbs(category, (product.name, product_address(product.slug))),
    ]


def breadcrumbs(*steps: tuple[str, str]) -> Markup:
    """Return the breadcrumbs of a page: names and absolute URLs. Safe inside <script>."""
    steps_from_home = [(settings.shop.name, absolute_url("/")), *steps]
    items = [
        {"@type": "ListItem", "position": position, "name": name, "item": address}
        for position, (name, address) in enumerate(steps_from_home, 1)
    ]
    return _script_safe({"@type": "BreadcrumbList", "itemListElement": items})


def product_address(slug: str, sku: str | None = None) -> str:
    """Return the absolute URL of a product, or of a variant that is selected there."""
    return absolute_url(f"/products/{slug}" + (f"?{urlencode({'sku': sku})}" if sku else ""))


def _script_safe(document: dict[str, Any]) -> Markup:
    written = json.dumps({"@context": "https://schema.org", **document}, ensure_ascii=False)
    return Markup(written.translate(_ESCAPES))  # noqa: S704 - what could end the script is escaped above


def _product(product: ProductView) -> dict[str, Any]:
    """Describe a product; several variants as a product group.

    https://developers.google.com/search/docs/appearance/structured-data/product-variants
    """
    described = {
        "@type": "Product",
        "name": product.name,
        "description": markdown_text.render_text(product.text) or product.name,
        "url": product_address(product.slug),
        "category": product.category_name,
        "image": _images(product),
    }
    if len(product.variants) == 1:
        (only,) = product.variants
        return {**described, "sku": only.sku, "offers": _offer(only, product_address(product.slug))}
    names = dict.fromkeys(name for variant in product.variants for name in variant.options)
    return {
        **described,
        "@type": "ProductGroup",
        "productGroupID": product.slug,
        "variesBy": [_property(name) or name for name in names],
        "hasVariant": [_variant(product, variant) for variant in product.variants],
    }


def _variant(product: ProductView, variant: VariantView) -> dict[str, Any]:
    address = product_address(product.slug, variant.sku)
    described: dict[str, Any] = {
        "@type": "Product",
        "sku": variant.sku,
        "name": f"{product.name}, {variant.label}",
        "url": address,
        "image": _images(product)[:1],
        "offers": _offer(variant, address),
    }
    others = []
    for name, value in variant.options.items():
        known = _property(name)
        if known:
            described[known.removeprefix(SCHEMA)] = value
        else:
            others.append({"@type": "PropertyValue", "name": name, "value": value})
    return {**described, "additionalProperty": others} if others else described


def _property(option: str) -> str:
    """Return schema.org's URL of an option, empty if it has none."""
    name = PROPERTIES.get(option.casefold())
    return SCHEMA + name if name else ""


def _images(product: ProductView) -> list[str]:
    return [media_url(picture.key) for picture in product.pictures]


def _offer(variant: VariantView, address: str) -> dict[str, Any]:
    return {
        "@type": "Offer",
        "sku": variant.sku,
        "url": address,
        "price": money.to_decimal_string(variant.price, settings.currency),
        "priceCurrency": settings.currency,
        "availability": SCHEMA + ("InStock" if variant.in_stock else "OutOfStock"),
    }
