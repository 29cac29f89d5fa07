"""The pages that are the same for everybody: shop, categories, products, search, and those for search engines."""

import unicodedata
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from chalice.app import Request, Response

from chalicelib.catalog import categories, json_ld, markdown_text, product_details, product_lists
from chalicelib.catalog.models import MAX_QUANTITY_PER_LINE
from chalicelib.catalog.offers import Picture
from chalicelib.catalog.search import search
from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.web import http_request
from chalicelib.web.page_cache import permanent_redirect, public_page
from chalicelib.web.router import Routes
from chalicelib.web.templates import public_context_processor, render_public
from chalicelib.web.urls import absolute_url, url

routes = Routes(__name__)
MAX_QUERY_LENGTH = 200
ADDRESSES_PER_SITEMAP = 10_000
MAX_SITEMAPS = 50
MAX_CACHED_PRODUCTS = 10_000
_skus: dict[str, frozenset[str]] = {}  # of products whose page this process has rendered


@public_context_processor
def shop_and_categories() -> Mapping[str, Any]:
    """Return the values that every page's header and footer show."""
    return {
        "shop": settings.shop,
        "currency": settings.currency,
        "categories": categories.categories_if_possible(),
    }


@routes.get("/")
def shop_page(request: Request) -> Response:
    """Show all products."""
    return _list(request, "/", None)


@routes.get("/categories/{slug}")
def category_page(request: Request, slug: str) -> Response:
    """Show a category; redirect from an earlier slug to the current one."""
    try:
        return _list(request, f"/categories/{slug}", slug)
    except categories.CategoryMoved as moved:
        known = {name: http_request.query(request, name) for name in ("sort", "after")}
        return permanent_redirect(url(f"/categories/{moved.slug}", **known))


def _list(request: Request, path: str, slug: str | None) -> Response:
    asked = http_request.query(request, "sort")
    sort = "newest" if asked is None else asked
    after = http_request.query(request, "after")

    def make() -> str:
        category = categories.get_category(slug) if slug is not None else None
        page = product_lists.list_page(category.key if category else product_lists.ALL_PRODUCTS, sort, after)
        return render_public(
            "catalog/product_list.html",
            category=category,
            products=page.products,
            next_after=page.next_after,
            first_page=after is None,
            sort=sort,
            path=path,
            canonical=absolute_url(path),
            json_ld=[json_ld.breadcrumbs((category.name, absolute_url(path)))] if category else [],
            shared_picture=next(
                (Picture(card.picture, card.alt) for card in page.products if card.picture), None
            ),
        )

    return public_page(request, (path, sort) if after is None else (path, sort, after), make)


@routes.get("/products/{slug}")
def product_page(request: Request, slug: str) -> Response:
    """Show a product; `?sku=` selects one of its variants. A SKU that it does not have selects nothing."""
    path = f"/products/{slug}"
    sku = http_request.query(request, "sku")
    plain = public_page(request, (path,), lambda: _product_page(slug, None))
    # Only the product's own SKUs have cached pages, so that others cannot push anything out of the cache.
    if sku is None or sku not in _skus.get(slug, ()):
        return plain
    return public_page(request, (path, sku), lambda: _product_page(slug, sku))


def _product_page(slug: str, sku: str | None) -> str:
    product = product_details.product_view(slug)
    if len(_skus) >= MAX_CACHED_PRODUCTS:
        _skus.clear()
    _skus[slug] = frozenset(variant.sku for variant in product.variants)
    chosen = next((variant for variant in product.variants if variant.sku == sku), None)
    return render_public("catalog/product.html", **product_values(product, chosen))


def product_values(
    product: product_details.ProductView, chosen: product_details.VariantView | None
) -> dict[str, Any]:
    """Return the values of a product's page; `problem` is why it could not be added to the cart."""
    return {
        "product": product,
        "chosen": chosen,
        "selected": product.selected if chosen is None else chosen.sku,
        "text": markdown_text.render_html(product.text),
        "words": markdown_text.render_text(product.text),
        "json_ld": json_ld.documents(product),
        "most": MAX_QUANTITY_PER_LINE,
        "canonical": json_ld.product_address(product.slug),
        "shared_picture": product.pictures[0] if product.pictures else None,
        "problem": "",
        "in_cart": 0,
        "quantity": 1,
    }


@routes.get("/search")
def search_page(request: Request) -> Response:
    """Show search results."""
    question = _normalised(http_request.query(request, "q") or "")

    def make() -> str:
        found = search(question)
        return render_public(
            "catalog/search.html",
            q=question,
            products=found.products,
            more=found.has_more,
            message=found.message,
            canonical=absolute_url("/search") + (f"?{urlencode({'q': question})}" if question else ""),
        )

    return public_page(request, ("/search", question), make)


def _normalised(question: str) -> str:
    # Texts that differ only in white space share a page; unprintable characters, also lone surrogates, become
    # spaces.
    printable = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in question
    )
    return " ".join(clean_line(printable).split())[:MAX_QUERY_LENGTH].strip()


@routes.get("/sitemap.xml")
def sitemap(request: Request) -> Response:
    """List every public page for search engines; in a large shop, the parts of the sitemap."""
    after = http_request.query(request, "after")

    def make() -> str:
        slugs, next_after = product_lists.list_slugs(after or None, ADDRESSES_PER_SITEMAP)
        products = [f"/products/{slug}" for slug in slugs]
        if after:
            return _sitemap("urlset", "url", products)
        if after is None and next_after is not None:
            return _sitemap("sitemapindex", "sitemap", _parts(next_after))
        return _sitemap(
            "urlset", "url", ["/", *(f"/categories/{c.slug}" for c in categories.categories()), *products]
        )

    key = ("/sitemap.xml",) if after is None else ("/sitemap.xml", after)
    return public_page(request, key, make, "application/xml; charset=utf-8")


def _parts(next_after: str | None) -> list[str]:
    parts = [""]
    while next_after is not None and len(parts) < MAX_SITEMAPS:
        parts.append(next_after)
        _, next_after = product_lists.list_slugs(next_after, ADDRESSES_PER_SITEMAP)
    return [f"/sitemap.xml?after={part}" for part in parts]


def _sitemap(root: str, entry: str, paths: list[str]) -> str:
    entries = [f"<{entry}><loc>{escape(absolute_url(path))}</loc></{entry}>" for path in paths]
    opening = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return "\n".join([opening, *entries, f"</{root}>\n"])


@routes.get("/robots.txt")
def robots(request: Request) -> Response:
    """Return robots.txt. Robots read it at the host's root only, so not under a path prefix."""

    def make() -> str:
        closed = ("/cart", "/checkout", "/orders/", "/payments/", "/search", "/staff/")
        rules = ["User-agent: *", *(f"Disallow: {url(path)}" for path in closed)]
        return "\n".join([*rules, f"Sitemap: {absolute_url('/sitemap.xml')}", ""])

    return public_page(request, ("/robots.txt",), make, "text/plain; charset=utf-8")
