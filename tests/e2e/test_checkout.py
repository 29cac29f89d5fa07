"""The checkout form: what is wrong, what has changed, and one order however often it is sent."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import THANKS, Visitor
from tests.shop import CUSTOMER, Shop

EITHER = pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}], ids=["script", "no-script"])


def test_what_is_wrong_is_said_and_leads_to_the_field(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(400)
    visitor.puts_in_cart("mug")
    visitor.goes_to_checkout()
    visitor.fills_in(email="customer@", city="")
    visitor.places_order()

    summary = visitor.page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(visitor.page).to_have_title("Error: Checkout · Slow Saturday")
    expect(summary.get_by_role("link")).to_have_text(
        [
            "Email: Please check the email address. It should look like name@example.com.",
            "City: Please enter the city.",
        ]
    )
    summary.get_by_role("link", name="City").click()
    city = visitor.field("City")
    expect(city).to_be_focused()
    expect(city).to_have_accessible_description("Please enter the city.")
    expect(visitor.field("Name")).to_have_value(CUSTOMER["name"])
    expect(visitor.field("Email")).to_have_value("customer@")
    assert shop.orders() == []

    city.fill("Berlin")
    visitor.field("Email").fill(CUSTOMER["email"])
    visitor.places_order()
    visitor.is_at_paypal()


@EITHER
def test_more_than_is_left_leads_back_to_the_quantity(
    let_in: LetIn, shop: Shop, options: dict[str, Any]
) -> None:
    visitor = let_in(**options)
    visitor.expects(409)
    shop.put_on_shelf("two-bowls", "Two bowls", {"TWO": (1000, None, 2)})
    visitor.open("/products/two-bowls")
    visitor.field("Quantity").fill("5")
    visitor.button("Add to cart").click()
    visitor.is_told("Only 2 left. Please choose fewer.")
    visitor.reads("Two bowls")
    quantity = visitor.field("Quantity")
    expect(quantity).to_be_focused()
    expect(quantity).to_have_value("2")
    expect(quantity).to_have_accessible_description("Only 2 left. Please choose fewer.")

    before: list[str] = []
    visitor.page.on("request", lambda request: before.append(request.headers.get("referer", "")))
    visitor.button("Add to cart").click()
    visitor.reads("Your cart")
    # By this the cart's page knows whom to tell that their browser keeps no cookie.
    assert before[1] == f"{visitor.shop_url}/cart/lines"


def test_sold_out_between_cart_and_checkout(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(409)
    visitor.puts_in_cart("last-bowl")
    visitor.goes_to_checkout()
    visitor.fills_in()
    shop.placed(BOWL=1)
    visitor.places_order()

    expect(visitor.page.get_by_role("alert")).to_be_focused()
    visitor.is_told("“Last bowl” has just sold out.")
    expect(visitor.field("Name")).to_have_value(CUSTOMER["name"])
    assert len(shop.orders()) == 1
    visitor.link("Edit cart").click()
    expect(visitor.page.get_by_text("This item is now sold out.")).to_be_visible()
    expect(visitor.link("Go to checkout")).to_be_hidden()
    visitor.button("Remove").click()
    visitor.is_told("Removed from your cart.")


def test_the_total_with_shipping_elsewhere_is_shown_before_it_is_paid(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(409)
    visitor.puts_in_cart("mug")
    visitor.goes_to_checkout()
    visitor.fills_in(country="FR")
    visitor.places_order()

    expect(visitor.page.get_by_role("alert")).to_be_focused()
    visitor.is_told("now €28.40")
    assert shop.orders() == []
    visitor.button("Accept new total and pay €28.40 with PayPal").click()
    visitor.is_at_paypal()
    visitor.button("Pay 28.40 EUR now").click()
    visitor.reads(THANKS)


def test_a_price_that_rose_meanwhile_is_shown_before_it_is_paid(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(409)
    visitor.puts_in_cart("mug")
    visitor.goes_to_checkout()
    visitor.fills_in()
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (2000, None, 100)})
    visitor.places_order()

    visitor.is_told("The total is now €24.90")
    visitor.button("Accept new total").first.click()
    visitor.is_at_paypal()
    expect(visitor.button("Pay 24.90 EUR now")).to_be_visible()


def test_a_double_click_places_one_order(visitor: Visitor, shop: Shop) -> None:
    visitor.puts_in_cart("mug")
    visitor.goes_to_checkout()
    visitor.fills_in()
    visitor.button("Place order").first.dblclick()

    visitor.is_at_paypal()
    assert len(shop.orders()) == len(shop.paypal.orders()) == 1
    assert shop.stock("MUG") == 99


def test_two_tabs_place_one_order(visitor: Visitor, shop: Shop) -> None:
    visitor.puts_in_cart("mug")
    tabs = [visitor.page, visitor.context.new_page()]
    for visitor.page in tabs:
        visitor.open("/checkout")
        visitor.fills_in()
    tokens = set()
    for visitor.page in tabs:
        visitor.places_order()
        tokens.add(visitor.is_at_paypal())

    assert len(tokens) == len(shop.orders()) == 1
    assert shop.stock("MUG") == 99


@EITHER
def test_the_back_button_and_the_same_form_again_is_the_same_order(
    let_in: LetIn, shop: Shop, options: dict[str, Any]
) -> None:
    visitor = let_in(**options)
    visitor.orders()
    token = visitor.is_at_paypal()
    visitor.page.go_back()
    visitor.reads("Checkout")
    visitor.fills_in()
    visitor.places_order()

    assert visitor.is_at_paypal() == token
    visitor.pays()
    visitor.reads(THANKS)
    assert len(shop.orders()) == 1


def test_the_back_button_after_paying_orders_nothing_again(visitor: Visitor, shop: Shop) -> None:
    visitor.orders()
    visitor.pays()
    visitor.reads(THANKS)
    visitor.open("/checkout")
    visitor.reads("Your cart")
    visitor.sees_in_cart(0)
    assert len(shop.orders()) == 1
