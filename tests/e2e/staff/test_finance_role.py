"""Finance in a browser: sees the day, the orders and the books, takes files away, and can change nothing."""

import csv
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib import clock
from chalicelib.ledger import daily_reports
from chalicelib.staff.routes import staff
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.staff.staff_browser import comes_in
from tests.shop import Shop

# What each form of these pages changes is the member's own, or nothing.
OWN = {"/staff/logout", "/staff/account/password"}
POST = """async address => (await fetch(address, {method: "POST", body: new URLSearchParams({form: "0".repeat(32)})})).status"""
FORMS = """() => [...document.querySelectorAll("form")].filter((form) => form.method === "post").map((form) => new URL(form.action).pathname)"""


@pytest.fixture
def finance(let_in: LetIn) -> Visitor:
    """Let somebody from finance in."""
    visitor = let_in()
    comes_in(visitor, "finance")
    return visitor


def test_finance_is_offered_what_it_may_see_and_no_button_that_changes_anything(
    finance: Visitor, shop: Shop
) -> None:
    _, paid = shop.paid()
    _, disputed = shop.paid()
    shop.paypal.open_dispute(shop.order(disputed).capture_id or "")
    shop.deliver_notifications()
    finance.open("/staff/")
    places = finance.page.get_by_role("navigation", name="Staff pages").get_by_role("link")
    expect(places).to_have_text(["Sales", "Alerts", "Orders", "Books"])
    for path in ("", "attention", "orders", f"orders/{paid}", f"orders/{disputed}", "books", "account"):
        finance.open(f"/staff/{path}")
        assert set(finance.page.evaluate(FORMS)) <= OWN, path
        expect(
            finance.page.locator("a[href*='/ship'], a[href*='/products'], a[href*='/erase']")
        ).to_have_count(0)


def test_every_change_by_finance_is_refused(finance: Visitor, shop: Shop) -> None:
    finance.expects(403)
    _, order_id = shop.paid()
    finance.open(f"/staff/orders/{order_id}")
    known = {"{order_id}": order_id, "{slug}": "mug", "{number}": "0", "{key}": "tea", "{when}": "2026-11"}
    asked = [
        path for (method, path), may in staff.declared.items() if method == "POST" and may == {"merchant"}
    ]
    for path in asked:
        address = "/".join(known.get(part, part) for part in path.split("/"))
        assert finance.page.evaluate(POST, address) == 403, address
    for page in ("/staff/products", "/staff/members"):
        finance.open(page)
        expect(finance.page.get_by_text("can’t change anything")).to_be_visible()
    assert shop.order(order_id).state == "paid"


def test_finance_takes_a_days_ledger_away_by_a_link_of_its_own(
    finance: Visitor, shop: Shop, tmp_path: Path
) -> None:
    _, order_id = shop.paid()
    daily_reports.export_day(clock.now().date(), provisional=True)
    finance.open("/staff/books")
    with finance.page.expect_download() as arriving:
        finance.page.get_by_role("link", name="Ledger for").click()
    file = tmp_path / "ledger.csv"
    arriving.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as text:
        (row,) = csv.DictReader(text)
    assert (row["order_number"], row["amount"]) == (shop.order(order_id).number, "23.40")

    bare = arriving.value.url.partition("?")[0]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bare, timeout=10)
