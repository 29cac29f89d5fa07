"""What a visitor sees when something breaks: a page, honest words, no details."""

from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest

from chalicelib.errors import BadInput
from chalicelib.web import templates
from infra.local.api_gateway import Gateway
from tests.dynamodb_faults import silence
from tests.shop import Shop
from tests.web.raw_request import send

SECRET = "s3cret-detail"


def test_a_bug_is_a_page_without_details(gateway: Gateway) -> None:
    for error in (RuntimeError(SECRET), KeyError(SECRET), AssertionError(SECRET), RecursionError(SECRET)):
        with mock.patch("chalicelib.cart.service.get_lines", side_effect=error):
            answer = send(gateway, "GET", "/cart")
        assert answer.status == 500
        assert answer.is_page
        assert "Something went wrong" in answer.body
        assert SECRET not in answer.body
        assert "Traceback" not in answer.body


def test_a_refusal_shows_its_words_and_no_markup(gateway: Gateway) -> None:
    with mock.patch("chalicelib.cart.service.get_lines", side_effect=BadInput("Not <b>that</b> & this.")):
        answer = send(gateway, "GET", "/cart")
    assert answer.status == 400
    assert "Not &lt;b&gt;that&lt;/b&gt; &amp; this." in answer.body


def test_a_database_that_is_silent_is_a_503_that_says_when_to_come_back(shop: Shop) -> None:
    shopper, _ = shop.placed()
    (order,) = shop.orders()
    from chalicelib.catalog import categories
    from chalicelib.web.page_cache import cache

    cache.clear()
    categories.clear_category_cache()
    with silence():
        for page in (
            "/",
            "/categories/tea",
            "/products/mug",
            "/search?q=tea",
            "/cart",
            "/checkout",
            f"/orders/{order.id}",
            "/sitemap.xml",
        ):
            answer = shopper.get(page)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5"), page
            assert "Please try again" in answer.text
            assert answer.headers["cache-control"] == "private, no-store"
        for address, form in (
            ("/cart/lines", {"sku": "MUG", "quantity": "1"}),
            ("/checkout", {"total": "1"}),
            (f"/orders/{order.id}/payment", {}),
        ):
            answer = shopper.post(address, form)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5"), address
        assert shopper.get("/health").status == 200


def test_returning_from_paypal_without_the_database_explains_how_to_see_the_outcome(
    shop: Shop,
) -> None:
    shopper, token = shop.placed()
    shop.paypal.approve(token)
    address = f"/payments/paypal/return?token={token}"
    with silence():
        answer = shopper.get(address)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "reload this page in a moment: it shows whether your payment went through" in answer.text
    assert "You won’t be charged twice." in answer.text
    assert "Thank you" in shopper.follow(shopper.get(address)).text
    assert len(shop.paypal.ledger()) == 1


def test_an_error_page_needs_no_categories(gateway: Gateway) -> None:
    with silence():
        answer = send(gateway, "GET", "/no/such/page")
    assert (answer.status, answer.is_page) == (404, True)


def test_a_page_is_kept_while_the_database_is_silent(gateway: Gateway) -> None:
    first = send(gateway, "GET", "/")
    with silence():
        assert send(gateway, "GET", "/").body == first.body


def test_where_not_even_the_error_page_can_be_made_there_is_a_bare_one(gateway: Gateway) -> None:
    with mock.patch("chalicelib.web.templates.render_public", side_effect=RuntimeError(SECRET)):
        for page in ("/no/such", "/?sort=worst"):
            answer = send(gateway, "GET", page)
            assert (answer.status, answer.is_page) == (500, True)
            assert SECRET not in answer.body
            assert "content-security-policy" in answer.headers


# -- context processors -----------------------------------------------------------------------------------


@pytest.fixture
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_public_processors", [*templates._public_processors])
    monkeypatch.setattr(templates, "_request_processors", [*templates._request_processors])


@pytest.mark.usefixtures("_forgotten")
def test_a_feature_feeds_every_template(shop: Shop, setting: Any) -> None:
    import dataclasses

    from chalicelib.config import settings

    @templates.public_context_processor
    def rebrand() -> Mapping[str, Any]:
        return {"shop": dataclasses.replace(settings.shop, name="Fed & Found")}

    shopper, order_id = shop.paid()
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    for page in (
        "/",
        "/products/mug",
        "/cart",
        "/checkout",
        f"/orders/{order_id}",
        "/search?q=x",
        "/pages/terms",
        "/no",
    ):
        assert "Fed & Found" in shopper.get(page).text, page


@pytest.mark.usefixtures("_forgotten")
def test_public_pages_are_never_fed_from_a_request(shop: Shop) -> None:
    asked: list[str] = []

    @templates.context_processor
    def nosy(request: Any) -> Mapping[str, Any]:
        asked.append(request.path)
        return {"cart_count": 77}

    shopper = shop.shopper_with(MUG=1)
    _, order_id = shop.paid()
    asked.clear()
    for page in (
        "/",
        "/products/mug",
        "/categories/tea",
        "/search?q=x",
        "/pages/terms",
        "/no",
        "/sitemap.xml",
    ):
        assert "Cart, 77 items" not in shopper.get(page).text, page
    assert asked == []
    assert "Cart, 77 items" in shopper.get(f"/orders/{order_id}").text
    assert asked == ["/orders/{order_id}"]


def test_what_a_template_does_not_know_is_a_bug_not_a_blank(gateway: Gateway) -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        templates.render("error.html", status=400)
