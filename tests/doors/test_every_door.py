"""One table of what people of many countries type and paste, sent to every door: each gives the same verdict.

A door returns what it keeps of a text, or what it says where it refuses it. `inputs.json` holds made-up people, public
buildings, and what is pasted from contact lists, word processors, spreadsheets and web pages.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import validate_category
from chalicelib.catalog.images.product_images import problem_of_alt
from chalicelib.catalog.import_export.importer import CatalogErrors, check_csv, load_catalog
from chalicelib.catalog.models import Product
from chalicelib.checkout.customer_form import validate_customer
from chalicelib.config import ShippingZone, settings
from chalicelib.mail.addresses import BadAddress, normalize, normalize_address
from chalicelib.orders.delivery import delivery_fields
from chalicelib.orders.views import staff_view
from chalicelib.postal import address_lines
from chalicelib.staff.auth import accounts
from chalicelib.staff.orders import order_actions
from chalicelib.staff.orders.shipping import parse_parcel
from chalicelib.staff.products.product_form import read_typed, to_draft
from chalicelib.web.forms import Form
from infra.commands.create_staff_user import read_arguments
from tests.client import Shopper
from tests.shop import CUSTOMER, Shop
from tests.staff.staff_client import logged_in

INPUTS: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("inputs.json").read_text("utf-8")
)


@dataclass(frozen=True)
class Verdict:
    """What a door kept, or what it said."""

    kept: str | None = None
    said: str = ""


Door = Callable[[str], Verdict]
PRODUCT = {
    "slug": "x",
    "category": "tea",
    "tax_class": "standard",
    "v.0.sku": "X",
    "v.0.price": "1",
    "v.0.stock": "1",
}


def judged(kept: str, error: str | None) -> Verdict:
    """Make a verdict of what a form kept and the message beside its field."""
    return Verdict(kept) if error is None else Verdict(said=error)


# -- doors ------------------------------------------------------------------------------------------------


def checkout(field: str) -> Door:
    """Return the checkout form's door at a field."""

    def door(typed: str) -> Verdict:
        values, errors = validate_customer({**CUSTOMER, field: typed}, settings.shop.countries)
        assert errors.keys() <= {field}
        return judged(values[field], errors.get(field))

    return door


def delivery_of_staff(field: str) -> Door:
    """Return the door at which staff correct a delivery."""

    def door(typed: str) -> Verdict:
        values = delivery_fields.clean_delivery({**CUSTOMER, field: typed})
        return judged(
            values[field], delivery_fields.validate_delivery(values, settings.shop.countries).get(field)
        )

    return door


def product_form(field: str) -> Door:
    """Return the product form's door at a field."""

    def door(typed: str) -> Verdict:
        read = read_typed(Form(list({**PRODUCT, "name": "Tea", field: typed}.items())))
        draft, errors = to_draft(read, [], {})
        assert errors.keys() <= {field}
        return judged(getattr(draft, field), errors.get(field))

    return door


def category_form(field: str) -> Door:
    """Return the category form's door at a field."""

    def door(typed: str) -> Verdict:
        form = Form([(field, typed)])
        value = form.lines(field) if field == "text" else form.text(field)
        wanted = Category("x", value if field == "name" else "Tea", value if field == "text" else "")
        said = [problem.message for problem in validate_category(wanted)]
        return judged(getattr(wanted, field), said[0] if said else None)

    return door


def words_of_a_picture(typed: str) -> Verdict:
    """Take a picture's words."""
    alt = Form([("alt", typed)]).text("alt")
    return judged(alt, problem_of_alt(alt))


def carrier(typed: str) -> Verdict:
    """Take a parcel's carrier."""
    parcel, errors = parse_parcel({"carrier": typed})
    return judged(parcel.carrier, errors.get("carrier"))


def csv_file(field: str, kept: str | None = None, *, of_variant: bool = False, delimiter: str = ",") -> Door:
    """Return a CSV file's door at a column, of a product or of its variant, which becomes another field perhaps."""

    def door(typed: str) -> Verdict:
        row = {
            "slug": "x",
            "name": "Tea",
            "text": "",
            "category": "tea",
            "sku": "X",
            "price": "1",
            "stock": "1",
        }
        text = io.StringIO(newline="")
        rows = csv.DictWriter(text, {**row, field: typed}, delimiter=delimiter)
        rows.writeheader()
        rows.writerow({**row, field: typed})
        try:
            (draft,) = check_csv(text.getvalue().encode()).products
        except CatalogErrors as bad:
            return Verdict(said=str(bad))
        return Verdict(str(getattr(draft.variants[0] if of_variant else draft, kept or field)))

    return door


