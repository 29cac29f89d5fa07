"""Files in a browser: orders as CSV, the catalog out and in again."""

import csv
from pathlib import Path

from playwright.sync_api import expect

from chalicelib.web.page_cache import cache
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.staff.staff_browser import comes_in
from tests.shop import CUSTOMER, Shop


def downloads(visitor: Visitor, name: str, into: Path) -> list[dict[str, str]]:
    """Press what gives a file, keep it, and read its rows."""
    pressed = visitor.button(name).or_(visitor.link(name))
    with visitor.page.expect_download() as arriving:
        pressed.click()
    arriving.value.save_as(into)
    with into.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def test_the_orders_that_were_found_come_as_a_file(visitor: Visitor, shop: Shop, tmp_path: Path) -> None:
    _, order_id = shop.paid(MUG=2)
    shop.placed(BOWL=1)
    comes_in(visitor)
    visitor.open("/staff/orders")
    visitor.field("Status").select_option("Ready to ship")
    visitor.button("Show").click()
    (row,) = downloads(visitor, "Export results to CSV", tmp_path / "orders.csv")
    number = shop.order(order_id).number
    assert (row["order_number"], row["email"], row["total"]) == (number, CUSTOMER["email"], "41.90")


def test_the_catalog_is_taken_out_changed_and_loaded(visitor: Visitor, shop: Shop, tmp_path: Path) -> None:
    comes_in(visitor)
    file = tmp_path / "catalog.csv"
    visitor.open("/staff/catalog")
    rows = downloads(visitor, "Export catalog", file)
    assert {row["sku"]: row["price"] for row in rows}["MUG"] == "18.50"
    file.write_bytes(file.read_bytes().replace(b"18.50", b"19.50"))
    loads(visitor, file)
    visitor.reads("In progress")
    shop.functions.drain("background-jobs")
    visitor.reads("Done")  # the page looks again by itself
    expect(visitor.page.get_by_text("0 added, 1 changed, 2 unchanged")).to_be_visible()
    cache.clear()
    visitor.open("/products/mug")
    expect(visitor.page.get_by_text("€19.50").first).to_be_visible()


def test_a_file_with_faults_says_each_with_its_line_without_script(
    let_in: LetIn, shop: Shop, tmp_path: Path
) -> None:
    visitor = let_in(java_script_enabled=False)
    comes_in(visitor)
    file = tmp_path / "catalog.csv"
    file.write_text("slug,name,category,sku,price,stock\ncup,Cup,cups,CUP,x,-1\n", "utf-8")
    sends(visitor, file)
    visitor.reads("The file has errors")
    expect(visitor.page.get_by_text("row 2, column E (price), SKU CUP: “x” is not an amount")).to_be_visible()


def sends(visitor: Visitor, file: Path) -> None:
    """Send a file of the catalog."""
    visitor.open("/staff/catalog")
    visitor.field("CSV file, up to").set_input_files(file)
    visitor.button("Upload").click()


def loads(visitor: Visitor, file: Path) -> None:
    """Send a file of the catalog, look at what it changes, and have it loaded."""
    sends(visitor, file)
    visitor.reads("Review import")
    expect(visitor.page.get_by_text("1 price change")).to_be_visible()
    visitor.button("Import").click()
