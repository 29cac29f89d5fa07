"""A column that a file lacks says nothing: a known product keeps what it has there, a new one gets the default."""

import json
from pathlib import Path

import pytest

from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.import_export.importer import (
    CatalogErrors,
    check_csv,
    check_file,
    load,
    load_checked,
)
from chalicelib.catalog.import_export.preview import preview_of
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import Picture
from tests.catalog.product_factory import fill, options, product, variant

pytestmark = pytest.mark.usefixtures("aws")
LEAF = Picture("pictures/1111111111111111.webp", "A leaf")
SHORT = "slug,name,category,sku,price,stock\n"


@pytest.fixture(autouse=True)
def tea(aws: object) -> None:
    """Put a product into the shop that is everything but the default."""
    fill(
        product(
            "tea",
            variant("TEA-50", sale_price=400, options=options(Weight="50 g")),
            variant("TEA-100", price=900, options=options(Weight="100 g")),
            text="Grown on a hill.",
            tax_class="food",
            hidden=True,
            pictures=[LEAF],
        )
    )


def as_it_is() -> dict[str, object]:
    """Read what the product has."""
    row = Product.get("tea", consistent_read=True)
    return {
        "name": row.name,
        "text": row.text,
        "tax_class": row.tax_class,
        "hidden": row.hidden,
        "pictures": [dict(each) for each in row.pictures],
        "options": [dict(each["options"]) for each in row.variants],
        "sale prices": [Stock.get(each["sku"], consistent_read=True).sale_price for each in row.variants],
    }


def test_a_file_without_optional_columns_changes_what_it_says_alone() -> None:
    before = as_it_is()

    checked = check_csv(f"{SHORT}tea,Fine tea,tea,TEA-50,5,10\ntea,,,TEA-100,9,10\n".encode())
    preview = preview_of(checked)
    load_checked(checked)

    assert preview.changes == ["tea: name “Tea” → “Fine tea”"]
    assert as_it_is() == {**before, "name": "Fine tea"}


@pytest.mark.parametrize(
    ("rate", "kept"), [("7", "food"), ("7,0 %", "food"), ("19", "standard"), ("0", "zero")]
)
def test_a_rate_that_the_products_class_has_keeps_the_class(rate: str, kept: str) -> None:
    before = as_it_is()
    head = f"{SHORT.strip()},tax_rate\n"
    load_checked(check_csv(f'{head}tea,Tea,tea,TEA-50,5,10,"{rate}"\ntea,,,TEA-100,9,10,\n'.encode()))
    assert as_it_is() == {**before, "tax_class": kept}


def test_an_empty_cell_is_no_absent_column() -> None:
    head = "slug,name,text,category,tax_rate,hidden,pictures,sku,options,price,sale_price,stock\n"
    load_checked(
        check_csv(
            f"{head}tea,Tea,,tea,,,,TEA-50,Weight = 50 g,5,,10\ntea,,,,,,,TEA-100,Weight = 100 g,9,,10\n".encode()
        )
    )

    assert as_it_is() == {
        "name": "Tea",
        "text": "",
        "tax_class": "standard",
        "hidden": False,
        "pictures": [],
        "options": [{"Weight": "50 g"}, {"Weight": "100 g"}],
        "sale prices": [None, None],
    }


def test_a_new_product_gets_the_defaults() -> None:
    load_checked(check_csv(f"{SHORT}cup,Cup,tea,CUP,5,10\n".encode()))
    row = Product.get("cup", consistent_read=True)
    assert (row.text, row.tax_class, row.hidden, row.pictures) == (
        "",
        "standard",
        False,
        [],
    )


def test_an_absent_field_of_a_json_file_is_kept_too(tmp_path: Path) -> None:
    before = as_it_is()
    variants = [
        {"sku": sku, "price": price, "stock": 1} for sku, price in (("TEA-50", "5"), ("TEA-100", "9"))
    ]
    file = tmp_path / "catalog.json"
    file.write_text(
        json.dumps({"products": [{"slug": "tea", "name": "Tea", "category": "tea", "variants": variants}]})
    )

    checked = check_file(file)

    assert preview_of(checked).summary == "1 product stays as it is."
    load_checked(checked)
    assert as_it_is() == before


def test_what_is_kept_is_checked_before_anything_is_changed() -> None:
    with pytest.raises(CatalogErrors, match="sale"):
        check_csv(f"{SHORT}tea,Tea,tea,TEA-50,3,10\ntea,,,TEA-100,9,10\n".encode())


def test_what_staff_change_after_the_check_is_kept() -> None:
    checked = check_csv(f"{SHORT}tea,Fine tea,tea,TEA-50,5,10\ntea,,,TEA-100,9,10\n".encode())
    save_product(
        product(
            "tea",
            variant("TEA-50", sale_price=300, options=options(Weight="50 g")),
            variant("TEA-100", price=900, options=options(Weight="100 g")),
            text="Changed meanwhile.",
            hidden=False,
        )
    )

    list(load(checked))

    assert (as_it_is()["text"], as_it_is()["hidden"], as_it_is()["sale prices"]) == (
        "Changed meanwhile.",
        False,
        [300, None],
    )
