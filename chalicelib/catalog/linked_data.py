"""Products as search engines read them: schema.org documents in JSON-LD."""

import json
from typing import Any

from markupsafe import Markup

from chalicelib import money
from chalicelib.catalog import text
from chalicelib.catalog.service import ProductView, VariantView
from chalicelib.config import settings
from chalicelib.web.media import media_url
from chalicelib.web.pages import absolute_url

# Inside <script>, the parser of HTML comes first: nothing may look like markup to it, or end a line to JavaScript.
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def documents(product: ProductView) -> list[Markup]:
    """Describe a product and the way to it, each document safe inside <script>."""
    return [_script_safe(_product(product)), _script_safe(_breadcrumbs(product))]


def _script_safe(document: dict[str, Any]) -> Markup:
    written = json.dumps({"@context": "https://schema.org", **document}, ensure_ascii=False)
    return Markup(written.translate(_ESCAPES))  # noqa: S704 - what could end the script is escaped above


def _product(product: ProductView) -> dict[str, Any]:
    described = {
        "@type": "Product",
        "name": product.name,
        "description": text.plain(product.text) or product.name,
        "url": _address(product),
        "category": product.category_name,
        "image": [media_url(picture.key) for picture in product.pictures],
        "offers": _offers(product),
    }
    if len(product.variants) == 1:
        described["sku"] = product.variants[0].sku
    return described


def _offers(product: ProductView) -> dict[str, Any]:
    offers = [_offer(product, variant) for variant in product.variants]
    if len(offers) == 1:
        return offers[0]
    prices = [variant.price for variant in product.variants]
    return {
        "@type": "AggregateOffer",
        "offerCount": len(offers),
        "lowPrice": _decimal(min(prices)),
        "highPrice": _decimal(max(prices)),
        "priceCurrency": settings.currency,
        "offers": offers,
    }


def _offer(product: ProductView, variant: VariantView) -> dict[str, Any]:
    offer = {
        "@type": "Offer",
        "sku": variant.sku,
        "url": _address(product),
        "price": _decimal(variant.price),
        "priceCurrency": settings.currency,
        "availability": f"https://schema.org/{'InStock' if variant.in_stock else 'OutOfStock'}",
    }
    return {**offer, "name": f"{product.name}, {variant.label}"} if variant.label else offer


def _breadcrumbs(product: ProductView) -> dict[str, Any]:
    trail = [
        (settings.shop.name, absolute_url("/")),
        (product.category_name, absolute_url(f"/categories/{product.category_slug}")),
        (product.name, _address(product)),
    ]
    items = [
        {"@type": "ListItem", "position": position, "name": name, "item": address}
        for position, (name, address) in enumerate(trail, 1)
    ]
    return {"@type": "BreadcrumbList", "itemListElement": items}


def _address(product: ProductView) -> str:
    return absolute_url(f"/products/{product.slug}")


def _decimal(amount: int) -> str:
    return money.decimal_string(amount, settings.currency)
