"""Every address leads somewhere sensible: unknown ones, odd ones, and all of them below a stage's path."""

import re
from typing import Any

import pytest

from chalicelib.web.urls import static_files
from infra.local.api_gateway import Gateway
from tests.client import Shopper
from tests.shop import CUSTOMER, Shop
from tests.web.raw_request import send

# -- static files -----------------------------------------------------------------------------------------


def test_static_files_are_named_by_content_and_kept_for_ever(standing: Gateway) -> None:
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert static_files()
    for name, file in static_files().items():
        assert re.fullmatch(rf"{file.stem}\.[0-9a-f]{{12}}{file.suffix}", name)
        for accept in ("*/*", "text/html", ""):
            answer = send(standing, "GET", f"/static/{name}", {"Accept": accept})
            assert (answer.status, answer.body) == (200, file.read_text(encoding="utf-8"))
        assert answer.headers["content-type"].startswith(kinds[file.suffix])
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "name",
    [
        "shop.css",
        "shop.000000000000.css",
        "",
        "..",
        "%2e%2e%2fconfig.py",
        "..%2f..%2fshop.toml",
        "../config.py",
        "shop.css%00",
        "x" * 3000,
        "a/b",
    ],
)
def test_an_unknown_static_file_is_a_404(standing: Gateway, name: str) -> None:
    answer = send(standing, "GET", f"/static/{name}")
    assert answer.status == 404
    assert "immutable" not in answer.headers["cache-control"]
    assert "reservation_minutes" not in answer.body


def test_pages_name_static_files_that_are_there(standing: Gateway) -> None:
    for page in ("/", "/cart", "/no/such"):
        names = re.findall(r'"/static/([^"]+)"', send(standing, "GET", page).body)
        assert len(names) >= 3
        assert set(names) <= static_files().keys()


# -- unknown and odd --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/no", "/no/such/page", "/index.html", "/admin", "/.env", "/.git/config", "/wp-login.php", "/products", "/products/",
        "/products/a/b", "/%2e%2e/%2e%2e/etc/passwd", "/../../etc/passwd", "//evil.example", "///", "/%00", "/products/%00",
        "/products/..%2f..", "/products/mug%0d%0a", "/a" * 500, "/" + "x" * 9000, "/products/" + "x" * 9000, "/%zz", "/%",
        "/products/%F0%9F%8D%B5", "/products/🍵", "/\\evil.example", "/;jsessionid=1", "/orders/", "/cart/lines/MUG/x", "/static",
        "/products/<script>alert(1)</script>", "/categories/%3Cscript%3E", "/pages/none", "/pages/..%2ferror",
    ],
)  # fmt: skip
def test_an_address_that_is_not_there_is_a_friendly_404(standing: Gateway, target: str) -> None:
    answer = send(standing, "GET", target)
    assert answer.status == 404
    assert answer.is_page
    assert "Go to the shop" in answer.body
    assert "<script>" not in answer.body
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"])
def test_a_method_that_a_page_has_not_is_refused(standing: Gateway, method: str) -> None:
    for target in ("/", "/cart", "/products/mug", "/no/such", "/health", "/static/x"):
        answer = send(standing, method, target)
        assert answer.status in (404, 405), (target, answer.status)
        assert answer.is_page
    if method != "POST":
        assert send(standing, method, "/checkout").status in (404, 405)


def test_head_is_get_without_the_page(shop: Shop) -> None:
    shopper, order_id = shop.paid()
    for page in ("/", "/products/mug", "/cart", "/robots.txt", "/health", f"/orders/{order_id}", "/no/such"):
        full, head = shopper.get(page), shopper.send("HEAD", page)
        assert (head.status, head.body) == (full.status, ""), page
        assert head.headers["content-type"] == full.headers["content-type"], page


def test_a_parameter_given_twice_or_unknown(standing: Gateway) -> None:
    for target in ("/?sort=price&sort=name", "/search?q=a&q=b", "/?after=a&after=b"):
        answer = send(standing, "GET", target)
        assert (answer.status, "more than once" in answer.body) == (400, True)
    for target in ("/?utm_source=x&utm_source=y", "/?=", "/?&&", "/?fbclid=" + "x" * 2000, "/cart?%00"):
        assert send(standing, "GET", target).status == 200


