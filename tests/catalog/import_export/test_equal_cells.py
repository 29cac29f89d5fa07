"""Rows of a CSV file belong together, and cells agree, by what they mean: not by characters that nobody sees."""

import csv
import io
import json
from pathlib import Path

import pytest

from chalicelib.catalog.import_export.importer import CatalogErrors, check_csv, load_catalog
from chalicelib.catalog.models import Product
from tests.catalog.import_export.catalog_files import Write, faults

pytestmark = pytest.mark.usefixtures("standing")

ROW = {
    "slug": "cup",
    "name": "Café cup",
    "text": "One.\n\nTwo.",
    "category": "cups",
    "category_name": "Cups",
    "tax_rate": "7",
    "tax_class": "food",
    "added": "2026-02-01",
    "hidden": "no",
    "pictures": "pictures/1111111111111111.webp = A cup",
    "sku": "CUP-1",
    "options": "Size = Small",
    "price": "5",
    "stock": "1",
}
SECOND = {**ROW, "sku": "CUP-2", "options": "Size = Large"}


def table(*rows: dict[str, str], columns: dict[str, str] | None = None) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [name for name in ROW if name != "pictures" or any("pictures" in row for row in rows)]
    writer.writerow([(columns or {}).get(name, name) for name in names])
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("slug", "cup\u200b"),
        ("slug", "\u00a0cup"),
        ("name", "Café\u00a0cup"),
        ("name", "Cafe\u0301 cup"),
        ("name", "Caf\u00adé\tcup\u2060"),
        ("text", "One.\u2028\u2028Two."),
        ("text", "One.\r\n \r\nTwo.\u200b"),
        ("category", "cups\u200b"),
        ("category_name", "Cups\ufeff"),
        ("hidden", "NO"),
        ("hidden", "nein"),
        ("hidden", "\u200b0"),
        ("tax_rate", "7,0 %"),
        ("tax_class", "FOOD"),
        ("added", "01.02.2026"),
        ("added", "2026-2-1"),
        ("options", "Size\u200b = Large\u00a0"),
        ("sku", "CUP-2\u200d"),
    ],
)
def test_a_repeated_cell_that_means_the_same_is_the_same(name: str, again: str) -> None:
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in (ROW, SECOND)]
    (cup,) = check_csv(table(rows[0], {**rows[1], name: again})).products
    assert [(each.sku, each.options) for each in cup.variants] == [
        ("CUP-1", {"Size": "Small"}),
        ("CUP-2", {"Size": "Large"}),
    ]
    assert (cup.slug, cup.name, cup.text) == ("cup", "Café cup", "One.\n\nTwo.")


def test_pictures_that_mean_the_same_are_the_same() -> None:
    again = "pictures/1111111111111111.webp\u200b =\u00a0A\u00a0cup"
    with pytest.raises(CatalogErrors) as bad:  # the shop has no such image, which is all that is wrong
        check_csv(table(ROW, {**SECOND, "pictures": again}))
    assert "differs" not in str(bad.value)
    with pytest.raises(CatalogErrors, match="differs"):
        check_csv(table(ROW, {**SECOND, "pictures": f"{again}s"}))


def test_a_category_of_two_products_is_one_in_spite_of_an_invisible_character() -> None:
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in (ROW, SECOND)]
    checked = check_csv(table(rows[0], {**rows[1], "slug": "mug-2", "category": "cups\u200b"}))
    assert [category.slug for category in checked.categories] == ["cups"]
    assert [draft.category for draft in checked.products] == ["cups", "cups"]


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("hidden", "ja"),
        ("tax_rate", "19"),
        ("tax_class", "books"),
        ("added", "02.02.2026"),
        ("name", "Cafe cup"),
        ("text", "One. Two."),
    ],
)
def test_a_repeated_cell_that_means_something_else_is_refused(name: str, again: str) -> None:
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in (ROW, SECOND)]
    with pytest.raises(CatalogErrors, match=rf"row 3, .*\({name}\).*differs from row 2"):
        check_csv(table(rows[0], {**rows[1], name: again}))


def test_a_category_has_one_name() -> None:
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in (ROW, SECOND)]
    other = {**rows[1], "slug": "mug", "category": "cups\u200b", "category_name": "Mugs"}
    with pytest.raises(CatalogErrors, match=r"row 3, .*\(category_name\).*Row 2 calls this category “Cups”"):
        check_csv(table(rows[0], other))
    assert len(check_csv(table(rows[0], {**other, "category_name": ""})).categories) == 1


def test_rows_and_columns_of_invisible_characters_are_empty() -> None:
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in (ROW, SECOND)]
    text = table(rows[0], dict.fromkeys(ROW, "\u200b"), rows[1], columns={"sku": "\u200bSKU\u00a0"}).decode()
    text = "".join(f"{line},\u200b\r\n" for line in text.split("\r\n"))
    (cup,) = check_csv(text.encode()).products
    assert len(cup.variants) == 2


def test_a_json_files_fields_have_no_invisible_characters_either(write: Write) -> None:
    variant = {"sku": "CUP", "price": "5", "stock": 1, "options\u200b": {"Size\u200b": "Large"}}
    product = {"slug\ufeff": "cup\u200b", "name": "Cup", "category": "tea\u200b", "variants": [variant]}
    catalog = {"categories": [{"slug": "tea\u200b", "name": "Tea"}], "products": [product]}
    load_catalog(write("catalog.json", json.dumps(catalog)))
    assert Product.get("cup", consistent_read=True).category == "tea"


def test_a_json_files_field_that_is_there_twice_but_for_an_invisible_character_is_refused(
    write: Write,
) -> None:
    variant = {"sku": "CUP", "price": "5", "stock": 1, "options": {"Size": "Large", "Size\u200b": "Small"}}
    product = {"slug": "cup", "name": "Cup", "category": "tea", "variants": [variant]}
    file: Path = write("catalog.json", json.dumps({"products": [product]}))
    assert any("“Size” is listed twice" in fault for fault in faults(file))
