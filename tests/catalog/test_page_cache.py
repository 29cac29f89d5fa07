"""Pages that are the same bytes for everybody, and cost nothing while they are warm."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from chalicelib.catalog.editing.product_editing import save_product
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, numbered, product
from tests.client import Shopper

PAGES = (
    "/",
    "/?sort=price",
    "/categories/tea",
    "/categories/tea?sort=name",
    "/products/tea-001",
    "/search?q=tea",
    "/sitemap.xml",
    "/robots.txt",
)
LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


@pytest.fixture
def stocked(shopper: Shopper) -> Shopper:
    fill(*numbered(3))
    return shopper


def test_a_warm_page_costs_no_call(stocked: Shopper) -> None:
    first = [stocked.get(page) for page in PAGES]
    with counted_calls() as calls:
        again = [stocked.get(page) for page in PAGES]
    assert calls.total() == 0
    assert [answer.body for answer in again] == [answer.body for answer in first]
    assert [answer.status for answer in again] == [200] * len(PAGES)


def test_no_page_of_a_customer_scans(stocked: Shopper) -> None:
    with counted_calls() as calls:
        for page in (*PAGES, "/products/no-such", "/categories/no-such", "/no/such/page"):
            stocked.get(page)
    assert set(calls) <= {"Query", "GetItem", "BatchGetItem"}


def test_cookies_are_neither_read_nor_set(stocked: Shopper) -> None:
    plain = [stocked.get(page).body for page in PAGES]
    stocked.jar["cart_count"] = "7"
    stocked.jar["session"] = "x" * 43
    for page, body in zip(PAGES, plain, strict=True):
        answer = stocked.get(page)
        assert answer.body == body
        assert answer.set_cookies == []
        assert answer.headers["cache-control"].startswith("public, max-age=")


def test_a_cached_page_is_answered_with_304(stocked: Shopper) -> None:
    for page in PAGES:
        etag = stocked.get(page).headers["etag"]
        answer = stocked.get(page, If_None_Match=f'"other", W/{etag}')
        assert (answer.status, answer.body) == (304, "")


def test_a_page_is_rendered_again_after_some_seconds(stocked: Shopper, wait: Callable[[float], None]) -> None:
    stocked.get("/")
    save_product(product("new-arrival"))
    assert "New arrival" not in stocked.get("/").text
    wait(10)
    assert "New arrival" in stocked.get("/").text


def test_a_refusal_is_not_kept(stocked: Shopper) -> None:
    assert stocked.get("/products/later").status == 404
    save_product(product("later"))
    assert stocked.get("/products/later").status == 200


def test_the_sitemap_lists_every_public_page_with_its_whole_address(shopper: Shopper, setting: Any) -> None:
    fill(product("sencha"), product("hidden", hidden=True), product("teapot", category="pots"))
    setting(public_url="https://shop.example/a&b")
    answer = shopper.get("/sitemap.xml")
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    tree = ElementTree.fromstring(answer.body)  # noqa: S314 - our own page
    assert sorted(str(place.text) for place in tree.iter(LOC)) == [
        "https://shop.example/a&b/",
        "https://shop.example/a&b/categories/pots",
        "https://shop.example/a&b/categories/tea",
        "https://shop.example/a&b/products/sencha",
        "https://shop.example/a&b/products/teapot",
    ]


def test_robots_are_led_to_the_sitemap_and_away_from_carts(shopper: Shopper, setting: Any) -> None:
    setting(public_url="https://shop.example/api")
    answer = shopper.get("/robots.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.body.splitlines()
    assert "Disallow: /api/cart" in lines
    assert "Disallow: /api/checkout" in lines
    assert "Sitemap: https://shop.example/api/sitemap.xml" in lines
    assert "Disallow: /api/products" not in lines


def test_the_sitemap_of_a_large_shop_lists_its_parts(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalog.routes.ADDRESSES_PER_SITEMAP", 2)
    fill(*numbered(5))
    index = ElementTree.fromstring(shopper.get("/sitemap.xml").body)  # noqa: S314 - our own page
    assert index.tag.endswith("}sitemapindex")
    parts = [str(place.text) for place in index.iter(LOC)]
    assert len(parts) == 3
    found: list[str] = []
    for part in parts:
        answer = shopper.get(part[part.index("/sitemap.xml") :])
        assert answer.status == 200
        found += [str(place.text) for place in ElementTree.fromstring(answer.body).iter(LOC)]  # noqa: S314 - as above
    paths = [place.split("/", 3)[3] for place in found]
    assert sorted(paths) == sorted(
        ["", "categories/pots", "categories/tea", *(f"products/tea-00{n}" for n in range(5))]
    )
    assert shopper.get("/sitemap.xml?after=junk").status == 400