@pytest.mark.parametrize("size", [65_537, 1_000_000, 6_000_000])
def test_a_body_that_is_too_large_is_a_413(standing: Gateway, size: int) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for target in ("/cart/lines", "/checkout", "/cart/lines/MUG"):
        answer = send(standing, "POST", target, headers, b"a=" + b"x" * size)
        assert (answer.status, answer.is_page) == (413, True)


def test_a_form_of_another_kind_is_a_415(standing: Gateway) -> None:
    for kind in (
        "application/json",
        "multipart/form-data; boundary=b",
        "text/plain",
        "application/octet-stream",
        "image/png",
        "x",
    ):
        answer = send(standing, "POST", "/cart/lines", {"Content-Type": kind}, b"sku=MUG&quantity=1")
        assert (answer.status, answer.is_page) == (415, True)
    kind = "Application/X-WWW-Form-URLencoded; charset=UTF-8"
    assert send(standing, "POST", "/cart/lines", {"Content-Type": kind}, b"sku=NO&quantity=1").status == 404


# -- the shop's own address -------------------------------------------------------------------------------


def test_the_host_header_does_not_matter(shop: Shop) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"},
    ):
        for page in ("/", "/products/mug", "/sitemap.xml", "/robots.txt", "/cart"):
            answer = send(shop.gateway, "GET", page, headers)
            assert (answer.status, "evil.example" in answer.body) == (200, False)


def test_a_page_kept_for_one_address_is_not_shown_at_another(standing: Gateway, setting: Any) -> None:
    setting(public_url=None)
    first = send(standing, "GET", "/sitemap.xml", {"Host": "one.example"})
    second = send(standing, "GET", "/sitemap.xml", {"Host": "two.example"})
    assert "https://one.example/" in first.body
    assert "one.example" not in second.body


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8000/api", None])
def test_a_whole_order_below_a_stages_path(shop: Shop, setting: Any, public_url: str | None) -> None:
    setting(public_url=public_url)
    base = public_url or "https://127.0.0.1/api"
    shopper = Shopper(Gateway(shop.gateway.app, prefix="/api"))
    for page in (
        "/api/",
        "/api/products/mug",
        "/api/search?q=mug",
        "/api/pages/terms",
        "/api/no/such",
        "/api",
    ):
        assert_all_below(shopper.get(page).body)

    added = shopper.post("/api/cart/lines", {"sku": "MUG", "quantity": "1"})
    assert added.location == "/api/cart"
    assert all("Path=/api;" in cookie for cookie in added.set_cookies)
    cart = shopper.follow(added)
    assert_all_below(cart.body)
    form = shopper.get("/api/checkout")
    assert_all_below(form.body)
    placed = shopper.post("/api/checkout", {**CUSTOMER, "total": form.field("total")})

    token = placed.location.rpartition("token=")[2]
    back = shop.paypal.approve(token) or ""
    assert back.startswith(f"{base}/payments/paypal/return?")
    arrived = shopper.get("/api/payments/paypal/return?" + back.partition("?")[2])
    assert arrived.location.startswith("/api/orders/")
    order = shopper.follow(arrived)
    assert "your order is paid" in order.text
    assert_all_below(order.body)
    assert f"<loc>{base}/products/mug</loc>" in shopper.get("/api/sitemap.xml").body


def assert_all_below(body: str) -> None:
    """Every address inside the shop begins with the stage's path, and static files answer there."""
    found = re.findall(r'(?:href|action|src)="(/[^"]*)"', body)
    assert len(found) > 5
    assert [address for address in found if not re.match(r"/api(/|$)", address)] == []


def test_static_files_answer_below_a_stages_path(standing: Gateway, setting: Any) -> None:
    setting(public_url="http://127.0.0.1:8000/api")
    staged = Gateway(standing.app, prefix="/api")
    for address in set(re.findall(r'"(/api/static/[^"]+)"', send(staged, "GET", "/api/cart").body)):
        assert send(staged, "GET", address).status == 200
