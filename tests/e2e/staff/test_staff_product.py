"""The merchant makes a product in a browser: rows, options and the text's looks come without leaving the page."""

from playwright.sync_api import expect

from chalicelib.catalog.images.product_images import get_product
from chalicelib.web.page_cache import cache
from tests.dynamodb_faults import watched
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.staff.staff_browser import comes_in
from tests.e2e.staff.test_staff_images import logs_in
from tests.e2e.test_accessibility import check_by_day_and_night
from tests.shop import Shop

NEW = "/staff/products/new"


def test_a_product_is_made_with_rows_and_a_text_that_is_seen_while_it_is_typed(
    visitor: Visitor, shop: Shop
) -> None:
    logs_in(visitor)
    visitor.open(NEW)
    page = visitor.page
    page.locator("#name").fill("Grüner Becher")
    expect(page.locator("#slug")).to_have_attribute("placeholder", "gruner-becher")
    page.locator("#text").fill("Holds *tea*.\n\n- and coffee")
    expect(page.locator("#preview em")).to_have_text("tea")
    page.get_by_label("Category").select_option("tea")
    page.get_by_label("Visible in the shop").check()
    page.locator("#option\\.0").fill("Size")
    for number, size in enumerate(("Small", "Large")):
        if number:
            visitor.button("Add variant").click()
            expect(page.locator(f"#v\\.{number}\\.sku")).to_be_focused()
        for name, value in {"sku": f"CUP-{number}", "option.0": size, "price": "12.90", "stock": "3"}.items():
            page.locator(f'[name="v.{number}.{name}"]').fill(value)
    expect(page.locator("#name")).to_have_value("Grüner Becher")
    visitor.button("Create product").click()
    visitor.reads("Images of Grüner Becher")

    cache.clear()
    visitor.open("/products/gruner-becher")
    expect(page.get_by_role("radio", name="Large")).to_be_enabled()
    expect(page.locator(".product-text em")).to_have_text("tea")


def test_enter_saves_and_a_new_row_asks_nobody_to_save(visitor: Visitor, shop: Shop) -> None:
    logs_in(visitor)
    visitor.open("/staff/products/green-tea")
    with watched() as calls:
        visitor.button("Add variant").click()
        expect(visitor.page.locator("#v\\.2\\.sku")).to_be_focused()
    assert not {operation for operation, _ in calls} & {"TransactWriteItems", "BatchWriteItem"}
    visitor.page.locator("#name").fill("Sencha")
    visitor.page.keyboard.press("Enter")
    visitor.is_told("Saved.")
    assert get_product("green-tea").name == "Sencha"


def test_a_row_is_added_without_script(let_in: LetIn, shop: Shop) -> None:
    visitor = let_in(java_script_enabled=False)
    comes_in(visitor)
    visitor.open("/staff/products/green-tea")
    visitor.page.locator("#name").fill("Sencha")
    visitor.button("Add variant").click()
    expect(visitor.page.locator("#name")).to_have_value("Sencha")
    for name, value in {"sku": "TEA-200", "option.0": "200 g", "price": "22.90", "stock": "4"}.items():
        visitor.page.locator(f'[name="v.2.{name}"]').fill(value)
    visitor.page.locator(".product-save button").click()
    visitor.is_told("Saved.")
    assert (get_product("green-tea").name, shop.stock("TEA-200")) == ("Sencha", 4)


def test_the_pages_of_a_product_are_for_everybody(let_in: LetIn, shop: Shop) -> None:
    visitor = let_in(reduced_motion="reduce")
    visitor.expects(400, 409)
    logs_in(visitor)
    visitor.open("/staff/products/green-tea/pictures")
    check_by_day_and_night(visitor.page)
    visitor.open("/staff/products/green-tea")
    visitor.page.locator("#name").fill("")
    visitor.page.get_by_label("Stop selling TEA-50").check()
    visitor.page.locator(".product-save button").click()
    visitor.is_told("Please correct the following")
    check_by_day_and_night(visitor.page)
    visitor.page.locator("#name").fill("Sencha")
    visitor.page.locator('[name="seen"]').evaluate("input => input.value = ''")
    visitor.page.locator(".product-save button").click()
    visitor.is_told("Someone else has changed this product")
    check_by_day_and_night(visitor.page)
