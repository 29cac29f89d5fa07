"""What cannot be put into the cart is answered where the shopper was, with what can be had; lost cookies are explained."""

import re

import pytest

from chalicelib.config import settings
from tests.client import Answer, Shopper
from tests.shop import Shop


def add(shopper: Shopper, sku: str, quantity: str, product: str = "") -> Answer:
    """Send the form of a product's page."""
    return shopper.post("/cart/lines", {"sku": sku, "quantity": quantity, "product": product})


@pytest.mark.parametrize(
    ("in_cart", "asked", "words", "offered"),
    [
        (0, "5", "Only 4 left. Please choose fewer.", "4"),
        (3, "2", "Only 4 left, and your cart already contains 3. Please choose fewer.", "1"),
        (4, "1", "Only 4 left, and your cart already contains 4.", "1"),
    ],
)
def test_more_than_is_left_is_answered_on_the_products_page(
    shop: Shop, in_cart: int, asked: str, words: str, offered: str
) -> None:
    shop.put_on_shelf("bowl-of-four", "Bowl of four", {"FOUR": (100, None, 4)})
    shopper = shop.shopper_with(FOUR=in_cart) if in_cart else shop.shopper()
    page = add(shopper, "FOUR", asked)
    assert page.status == 409
    assert "<h1>Bowl of four</h1>" in page.body
    assert words in page.text
    assert page.field("quantity") == offered
    quantity = re.search(r'<input id="quantity"[^>]*>', page.body)
    assert quantity
    assert 'aria-invalid="true" aria-describedby="buy-problem" autofocus' in quantity[0]
    assert 'role="alert" id="buy-problem"' in page.body
    assert ("Go to your cart" in page.text) == bool(in_cart)
    assert page.headers["cache-control"] == "private, no-store"
    if in_cart < 4:
        assert add(shopper, "FOUR", offered).status == 303


def test_the_chosen_variant_stays_chosen(shop: Shop) -> None:
    page = add(shop.shopper(), "TEA-100", "19")
    assert page.status == 409
    assert re.search(r'value="TEA-100" required checked', page.body)
    assert page.field("product") == "green-tea"


def test_what_is_sold_out_meanwhile_is_said_on_its_page(shop: Shop) -> None:
    shop.put_on_shelf("gone", "Gone", {"GONE": (100, None, 0)})
    page = add(shop.shopper(), "GONE", "1")
    assert page.status == 409
    assert "<h1>Gone</h1>" in page.body
    assert "Sorry, this item is sold out." in page.text
    assert 'name="quantity"' not in page.body
    assert 'role="alert" id="buy-problem" tabindex="-1" autofocus' in page.body


@pytest.mark.parametrize(
    ("asked", "offered"),
    [("21", "20"), ("999999", "20"), ("9" * 20, "20"), ("0", "1"), ("two", "1"), ("", "1")],
)
def test_a_quantity_out_of_bounds_is_said_on_the_products_page(
    standing_shop: Shop, asked: str, offered: str
) -> None:
    page = add(standing_shop.shopper(), "MUG", asked)
    assert page.status == 400
    assert "<h1>Pebble mug</h1>" in page.body
    assert "quantity" in page.text
    assert ("between 1 and 20" in page.text) == asked.isdigit()
    assert page.field("quantity") == offered


def test_at_most_twenty_units_are_offered_beside_those_in_the_cart(standing_shop: Shop) -> None:
    page = add(standing_shop.shopper_with(MUG=18), "MUG", "5")
    assert page.status == 400
    assert "Your cart already contains 18." in page.text
    assert page.field("quantity") == "2"


def test_a_variant_that_is_sold_no_more_leads_back_to_its_product(standing_shop: Shop) -> None:
    page = add(standing_shop.shopper(), "TEA-1000", "1", product="green-tea")
    assert page.status == 404
    assert "This option is no longer available. Please choose another." in page.text
    assert 'value="TEA-50"' in page.body
    for product in ("", "no-such", "../staff", '"><b>'):
        assert add(standing_shop.shopper(), "TEA-1000", "1", product).status == 404


