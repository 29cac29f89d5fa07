"""The catalog written as a CSV file, and read again: nothing is different."""

import csv
import io
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from chalicelib.aws import client
from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import change_category, create_category, fingerprint_of
from chalicelib.catalog.editing.product_editing import SaveResult, save_product
from chalicelib.catalog.import_export.csv_reader import COLUMNS
from chalicelib.catalog.import_export.exporter import catalog_rows, count_products, has_more_than
from chalicelib.catalog.import_export.importer import (
    CatalogErrors,
    ImportReport,
    check_csv,
    load,
    load_catalog,
)
from chalicelib.catalog.models import Listing, Product, Stock
from chalicelib.catalog.offers import Picture
from chalicelib.config import settings
from tests.call_counter import counted_calls
from tests.catalog.import_export.catalog_files import SVG, everything
from tests.catalog.product_factory import POTS, TEA, fill, numbered, options, product, sell, units, variant

DEMO = Path(__file__).parents[3] / "infra" / "local" / "demo" / "catalog.json"
KEY = "pictures/0123456789abcdef.svg"
SIZED = "pictures/0123456789abcdef-1600x900.webp"
pytestmark = pytest.mark.usefixtures("aws")


def written() -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for _, rows in catalog_rows():
        writer.writerows(rows)
    return ("\ufeff" + text.getvalue()).encode()


def loaded(data: bytes) -> list[SaveResult | None]:
    return list(load(check_csv(data)))


def put_picture(key: str) -> None:
    client("s3").put_object(Bucket=settings.media_bucket, Key=key, Body=SVG.encode())


def awkward() -> None:
    """Fill the shop with what is hard to write down."""
    put_picture(KEY)
    put_picture(SIZED)
    fill(
        product(
            "-minus-",
            variant("-50", options=options(Weight="=50 g"), price=590, sale_price=490),
            variant("99", options=options(Weight="'+99 | g = \\ Größe"), price=990),
            name='=HYPERLINK("x"); "quoted", Tee',
            text="*Bold*, and:\n\n- one\n- two; =SUM(A1)\n\n'- not a list\n+ but; @this",
            tax_class="books",
            pictures=[Picture(KEY, "@ A | B = C \\ d"), Picture(SIZED, "'-- x"), Picture(KEY, "Again")],
        ),
        product("hidden", variant("HIDDEN", stock=0), hidden=True, text="", category="pots"),
        product("plain", pictures=[Picture(KEY, "Leaves")]),
    )
    create_category("empty", "- Empty", "Nobody is here.")
    tea = categories.read_categories()[0]
    change_category(replace(tea, slug="leaves", name="+ Leaves"), fingerprint_of(tea))


def test_what_was_written_changes_nothing_when_it_is_read() -> None:
    awkward()
    before = everything()
    assert loaded(written()) == [SaveResult.SAME] * 3
    assert everything() == before


@pytest.mark.slow
def test_the_demo_catalog_comes_back_as_it_was() -> None:
    load_catalog(DEMO)
    before = everything()
    assert set(loaded(written())) == {SaveResult.SAME}
    assert everything() == before


def test_the_operator_loads_what_was_written_on_the_web(tmp_path: Path) -> None:
    awkward()
    file = tmp_path / "catalog.csv"
    file.write_bytes(written())
    assert load_catalog(file) == ImportReport(added=0, changed=0, same=3)


def test_an_empty_shop_becomes_the_same_but_for_its_categories_texts() -> None:
    fill(product("mug", category="pots"), product("sencha", variant("S", price=700, sale_price=600)))
    data = written()
    for table in (Product, Listing, Stock):
        with table.batch_write() as batch:
            for row in table.scan():
                batch.delete(row)
    categories.clear_category_cache()
    assert loaded(data) == [SaveResult.ADDED] * 2
    assert categories.read_categories() == (replace(TEA, text=""), POTS)
    assert written() == data


def test_units_sold_meanwhile_stay_sold() -> None:
    fill(product("sencha"))
    data = written()
    sell("SENCHA", 4)
    assert loaded(data) == [SaveResult.SAME]
    assert units("SENCHA") == 6


def test_a_category_is_understood_by_its_former_address() -> None:
    fill(product("sencha"))
    data = written().replace(b"Tea & herbs", b"")
    tea = categories.read_categories()[0]
    change_category(replace(tea, slug="leaves", name="Leaves"), fingerprint_of(tea))
    assert loaded(data) == [SaveResult.SAME]
    new = create_category("tea", "Cups", "")
    assert loaded(data) == [SaveResult.CHANGED]
    assert Product.get("sencha").category == new.key


def test_a_table_of_products_leaves_categories_in_their_order_and_with_their_texts() -> None:
    fill(product("mug", category="pots"))
    before = categories.read_categories()
    head = "slug,name,category,category_name,sku,price,stock\n"
    rows = "mug,Mug,pots,Pots,MUG,5,1\ncup,Cup,new,New,CUP,5,1\nsencha,Sencha,tea,Leaves,S,5,1\n"
    loaded((head + rows).encode())
    assert categories.read_categories() == (
        replace(before[0], name="Leaves"),
        before[1],
        Category("new", "New", ""),
    )


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("pictures/fedcba9876543210.svg", "The file pictures/fedcba9876543210.svg doesn’t exist."),
        ("leaf.svg", "leaf.svg isn’t an image in this shop"),
        ("../secret.svg", "isn’t an image in this shop"),
    ],
)
def test_a_missing_picture_is_reported_with_its_location(picture: str, words: str) -> None:
    fill()
    head = "slug,name,category,pictures,sku,price,stock\n"
    before = everything()
    with pytest.raises(CatalogErrors) as caught:
        check_csv(f"{head}mug,Mug,tea,{picture} = A mug,MUG,5,1\n".encode())
    assert str(caught.value).startswith("row 2, column D (pictures), SKU MUG: ")
    assert words in str(caught.value)
    assert everything() == before


def test_loading_goes_on_where_it_was_cut_off() -> None:
    fill(*numbered(4))
    data = written()
    for each in numbered(4):
        save_product(replace(each, name="Other"))
    assert list(islice(load(check_csv(data)), 2)) == [SaveResult.CHANGED] * 2
    with counted_calls() as calls:
        assert list(load(check_csv(data), start=2)) == [SaveResult.CHANGED] * 2
    assert calls["TransactWriteItems"] <= 4
    assert loaded(data) == [SaveResult.SAME] * 4


def test_the_tax_class_is_written_at_the_end_and_its_rate_where_it_was() -> None:
    fill(product("tea", tax_class="books"), product("mug", tax_class="standard", category="pots"))
    rows = [dict(zip(COLUMNS, row, strict=True)) for _, found in catalog_rows() for row in found]
    assert COLUMNS.index("tax_rate") == 5
    assert COLUMNS[-1] == "tax_class"
    assert [(row["tax_rate"], row["tax_class"]) for row in rows] == [("7", "books"), ("19", "standard")]


def test_writing_asks_for_a_hundred_products_at_a_time() -> None:
    fill(*numbered(3), product("mug", category="pots", hidden=True))
    with counted_calls() as calls:
        assert [(count, len(rows)) for count, rows in catalog_rows()] == [(3, 3), (1, 1)]
    assert calls == {"Query": 3, "BatchGetItem": 5}
    assert (count_products(), has_more_than(3), has_more_than(4)) == (4, True, False)
