"""Whole numbers, amounts and rates as people type and paste them: the same verdict at every door."""

import json
from datetime import date
from pathlib import Path

from chalicelib.catalog.editing.inline_edit_rules import Cell
from chalicelib.catalog.import_export.importer import CatalogErrors, check_file
from chalicelib.errors import BadInput
from chalicelib.staff.products.product_form import read_typed, to_draft
from chalicelib.staff.products.product_list_form import parse_list
from chalicelib.taxes.rate_files import InvalidRates, read_rates, read_us_rates
from chalicelib.web.forms import Form
from tests.doors.test_every_door import PRODUCT, Door, Verdict, csv_file, differences, json_file, judged
from tests.shop import Shop


def cart(typed: str) -> Verdict:
    """Take a quantity."""
    try:
        return Verdict(str(Form([("quantity", typed)]).whole_number("quantity", "the quantity")))
    except BadInput as refusal:
        return Verdict(said=refusal.message)


def new_variant(field: str) -> Door:
    """Return the product form's door at a field of a new variant."""

    def door(typed: str) -> Verdict:
        read = read_typed(Form(list({**PRODUCT, "name": "Tea", f"v.0.{field}": typed}.items())))
        draft, errors = to_draft(read, [], {})
        return judged(str(getattr(draft.variants[0], field)), errors.get(f"v.0.{field}"))

    return door


def product_list(field: str, column: str) -> Door:
    """Return the door of the list of products at a column."""

    def door(typed: str) -> Verdict:
        posted = parse_list({"was.X": "x|1||1", f"{field}.X": typed})
        cell = Cell(column, "X")
        if posted.bad:
            return Verdict(said=posted.bad["x"][cell])
        return Verdict(str(posted.changes["x"][cell].requested))

    return door


def settings_rate(typed: str) -> Verdict:
    """Take a correction of a rate."""
    try:
        return Verdict(read_rates(f"DE\tstandard\t{typed}\t2030-01-01", date(2030, 1, 1))[0].rate)
    except InvalidRates as bad:
        return Verdict(said=str(bad))


def settings_us_rate(typed: str) -> Verdict:
    """Take a sales tax rate."""
    try:
        return Verdict(read_us_rates(f"NY\t\tstandard\t{typed}\tno\t2030-01-01")[0].rate)
    except InvalidRates as bad:
        return Verdict(said=str(bad))


def variant_in_json_file(folder: Path, field: str) -> Door:
    """Return a JSON file's door at a field of a variant."""

    def door(typed: str) -> Verdict:
        variant = {"sku": "X", "price": "1", "stock": "1", field: typed}
        product = {"slug": "x", "name": "Tea", "category": "tea", "variants": [variant]}
        file = folder / "catalog.json"
        file.write_text(json.dumps({"products": [product]}), "utf-8")
        try:
            (draft,) = check_file(file).products
        except CatalogErrors as bad:
            return Verdict(said=str(bad))
        return Verdict(str(getattr(draft.variants[0], field)))

    return door


def test_a_whole_number_is_the_same_at_every_door(shop: Shop, tmp_path: Path) -> None:
    doors = {
        "cart": cart,
        "staff, product": new_variant("stock"),
        "staff, list": product_list("stock", "stock"),
        "CSV file": csv_file("stock", of_variant=True, delimiter="\t"),
        "JSON file": variant_in_json_file(tmp_path, "stock"),
    }
    assert differences("whole numbers", doors) == []


def test_an_amount_is_the_same_at_every_door(shop: Shop, tmp_path: Path) -> None:
    doors = {
        "staff, product": new_variant("price"),
        "staff, list": product_list("price", "price"),
        "CSV file": csv_file("price", of_variant=True, delimiter="\t"),
        "JSON file": variant_in_json_file(tmp_path, "price"),
    }
    assert differences("amounts", doors) == []


def test_a_tax_rate_is_the_same_at_every_door(shop: Shop, tmp_path: Path) -> None:
    assert differences("rates", {"settings": settings_rate, "settings, US": settings_us_rate}) == []
    doors = {
        "CSV file": csv_file("tax_rate", "tax_class"),
        "JSON file": json_file(tmp_path, "tax_rate", "tax_class"),
    }
    assert differences("home rates", doors) == []
