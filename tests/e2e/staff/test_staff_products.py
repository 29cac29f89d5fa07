"""The list of products in a browser: many rows by keyboard, a conflict, a phone without script, no barriers."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from chalicelib.catalog.editing.inline_edit import save
from chalicelib.catalog.editing.inline_edit_rules import Cell, CellChange
from chalicelib.config import settings
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import PHONE, Visitor
from tests.e2e.test_accessibility import check
from tests.shop import Shop
from tests.staff.staff_client import PASSWORD, member

AtTheShelf = Callable[..., Visitor]


@pytest.fixture
def at_the_shelf(shop: Shop, let_in: LetIn) -> AtTheShelf:
    """Let the merchant in, to the list of products."""
    for number in range(3):
        shop.put_on_shelf(f"herb-{number}", f"Herb {number}", {f"HERB-{number}": (400, None, 10)})
    account = member("merchant")

    def log_in(**options: Any) -> Visitor:
        visitor = let_in(reduced_motion="reduce", **options)
        visitor.open("/staff/login?next=%2Fstaff%2Fproducts")
        visitor.field("Email address").fill(account.email)
        visitor.page.locator("[name=password]").fill(PASSWORD)
        visitor.page.keyboard.press("Enter")
        visitor.reads("Products")
        return visitor

    return log_in


def cell(visitor: Visitor, name: str) -> Locator:
    """Find a cell of the list."""
    return visitor.page.locator(f'[name="{name}"]')


def test_five_rows_one_conflict_by_keyboard_from_list_to_save(
    at_the_shelf: AtTheShelf, let_in: LetIn, shop: Shop
) -> None:
    merchant, customer = at_the_shelf(), let_in()
    merchant.expects(409)
    customer.open("/products/mug")
    expect(customer.page.get_by_text("€18.50").first).to_be_visible()
    keyboard = merchant.page.keyboard
    counted = merchant.page.locator("[data-count]")
    expect(counted).to_have_text("No changes yet.")
    for number, price in enumerate(("4.10", "4.20", "4.30")):
        merchant.types(price, f"Price of Herb {number}")
    merchant.types("77", "Price of Last bowl")
    keyboard.press("Escape")
    expect(cell(merchant, "price.BOWL")).to_have_value("39.90")
    expect(counted).to_have_text("3 unsaved rows.")
    keyboard.type("41.00")
    merchant.types("19.00", "Price of Pebble mug")
    expect(counted).to_have_text("5 unsaved rows.")
    assert save("herb-1", {Cell("price", "HERB-1"): CellChange(400, 390)}, "somebody-else") is None
    keyboard.press("Enter")

    merchant.reads("Unsaved changes")
    merchant.is_told("4 rows saved.")
    check(merchant)
    merchant.presses("ArrowDown", on=merchant.page.get_by_label("Keep 3.90"))
    expect(merchant.page.get_by_label("Save 4.20")).to_be_checked()
    keyboard.press("Enter")
    merchant.reads("Products")
    merchant.is_told("1 row saved.")
    expect(cell(merchant, "price.HERB-1")).to_have_value("4.20")
    with shop.later(seconds=settings.shop.page_seconds):
        customer.page.reload()
        expect(customer.page.get_by_text("€19.00").first).to_be_visible()
        customer.open("/categories/tea")
        for price in ("€4.10", "€4.20", "€4.30", "€19.00", "€41.00"):
            expect(customer.page.get_by_text(price).first).to_be_visible()


def test_one_variant_in_conflict_comes_back_alone_and_its_siblings_are_saved(
    at_the_shelf: AtTheShelf, shop: Shop
) -> None:
    shop.put_on_shelf("assam", "Assam", {f"ASSAM-{size}": (500 + size, None, 10) for size in (50, 100, 250)})
    merchant = at_the_shelf(**PHONE)
    merchant.expects(409)
    for size, price in ((50, "5.90"), (100, "6.90"), (250, "7.90")):
        cell(merchant, f"price.ASSAM-{size}").fill(price)
    cell(merchant, "stock.ASSAM-250").fill("12")
    cell(merchant, "visible.assam").uncheck()
    expect(merchant.page.locator("[data-count]")).to_have_text("3 unsaved rows.")
    assert save("assam", {Cell("price", "ASSAM-100"): CellChange(600, 650)}, "somebody-else") is None
    merchant.button("Save changes").click()

    merchant.reads("Unsaved changes")
    merchant.is_told("2 rows saved.")
    merchant.is_told("1 row hasn’t been saved yet.")
    expect(merchant.page.locator(".product-table tbody tr")).to_have_count(1)
    expect(merchant.page.locator("[data-count]")).to_have_text("1 unsaved row.")
    expect(cell(merchant, "visible.assam")).not_to_be_checked()
    check(merchant)
    merchant.page.get_by_label("Save 6.90").check()
    merchant.button("Save changes").click()
    merchant.is_told("1 row saved.")
    assert [cell(merchant, f"price.ASSAM-{size}").input_value() for size in (50, 100, 250)] == [
        "5.90",
        "6.90",
        "7.90",
    ]
    assert shop.stock("ASSAM-250") == 12


def test_a_slash_leads_to_the_search_and_enter_finds(at_the_shelf: AtTheShelf) -> None:
    merchant = at_the_shelf()
    merchant.page.keyboard.press("/")
    expect(cell(merchant, "q")).to_be_focused()
    merchant.page.keyboard.type("her")
    merchant.page.keyboard.press("Enter")
    expect(merchant.page.locator(".product-table tbody")).to_have_count(3)


def test_in_the_stock_room_on_a_phone_without_script(at_the_shelf: AtTheShelf, shop: Shop) -> None:
    merchant = at_the_shelf(**PHONE, java_script_enabled=False)
    tick = cell(merchant, "visible.mug").locator("xpath=..")
    for target in (cell(merchant, "stock.MUG"), tick, merchant.link("Pebble mug")):
        box = target.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert cell(merchant, "stock.MUG").get_attribute("inputmode") == "numeric"
    cell(merchant, "stock.MUG").fill("103")
    cell(merchant, "visible.herb-0").uncheck()
    merchant.button("Save changes").click()
    merchant.is_told("2 rows saved.")
    assert shop.stock("MUG") == 103


def test_leaving_with_changes_that_are_not_saved_is_asked_about(at_the_shelf: AtTheShelf) -> None:
    merchant = at_the_shelf()
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    merchant.page.on("dialog", stay)
    cell(merchant, "price.MUG").fill("20.00")
    merchant.link("Orders").click()
    expect(cell(merchant, "price.MUG")).to_have_value("20.00")
    assert asked == ["beforeunload"]
    cell(merchant, "price.MUG").press("Escape")
    merchant.link("Orders").click()
    merchant.reads("Orders")


def test_the_list_has_no_barriers(at_the_shelf: AtTheShelf) -> None:
    check(at_the_shelf())
