"""Loading products from a file: all of it or nothing, and never a sale undone."""

import json
import random
import string
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.aws import client
from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing import product_editing
from chalicelib.catalog.editing.product_editing import SaveResult
from chalicelib.catalog.import_export import importer
from chalicelib.catalog.import_export.importer import CatalogErrors, ImportReport, load_catalog
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import read_offers
from chalicelib.catalog.product_details import product_view
from chalicelib.config import settings
from tests.call_counter import counted_calls
from tests.catalog.import_export.catalog_files import CATALOG, CSV, SVG, Write, changed, everything, faults
from tests.catalog.product_factory import POTS, TEA, fill, product, sell, units, variant

DEMO = Path(__file__).parents[3] / "infra" / "local" / "demo" / "catalog.json"
pytestmark = pytest.mark.usefixtures("aws")


def test_a_json_file_fills_the_shop(write: Write) -> None:
    assert load_catalog(write("shop.json", json.dumps(CATALOG))) == ImportReport(added=2, changed=0, same=0)
    assert categories.categories() == (Category("tea", "Tea", "Leaves."), Category("pots", "Pots", ""))
    view = product_view("sencha")
    assert (view.name, view.text, view.price, view.pictures[0].alt) == (
        "Sencha, grün",
        "Bright.\n\nGrassy.",
        590,
        "Leaves",
    )
    offers = read_offers({"S-99": "sencha", "POT": "pot"})
    assert (offers["S-99"].price, offers["S-99"].was, offers["S-99"].available) == (890, 990, 4)
    assert (offers["POT"].price, offers["POT"].tax_class) == (4900, "standard")


def test_a_csv_file_says_the_same_as_a_json_file(write: Write) -> None:
    load_catalog(write("shop.json", json.dumps(CATALOG)))
    assert load_catalog(write("shop.csv", CSV)) == ImportReport(added=0, changed=0, same=2)


def test_a_csv_file_fills_the_shop(write: Write) -> None:
    assert str(load_catalog(write("shop.csv", CSV))) == "2 added, 0 changed, 0 unchanged"
    assert [category.name for category in categories.categories()] == ["Tea", "Pots"]
    assert [each.label for each in product_view("sencha").variants] == ["50 g", "99 g"]
    assert units("POT") == 1


@pytest.mark.parametrize(("name", "text"), [("shop.json", json.dumps(CATALOG)), ("shop.csv", CSV)])
def test_a_second_run_changes_nothing(write: Write, name: str, text: str) -> None:
    file = write(name, text)
    load_catalog(file)
    before = everything()
    with counted_calls() as calls:
        assert str(load_catalog(file)) == "0 added, 0 changed, 2 unchanged"
    assert everything() == before
    assert set(calls) <= {"GetItem", "BatchGetItem", "Query"}


def test_a_file_that_changes_nothing_is_compared_by_the_batch(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"p{number},Product {number},tea,Tea,SKU{number},5.90,3" for number in range(10)]
    file = write("shop.csv", "\n".join(["slug,name,category,category_name,sku,price,stock", *rows]))
    load_catalog(file)
    totals = {}
    for size in (5, 10):
        monkeypatch.setattr(importer, "BATCH_SIZE", size)
        with counted_calls() as calls:
            assert load_catalog(file) == ImportReport(added=0, changed=0, same=10)
        totals[size] = calls.total()
        assert "GetItem" not in calls
    assert totals[5] - totals[10] == 1
    assert totals[10] <= 6


def test_what_was_read_by_the_batch_is_never_written_over_what_came_since() -> None:
    fill(product("tea", variant("T", price=500)))
    same = product("tea", variant("T", price=500))
    dearer = product("tea", replace(variant("T", price=600), absent_fields=frozenset({"sale_price"})))
    stored = product_editing.read_stored([same])["tea"]
    product_editing.save_product(product("tea", variant("T", price=500, sale_price=400), name="Green tea"))
    assert product_editing.save_product(same, stored=stored) is SaveResult.SAME
    assert Product.get("tea").name == "Green tea", "it came after what the file was compared with"
    assert product_editing.save_product(dearer, stored=stored) is SaveResult.CHANGED
    assert (Stock.get("T").price, Stock.get("T").sale_price) == (600, 400)


