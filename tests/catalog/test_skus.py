"""A SKU is the merchant's own number, whatever characters it has: on its whole way through the shop."""

import json
import re
from html import unescape

import pytest

from chalicelib.catalog.editing.product_validation import validate_product
from chalicelib.catalog.models import is_sku
from tests.catalog.product_factory import product, variant
from tests.client import Answer, Shopper
from tests.shop import Shop, order_id_of, token_of
from tests.staff.orders.test_refund_form import form_of
from tests.staff.products.test_product_list import fields
from tests.staff.staff_client import logged_in

ODD = [
    "12/3 b",
    "Größe_40 %25",
    "A.B.c",
    "..",
    "=1+1",
    'a;b,c"d\\e|f',
    "<b>&amp;'",
    "+49",
    "A[1]",
    "[]{0}#",
    "茶-50",
    "sku",
    "x" * 64,
]


@pytest.mark.parametrize("sku", ODD)
def test_an_odd_sku_is_sold_changed_refunded_and_counted(shop: Shop, sku: str) -> None:
    shop.put_on_shelf("odd", "Odd thing", {sku: (1000, None, 10)})
    shopper = shop.shopper()

    page = shopper.get("/products/odd")
    linked = json.loads(re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.body, re.S)[0])
    assert sku in json.dumps(linked, ensure_ascii=False).replace("\\\\", "\\").replace('\\"', '"')
    added = shopper.post("/cart/lines", {"sku": page.field("sku"), "quantity": "3"})
    assert "“Odd thing” was added to your cart." in shopper.follow(added).text
    changed = _press(shopper, "Update", quantity="2")
    assert "Quantity of “Odd thing” updated." in shopper.follow(changed).text

    placed = shop.place(shopper)
    shop.paypal.approve(token_of(placed))
    order_id = order_id_of(shop.come_back(shopper, token_of(placed)))
    assert [(line.sku, line.quantity) for line in shop.order(order_id).lines] == [(sku, 2)]
    assert shop.stock(sku) == 8

    merchant = logged_in(shop.gateway, "merchant")
    order = f"/staff/orders/{order_id}"
    assert sku in unescape(merchant.get(order).body)
    refund = {**form_of(merchant.get(order)), "reason": "A crack.", f"restock-{sku}": "1"}
    assert merchant.post(f"{order}/refunds", refund).status == 303
    assert shop.stock(sku) == 9

    cells = fields(merchant.get("/staff/products?q=odd"))
    saved = merchant.post("/staff/products", {**cells, f"price.{sku}": "12.50", f"stock.{sku}": "19"})
    assert saved.status == 303, saved.text
    assert shop.stock(sku) == 19
    assert sku in unescape(merchant.get("/staff/products?q=odd").body)
    assert sku in unescape(merchant.get("/staff/products/odd").body)
    assert sku in unescape(merchant.get("/staff").body)


def _press(shopper: Shopper, button: str, **typed: str) -> Answer:
    """Send the form of a button in the cart as a browser does."""
    body = shopper.get("/cart").body
    forms = re.findall(r'<form method="post" action="([^"]*/cart/lines/[^"]*)".*?>(.*?)</form>', body, re.S)
    ((action, inside),) = [form for form in forms if f">{button}<" in form[1]]
    inputs = re.findall(r'<input[^>]*\bname="([^"]+)"[^>]*\bvalue="([^"]*)"', inside)
    return shopper.post(unescape(action), {**{name: unescape(value) for name, value in inputs}, **typed})


@pytest.mark.parametrize("sku", ODD)
def test_a_line_with_an_odd_sku_is_taken_out_by_its_button(shop: Shop, sku: str) -> None:
    shop.put_on_shelf("odd", "Odd thing", {sku: (1000, None, 10)})
    shopper = shop.shopper()
    shopper.post("/cart/lines", {"sku": sku, "quantity": "3"})

    page = shopper.follow(_press(shopper, "Remove"))

    assert "Removed from your cart." in page.text


def test_the_public_address_of_a_line_takes_an_escaped_sku(shop: Shop) -> None:
    shop.put_on_shelf("odd", "Odd thing", {"12/3 b": (1000, None, 10)})
    shopper = shop.shopper()
    shopper.post("/cart/lines", {"sku": "12/3 b", "quantity": "1"})

    assert shopper.post("/cart/lines/12%2F3%20b", {"quantity": "4"}).status == 303
    assert shopper.get("/cart").field("quantity") == "4"


def test_ids_in_pages_have_no_blanks(shop: Shop) -> None:
    shop.put_on_shelf("odd", "Odd thing", {"12 3": (1000, None, 10), "12 4": (1000, None, 10)})
    shopper = shop.shopper()
    shopper.post("/cart/lines", {"sku": "12 3", "quantity": "1"})
    merchant = logged_in(shop.gateway, "merchant")
    cells = fields(merchant.get("/staff/products?q=odd"))
    wrong = merchant.post("/staff/products", {**cells, "price.12 3": "much"})

    for page in (shopper.get("/cart"), wrong):
        ids = re.findall(r'\bid="([^"]*)"', page.body)
        assert not [each for each in ids if " " in each]
        for reference in re.findall(r'\b(?:for|aria-describedby)="([^"]*)"', page.body):
            assert set(reference.split()) <= set(ids)


@pytest.mark.parametrize(
    "sku",
    [
        "",
        " a",
        "a ",
        "a\tb",
        "a\nb",
        "a\u2028b",
        "a\x07",
        "a\u200bb",
        "a\u202eb",
        "a\xa0b",
        "a\ud800",
        "x" * 65,
    ],
)
def test_an_unreadable_sku_is_refused(sku: str) -> None:
    assert not is_sku(sku)
    (problem,) = validate_product(product("odd", variant(sku)))
    assert problem.message == "A SKU must have 1 to 64 visible characters."


def test_large_and_small_letters_are_different_skus(shop: Shop) -> None:
    shop.put_on_shelf("odd", "Odd thing", {"abc": (1000, None, 1), "ABC": (1000, None, 2)})

    assert (shop.stock("abc"), shop.stock("ABC")) == (1, 2)
