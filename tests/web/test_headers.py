"""What every answer carries, and what no header may."""

from typing import Any
from unittest import mock

import pytest

from chalicelib.web.urls import static_files
from infra.local.api_gateway import Gateway
from tests.shop import Shop
from tests.web.raw_request import Raw, send

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def policy_of(answer: Raw) -> dict[str, set[str]]:
    """Read the Content-Security-Policy: directive → sources."""
    directives = answer.headers["content-security-policy"].split("; ")
    return {name: set(sources) for name, *sources in (directive.split() for directive in directives)}


def answers(gateway: Gateway) -> dict[str, Raw]:
    """Provoke an answer of every kind."""
    static = next(name for name in static_files() if name.endswith(".css"))
    found = {
        "page": send(gateway, "GET", "/"),
        "cart": send(gateway, "GET", "/cart"),
        "not modified": send(gateway, "GET", "/", {"If-None-Match": "*"}),
        "head": send(gateway, "HEAD", "/"),
        "static": send(gateway, "GET", f"/static/{static}"),
        "health": send(gateway, "GET", "/health"),
        "redirect": send(gateway, "GET", "/checkout"),
        "400": send(gateway, "GET", "/?sort=worst"),
        "403": send(gateway, "POST", "/cart/lines", {"Sec-Fetch-Site": "cross-site"}),
        "404": send(gateway, "GET", "/no/such/page"),
        "405": send(gateway, "DELETE", "/cart"),
        "413": send(gateway, "POST", "/cart/lines", FORM, b"x" * 70_000),
        "415": send(gateway, "POST", "/cart/lines", {"Content-Type": "application/json"}, b"{}"),
    }
    with mock.patch("chalicelib.cart.service.get_lines", side_effect=RuntimeError):
        found["500"] = send(gateway, "GET", "/cart")
    return found


def test_every_kind_of_answer_is_protected(standing: Gateway) -> None:
    found = answers(standing)
    expected = {
        "page": 200,
        "cart": 200,
        "not modified": 304,
        "head": 200,
        "static": 200,
        "health": 200,
        "redirect": 303,
    }
    for name, answer in found.items():
        assert answer.status == expected.get(name) or str(answer.status) == name, name
        policy = policy_of(answer)
        assert policy["default-src"] == {"'none'"}, name
        assert policy["script-src"] == policy["style-src"] == {"'self'"}, name
        assert policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}, name
        assert "unsafe" not in answer.headers["content-security-policy"], name
        assert answer.headers["referrer-policy"] == "same-origin", name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert "permissions-policy" in answer.headers, name
        if answer.status >= 400:
            assert answer.is_page, name
            assert answer.headers["cache-control"] == "private, no-store", name


def test_the_policy_names_where_pictures_lie_and_where_a_post_is_led_on(
    standing: Gateway, setting: Any
) -> None:
    setting(media_url="https://media.example:8443/shop", paypal_web_url="https://www.paypal.com")
    policy = policy_of(send(standing, "GET", "/health"))
    assert policy["img-src"] == {"'self'", "https://media.example:8443"}
    assert policy["form-action"] == {"'self'", "https://www.paypal.com"}
    setting(media_url="")
    assert policy_of(send(standing, "GET", "/health"))["img-src"] == {"'self'"}


def test_browsers_keep_to_https_once_the_shop_is_there(standing: Gateway, setting: Any) -> None:
    assert "strict-transport-security" not in send(standing, "GET", "/health").headers
    setting(public_url="https://shop.example")
    assert "max-age=31536000" in send(standing, "GET", "/health").headers["strict-transport-security"]


def test_no_page_has_scripts_or_styles_inside(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    for page in ("/", "/products/mug", "/cart", "/checkout", f"/orders/{order_id}", "/search?q=tea", "/no"):
        body = shopper.get(page).body
        assert " style=" not in body, page
        assert "<style" not in body, page
        assert " onclick" not in body, page
        assert "<script>" not in body, page


@pytest.mark.parametrize("end", ["\r\nSet-Cookie: a=b", "\nX: y", "\r", "\x00", "é", "\u2028"])
def test_a_header_that_holds_what_none_may_is_never_sent(shop: Shop, end: str) -> None:
    shopper = shop.shopper()
    for place in ("chalicelib.cart.routes.url", "chalicelib.cart.routes.flash_cookie"):
        with mock.patch(place, return_value="/cart" + end):
            answer = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
        assert (answer.status, answer.set_cookies) == (500, [])
        assert "location" not in answer.headers
        assert all(value.isascii() and value.isprintable() for value in answer.headers.values())


@pytest.mark.parametrize(
    "junk", ["%0d%0aSet-Cookie:%20a=b", "%0aX:y", "%00", "%E2%80%A8", "%C0%8A", "é", "%5cevil.example"]
)
def test_what_is_asked_for_never_gets_into_a_header(standing: Gateway, junk: str) -> None:
    for target in (
        f"/products/{junk}", f"/categories/{junk}", f"/orders/{junk}", f"/static/{junk}", f"/pages/{junk}", f"/{junk}",
        f"/search?q={junk}", f"/?sort={junk}", f"/?after={junk}",
        f"/payments/paypal/return?token={junk}", f"/payments/paypal/cancel?token={junk}",
    ):  # fmt: skip
        answer = send(standing, "GET", target)
        assert answer.status in (200, 400, 404), (target, answer.status)
        assert "set-cookie" not in answer.headers
        assert "location" not in answer.headers
        assert "x" not in answer.headers


def test_no_address_leads_a_visitor_away(shop: Shop) -> None:
    away = "https://evil.example/"
    shopper = shop.shopper_with(MUG=1)
    for target in (f"/cart?next={away}", f"/checkout?return={away}", "//evil.example/cart", f"/?url={away}"):
        answer = send(shop.gateway, "GET", target, {"Referer": away, "X-Forwarded-Host": "evil.example"})
        assert "evil.example" not in answer.headers.get("location", ""), target
    added = shopper.post(
        f"/cart/lines?next={away}", {"sku": "MUG", "quantity": "1", "next": away, "redirect": away}
    )
    assert added.location == "/cart"