def json_file(folder: Path, field: str, kept: str | None = None) -> Door:
    """Return a JSON file's door at a field of a product, which is in the shop then, under another field's name perhaps."""

    def door(typed: str) -> Verdict:
        variants = [{"sku": "X", "price": "1", "stock": 1}]
        product = {"slug": "x", "name": "Tea", "category": "tea", "variants": variants, field: typed}
        file = folder / "catalog.json"
        file.write_text(json.dumps({"products": [product]}), "utf-8")
        try:
            load_catalog(file)
        except CatalogErrors as bad:
            return Verdict(said=str(bad))
        return Verdict(getattr(Product.get("x", consistent_read=True), kept or field))

    return door


def note(merchant: Shopper, shop: Shop) -> Door:
    """Return the door at which staff leave notes, each with an order of its own."""

    def door(typed: str) -> Verdict:
        shop.placed(MUG=1)
        order = next(order for order in shop.orders() if not staff_view.notes_of(order))
        answer = merchant.post(f"/staff/orders/{order.id}/notes", {"form": "a" * 32, "note": typed})
        kept = [each["text"] for each in staff_view.notes_of(shop.order(order.id))]
        return Verdict(kept[0]) if answer.status == 303 else Verdict(said=answer.text)

    return door


# -- verdicts ---------------------------------------------------------------------------------------------


def differences(kind: str, doors: dict[str, Door]) -> list[tuple[str, str, Verdict]]:
    """Send a table to doors; list the verdicts that are not the table's."""
    wrong = []
    for entry in INPUTS[kind]:
        for name, door in doors.items():
            verdict = door(entry["typed"])
            if "refused" in entry:
                is_right = verdict.kept is None and entry["refused"] in verdict.said
            else:
                is_right = verdict == Verdict(entry.get("kept", entry["typed"]))
            if not is_right:
                wrong.append((name, ascii(entry["typed"]), verdict))
    return wrong


def test_a_line_is_the_same_at_every_door(shop: Shop, tmp_path: Path) -> None:
    doors = {
        "checkout, name": checkout("name"),
        "checkout, city": checkout("city"),
        "staff, delivery": delivery_of_staff("address"),
        "staff, product": product_form("name"),
        "staff, category": category_form("name"),
        "staff, picture": words_of_a_picture,
        "staff, parcel": carrier,
        "CSV file": csv_file("name"),
        "JSON file": json_file(tmp_path, "name"),
    }
    assert differences("lines", doors) == []


def test_a_text_is_the_same_at_every_door(shop: Shop, tmp_path: Path) -> None:
    doors = {
        "staff, product": product_form("text"),
        "staff, category": category_form("text"),
        "staff, note": note(logged_in(shop.gateway, "merchant"), shop),
        "CSV file": csv_file("text"),
        "JSON file": json_file(tmp_path, "text"),
    }
    assert differences("texts", doors) == []


def test_a_telephone_number_is_the_same_at_every_door() -> None:
    doors = {"checkout": checkout("phone"), "staff, delivery": delivery_of_staff("phone")}
    assert differences("phones", doors) == []


# -- e-mail addresses -------------------------------------------------------------------------------------


def shown(typed: str) -> Verdict:
    """Take an address as pages show it."""
    try:
        return Verdict(normalize(typed))
    except BadAddress as refusal:
        return Verdict(said=str(refusal))


def test_an_email_address_is_the_same_for_customers_and_in_searches() -> None:
    assert differences("emails", {"checkout": checkout("email"), "mail": shown}) == []


def test_an_email_address_is_the_same_for_staff(shop: Shop) -> None:
    merchant = logged_in(shop.gateway, "merchant")
    for entry in INPUTS["emails"]:
        typed = entry["typed"]
        invited = merchant.post("/staff/members", {"email": typed, "role": "finance"})
        asked = merchant.get(f"/staff/erase?{urlencode({'email': typed})}")
        if "refused" in entry:
            assert (invited.status, asked.status) == (422, 400), typed
            for refuse in (accounts.normalize_email, normalize_address, lambda text: read_arguments([text])):
                with pytest.raises(BadAddress):
                    refuse(typed)
        else:
            assert (invited.status, asked.status) == (303, 200), typed
            assert normalize_address(typed) == entry["sent"]
            assert accounts.normalize_email(typed) == read_arguments([typed])[0] == entry["sent"].lower()
            assert accounts.find(entry["sent"].lower()) is not None