def test_stock_counts_only_for_skus_that_are_new(write: Write) -> None:
    file = write("shop.json", json.dumps(CATALOG))
    load_catalog(file)
    sell("S-50", 7)
    load_catalog(file)
    assert units("S-50") == 3
    load_catalog(write("shop.json", changed(variants=[{"sku": "S-50", "price": "1", "stock": 500}])))
    assert units("S-50") == 3


def test_products_missing_from_a_file_are_kept(write: Write) -> None:
    fill(product("other", category="pots"))
    load_catalog(write("shop.csv", "slug,name,category,sku,price,stock\nsencha,Sencha,tea,S,5,1\n"))
    assert categories.categories() == (TEA, POTS)
    assert product_view("other").name == "Other"
    assert product_view("sencha").category_name == "Tea & herbs"


def test_the_files_categories_come_first_in_its_order(write: Write) -> None:
    fill()
    text = json.dumps({"categories": [{"slug": "new", "name": "New"}, {"slug": "pots", "name": "Jars"}]})
    assert load_catalog(write("shop.json", text)) == ImportReport(0, 0, 0)
    assert categories.categories() == (Category("new", "New", ""), Category("pots", "Jars", ""), TEA)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_every_spreadsheet_are_read(write: Write, delimiter: str, ends: str, mark: str) -> None:
    rows = [["SKU", "slug ", "name", "category", "category_name", "price", "stock", "options"]]
    rows += [["S-1", "sencha", "Sencha", "tea", "Tea", "5.90", "1", "Size = M | Tin = Red"]]
    rows += [
        ["", "", "", "", "", "", "", ""],
        ["S-2", "sencha", "Sencha", "", "", "6", "2", "Size=L|Tin=Blue=ish"],
    ]
    load_catalog(write("shop.csv", mark + ends.join(delimiter.join(row) for row in rows) + ends))
    assert [each.options for each in product_view("sencha").variants] == [
        {"Size": "M", "Tin": "Red"},
        {"Size": "L", "Tin": "Blue=ish"},
    ]


def test_hidden_products_are_loaded_and_not_shown(write: Write) -> None:
    for name, text in (
        ("a.json", changed(hidden=True)),
        ("b.csv", CSV.replace("2026-10-01,,", "2026-10-01,Yes,")),
    ):
        load_catalog(write(name, text))
        stored = Product.get("sencha")
        assert stored.hidden


def test_pictures_are_stored_once_under_the_hash_of_their_content(write: Write) -> None:
    file = write("shop.json", json.dumps(CATALOG))
    load_catalog(file)
    key = product_view("sencha").pictures[0].key
    stored = client("s3").get_object(Bucket=settings.media_bucket, Key=key)
    assert stored["Body"].read().decode() == SVG
    assert stored["ContentType"] == "image/svg+xml"
    assert stored["CacheControl"] == "public, max-age=31536000, immutable"
    load_catalog(file)
    again = client("s3").head_object(Bucket=settings.media_bucket, Key=key)
    assert again["LastModified"] == stored["LastModified"]


def test_progress_is_reported_to_the_end(write: Write) -> None:
    told: list[tuple[int, int]] = []
    load_catalog(write("shop.json", json.dumps(CATALOG)), lambda done, steps: told.append((done, steps)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_the_demo_catalog_loads_twice() -> None:
    first = load_catalog(DEMO)
    assert first.added >= 24
    assert load_catalog(DEMO) == ImportReport(added=0, changed=0, same=first.added)


@pytest.mark.parametrize("seed", range(20))
def test_no_damaged_file_is_anything_but_refused_or_loaded(write: Write, seed: int) -> None:
    """Change, drop and insert characters at random: the loader answers with faults, not with a crash."""
    chance = random.Random(seed)
    name, text = chance.choice([("shop.json", json.dumps(CATALOG, indent=1)), ("shop.csv", CSV)])
    letters = list(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(letters))
        letters[at : at + chance.randint(0, 2)] = chance.choice(
            [*string.printable, "\ufeff", "\u2028", "é", ""]
        )
    file = write(name, "".join(letters))
    try:
        load_catalog(file)
    except CatalogErrors:
        assert faults(file)[0].startswith(("line ", "row "))