def test_the_page_that_everybody_sees_stays_the_same_bytes(shop: Shop) -> None:
    before = shop.shopper().get("/products/mug").body
    shopper = shop.shopper_with(MUG=2)
    add(shopper, "MUG", "999")
    assert shopper.get("/products/mug").body == shop.shopper().get("/products/mug").body == before
    assert "autofocus" not in before


def test_a_quantity_that_cannot_be_had_is_said_beside_its_line_in_the_cart(shop: Shop) -> None:
    shop.put_on_shelf("bowl-of-four", "Bowl of four", {"FOUR": (100, None, 4)})
    shopper = shop.shopper_with(FOUR=2, MUG=1)
    page = shopper.post("/cart/lines/FOUR", {"quantity": "5"})
    assert page.status == 409
    assert "Only 4 left. Please choose fewer." in page.text
    line = page.body[page.body.index("Bowl of four") :]
    assert 'role="alert"' in line
    assert re.search(
        r'name="quantity"[^>]* value="4" required aria-invalid="true" aria-describedby="[^" ]+" autofocus',
        line,
    )
    assert page.body.count("autofocus") == 1
    page = shopper.post("/cart/lines/FOUR", {"quantity": "two"})
    assert (page.status, "as a whole number" in page.text) == (400, True)
    assert page.body.count("autofocus") == 1


def test_changing_what_is_not_in_the_cart_any_more_shows_the_cart(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    page = shopper.post("/cart/lines/TEA-50", {"quantity": "2"})
    assert page.status == 404
    assert "This item is no longer in your cart." in page.text
    assert "Pebble mug" in page.text


# -- cookies ----------------------------------------------------------------------------------------------

EXPLAINED = "Your browser didn’t send our cookie."


def without_cookies(shop: Shop, address: str, referer: str = "") -> Answer:
    """Open a page in a browser that keeps no cookies."""
    return shop.shopper().get(address, **({"Referer": f"{settings.public_url}{referer}"} if referer else {}))


@pytest.mark.parametrize("before", ["/products/mug", "/cart", "/checkout"])
def test_a_browser_without_cookies_is_shown_that_one_is_needed(standing_shop: Shop, before: str) -> None:
    page = without_cookies(standing_shop, "/cart", before)
    assert EXPLAINED in page.text
    assert "We need a cookie to remember your cart" in page.text
    assert page.set_cookies == []


def test_visiting_an_empty_cart_shows_no_cookie_warning(standing_shop: Shop) -> None:
    for referer in ("", "/", "/categories/tea"):
        page = without_cookies(standing_shop, "/cart", referer)
        assert EXPLAINED not in page.text
        assert "Your cart is empty." in page.text
        assert "need a cookie" in page.text
    elsewhere = standing_shop.shopper().get("/cart", Referer="https://elsewhere.example/products/mug")
    assert EXPLAINED not in elsewhere.text


def test_no_cookie_warning_is_shown_with_the_cookie(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    assert "cookie" not in shopper.get("/cart").text
    shopper.post("/cart/lines/MUG", {"quantity": "0"})
    page = shopper.get("/cart", Referer=f"{settings.public_url}/products/mug")
    assert "Your cart is empty." in page.text
    assert "cookie" not in page.text


def test_a_cookie_that_is_lost_before_a_change_or_the_checkout_is_explained(standing_shop: Shop) -> None:
    stranger = standing_shop.shopper()
    page = stranger.post("/cart/lines/MUG", {"quantity": "2"}, Referer=f"{settings.public_url}/cart")
    assert page.status == 404
    assert EXPLAINED in page.text
    for answer in (stranger.get("/checkout"), stranger.post("/checkout", {"total": "1.00"})):
        assert answer.location.endswith("/cart")
        assert EXPLAINED in without_cookies(standing_shop, "/cart", "/checkout").text
