"""What search engines and the programs that show links read in a page's head."""

import re
from html import unescape

import pytest

from chalicelib.catalog.offers import Picture
from chalicelib.web.urls import absolute_url
from tests.catalog.product_factory import fill, numbered, product, variant
from tests.client import Shopper

CANONICAL = {
    "/": "/",
    "/?sort=price": "/",
    "/?utm_source=mail": "/",
    "/categories/tea": "/categories/tea",
    "/categories/tea?sort=name": "/categories/tea",
    "/products/tea-001": "/products/tea-001",
    "/products/tea-001?sku=TEA-001": "/products/tea-001",
    "/search?q=tea++leaves": "/search?q=tea+leaves",
    "/search": "/search",
    "/pages/imprint": "/pages/imprint",
}
PRIVATE = ("/cart", "/checkout", "/no/such/page", "/products/no-such")


@pytest.fixture
def stocked(shopper: Shopper) -> Shopper:
    picture = Picture("pictures/0123456789abcdef-1200x900.webp", 'Leaves, "dried"')
    fill(*numbered(3, category="tea", pictures=[picture]), product("bare", variant("BARE"), category="pots"))
    return shopper


def told(body: str) -> dict[str, str]:
    """Read the head: each property of Open Graph and others, and the canonical address."""
    found = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', body))
    links = re.findall(r'<link rel="([a-z]+)" href="([^"]*)"', body)
    assert len([rel for rel, _ in links if rel == "canonical"]) <= 1
    return {name: unescape(value) for name, value in {**found, **dict(links)}.items()}


def test_each_public_page_names_its_one_address(stocked: Shopper) -> None:
    for page, address in CANONICAL.items():
        head = told(stocked.get(page).body)
        assert head["canonical"] == head["og:url"] == absolute_url(address), page
        assert head["og:image"].startswith("http://"), page
        assert head["og:title"], page
        assert head["og:description"], page


def test_the_next_page_of_a_list_belongs_to_the_first(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalog.product_lists.PAGE", 2)
    fill(*numbered(3))
    following = re.search(r'href="([^"]*after=[^"]*)"', shopper.get("/").body)
    assert following
    assert told(shopper.get(unescape(following[1])).body)["canonical"] == absolute_url("/")


def test_pages_of_one_visitor_and_errors_have_none(stocked: Shopper) -> None:
    for page in PRIVATE:
        assert "canonical" not in told(stocked.get(page).body), page


def test_search_pages_are_not_indexed(stocked: Shopper) -> None:
    assert told(stocked.get("/search?q=tea").body)["robots"] == "noindex"


def test_a_shared_product_shows_its_name_price_and_picture(stocked: Shopper) -> None:
    head = told(stocked.get("/products/tea-001").body)
    assert head["og:type"] == "product"
    assert head["og:image"].endswith("/test-awning-media/pictures/0123456789abcdef-1200x900.webp")
    assert (head["og:image:width"], head["og:image:height"]) == ("1200", "900")
    assert head["og:image:alt"] == 'Leaves, "dried"'
    assert (head["product:price:amount"], head["product:price:currency"]) == ("2.00", "EUR")
    assert head["product:availability"] == "in stock"
    assert told(stocked.get("/").body)["og:type"] == "website"
    assert told(stocked.get("/products/bare").body)["og:image"] == absolute_url("/favicon.ico")


def test_a_category_names_the_way_to_it(stocked: Shopper) -> None:
    body = stocked.get("/categories/tea").body
    assert '"@type": "BreadcrumbList"' in body
    assert absolute_url("/categories/tea") in body


def test_a_request_for_a_favicon_gets_the_logo(stocked: Shopper) -> None:
    answer = stocked.get("/favicon.ico")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.body.startswith("<svg")
    assert "public" in answer.headers["cache-control"]
    assert told(stocked.get("/").body)["icon"].endswith(".svg")


def test_a_page_may_fetch_what_is_the_shops_own(stocked: Shopper) -> None:
    for page in ("/", "/cart", "/robots.txt"):
        assert "connect-src 'self'" in stocked.get(page).headers["content-security-policy"], page
