"""Finding things, and a cart that is told on every page."""

from playwright.sync_api import expect

from tests.e2e.shopper_browser import Visitor
from tests.shop import Shop


def test_the_count_of_the_cart_is_on_pages_that_are_the_same_for_everybody(
    visitor: Visitor, shop: Shop
) -> None:
    visitor.open("/")
    visitor.sees_in_cart(0)
    visitor.link("Pebble mug").click()
    visitor.field("Quantity").fill("3")
    visitor.button("Add to cart").click()
    visitor.sees_in_cart(3)

    for path in ("/", "/products/green-tea", "/search?q=tea", "/pages/terms", "/checkout"):
        visitor.open(path)
        visitor.sees_in_cart(3)
    visitor.page.go_back()
    visitor.sees_in_cart(3)


def test_a_page_that_comes_back_shows_todays_count(visitor: Visitor, shop: Shop) -> None:
    visitor.open("/")
    visitor.link("Pebble mug").click()
    visitor.button("Add to cart").click()
    visitor.reads("Your cart")
    visitor.page.go_back()
    visitor.sees_in_cart(1)
    visitor.page.go_back()
    visitor.sees_in_cart(1)


def test_quantities_are_changed_and_lines_removed(visitor: Visitor, shop: Shop) -> None:
    visitor.puts_in_cart("mug", 2)
    visitor.puts_in_cart("last-bowl")
    visitor.field("Quantity of Pebble mug").fill("5")
    visitor.button("Update the quantity of Pebble mug").click()
    visitor.is_told("Quantity of “Pebble mug” updated.")
    visitor.sees_in_cart(6)

    visitor.button("Remove Last bowl").click()
    visitor.is_told("Removed from your cart.")
    visitor.sees_in_cart(5)
    visitor.button("Remove Pebble mug").click()
    visitor.sees_in_cart(0)
    expect(visitor.link("Continue shopping")).to_be_visible()


def test_more_than_there_is_is_refused_with_a_way_on(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(409)
    visitor.puts_in_cart("green-tea", 2)
    shop.paid(TEA_50=9)
    visitor.field("Quantity of Green tea").fill("3")
    visitor.button("Update").click()
    visitor.is_told("Only 1 left.")
    visitor.sees_in_cart(2)


def test_search_finds_by_the_beginnings_of_words(visitor: Visitor, shop: Shop) -> None:
    visitor.open("/")
    visitor.page.get_by_role("searchbox", name="Search the shop").fill("peb")
    visitor.page.keyboard.press("Enter")
    visitor.reads("Search for “peb”")
    expect(visitor.page.get_by_text("1 product found.")).to_be_visible()
    visitor.link("Pebble mug").click()
    visitor.reads("Pebble mug")


def test_search_without_hits_offers_other_ways(visitor: Visitor, shop: Shop) -> None:
    visitor.open("/")
    visitor.page.get_by_role("searchbox").fill("<b>umbrella</b>")
    visitor.button("Search").click()
    visitor.reads("Search for “<b>umbrella</b>”")
    visitor.link("All products").click()
    expect(visitor.link("Pebble mug")).to_be_visible()


def test_a_sold_out_variant_cannot_be_chosen(visitor: Visitor, shop: Shop) -> None:
    shop.put_on_shelf("black-tea", "Black tea", {"BLACK-50": (690, None, 0), "BLACK-100": (1290, None, 5)})
    visitor.open("/products/black-tea")
    gone = visitor.page.get_by_role("radio", name="BLACK-50")
    expect(gone).to_be_disabled()
    expect(gone.locator("..")).to_contain_text("Sold out")
    expect(visitor.page.get_by_role("radio", name="BLACK-100")).to_be_checked()


def test_a_product_that_is_sold_out_says_so(visitor: Visitor, shop: Shop) -> None:
    shop.put_on_shelf("vase", "Vase", {"VASE": (4900, None, 0)})
    visitor.open("/products/vase")
    expect(visitor.page.get_by_text("Currently sold out.")).to_be_visible()
    expect(visitor.button("Add to cart")).to_be_hidden()


def test_an_unknown_address_is_answered_by_a_friendly_page(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(404)
    for path in ("/products/no-such-thing", "/categories/none", "/orders/0", "/no/such/page"):
        visitor.open(path)
        expect(visitor.link("Go to the shop")).to_be_visible()
        expect(visitor.page.get_by_role("searchbox")).to_be_visible()
    visitor.link("Go to the shop").click()
    expect(visitor.link("Pebble mug")).to_be_visible()