@pytest.mark.parametrize("typed", ["<ann@example.com>", "mailto:ann@example.com", "Ann@example.com;"])
def test_a_staff_search_finds_an_email_address_as_it_is_pasted(shop: Shop, typed: str) -> None:
    _, order_id = shop.paid(MUG=1)
    typed = typed.replace("ann@example.com", CUSTOMER["email"]).replace("Ann@example.com", CUSTOMER["email"])
    found = logged_in(shop.gateway, "merchant").get(f"/staff/orders?{urlencode({'q': typed})}")
    assert f"/staff/orders/{order_id}" in found.body


@pytest.mark.parametrize(
    "address", ["ann@tea.test", "ann@shop.example", "ann@a.localdomain", "ann@müller.example"]
)
def test_where_money_is_real_an_address_that_nobody_can_have_is_refused(setting: Any, address: str) -> None:
    assert checkout("email")(address) == Verdict(address)
    setting(paypal_api_url="https://api-m.paypal.com")
    assert "It should look like name@example.com" in checkout("email")(address).said
    assert checkout("email")("ann@awning.de") == Verdict("ann@awning.de")


# -- postal addresses -------------------------------------------------------------------------------------


@pytest.fixture
def everywhere(setting: Any) -> None:
    """Ship to all the world."""
    codes = {entry["typed"]["country"] for entry in INPUTS["addresses"]}
    zone = ShippingZone("World", {code: f"Land {code}" for code in codes}, 990, None)
    setting(shop=replace(settings.shop, zones=(zone,)))


def test_the_table_is_of_many_countries() -> None:
    assert len({entry["typed"]["country"] for entry in INPUTS["addresses"]}) > 25
    assert len({entry["from"] for entry in INPUTS["lines"] if "from" in entry}) > 25


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize(
    "entry", INPUTS["addresses"], ids=lambda entry: ascii(" ".join(entry["typed"].values()))
)
def test_an_address_is_the_same_for_customers_and_staff(entry: dict[str, Any]) -> None:
    typed = {**CUSTOMER, "region": "", **entry["typed"]}
    kept = delivery_fields.clean_delivery(typed)
    countries, mark = [typed["country"]], delivery_fields.fingerprint_of_doubts(kept)
    refused, asked = delivery_fields.validate_delivery(kept, countries), delivery_fields.find_doubts(kept)
    values, errors = validate_customer(typed, countries)
    confirmed, left = validate_customer({**typed, "confirmed": mark}, countries)

    assert {field: values[field] for field in kept} == kept
    assert list(refused) == entry.get("refused", [])
    assert list(asked) == entry.get("asked", [])
    assert errors == {**refused, **asked}
    assert (confirmed, left) == (values, refused)
    if "lines" in entry:
        lines = [line for line in address_lines(values) if line != CUSTOMER["name"]]
        assert lines == [*entry["lines"], f"Land {typed['country']}"]


def test_staff_ship_with_what_they_pasted(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=1)
    parcel, errors = parse_parcel(
        {
            "carrier": "\u200eDHL\u00a0Paket",
            "tracking": "\u202a0034\u00a00434\u202c",
            "link": " https://carrier.example/1\u200b",
        }
    )
    assert errors == {}
    order_actions.ship(order_id, parcel, "merchant@shop.example")
    shipped = shop.order(order_id).parcel
    assert shipped is not None
    assert (shipped["carrier"], shipped["tracking"]) == ("DHL Paket", "0034 0434")
    assert shipped["link"] == "https://carrier.example/1"


def test_a_search_finds_what_is_pasted(shop: Shop) -> None:
    pasted = urlencode({"q": "\u202aPeb\u00adble\u200b\u00a0mug\u202c"})
    assert "/products/mug" in shop.shopper().get(f"/search?{pasted}").body


def test_a_tab_in_a_json_file_is_a_space(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    variants = '[{"sku": "X", "price": "1", "stock": 1}]'
    fields = f'"slug": "x", "name": "Green\ttea", "text": "200\tg", "category": "tea", "variants": {variants}'
    file.write_text(f'{{\n\t"products": [{{{fields}}}]\n}}', "utf-8")
    load_catalog(file)
    product = Product.get("x", consistent_read=True)
    assert (product.name, product.text) == ("Green tea", "200 g")


def test_numbers_are_taken_in_full_width_digits(shop: Shop) -> None:
    shopper = shop.shopper()
    assert shopper.post("/cart/lines", {"sku": "MUG\u200b", "quantity": "２"}).status == 303
    assert shopper.get("/cart").field("quantity") == "2"
    _, order_id = shop.paid(MUG=1)
    number = shop.order(order_id).number
    wide = "".join(chr(ord(digit) + 0xFEE0) if digit.isdigit() else "－" for digit in number)
    found = logged_in(shop.gateway, "merchant").get(f"/staff/orders?{urlencode({'q': wide})}")
    assert f"/staff/orders/{order_id}" in found.body
