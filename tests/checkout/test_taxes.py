"""Taxes by destination: what the cart and the checkout show, what an order keeps, what PayPal is asked for."""

import json
from dataclasses import replace
from datetime import date

import pytest

from chalicelib.database.transactions import no_audit
from chalicelib.orders.base import OrderLine
from chalicelib.shop_settings import store
from chalicelib.shop_settings.taxes import TAXES
from chalicelib.taxes.rules import Mode, TaxRules, UsRateRow
from chalicelib.taxes.statement import state_taxes
from tests.call_counter import counted_calls
from tests.shop import CUSTOMER, Shop, token_of

OSS = TaxRules(Mode.OSS, "DE")
PARIS = {"country": "FR", "postal_code": "75001", "city": "Paris"}
ZURICH = {"country": "CH", "postal_code": "8001", "city": "Zürich"}
LONDON = {"country": "GB", "postal_code": "SW1A 1AA", "city": "London"}


def save(rules: TaxRules) -> None:
    store.save(TAXES, rules, store.load(TAXES).number, "merchant@shop.example", no_audit)


def ordered(shop: Shop, address: dict[str, str], **lines: int) -> dict[str, object]:
    """Choose the country in the cart, order what the checkout shows, and return what PayPal got."""
    shopper = shop.shopper_with(**lines)
    assert shopper.post("/cart/country", address).status == 303
    total = shopper.get("/checkout").field("total")
    answer = shopper.post("/checkout", {**CUSTOMER, **address, "total": total})
    amount: dict[str, object] = shop.paypal.order(token_of(answer))["purchase_units"][0]["amount"]
    return amount


def test_another_member_states_rate_is_inside_the_same_price(shop: Shop) -> None:
    save(OSS)
    amount = ordered(shop, PARIS, TEA_50=2)
    assert amount["value"] == "23.70"
    (order,) = shop.orders()
    assert [(line.tax_class, line.tax_rate, line.price) for line in order.lines] == [("food", "5.5", 690)]
    assert (order.taxes, order.total, order.added_tax) == ({"5.5": 124}, 2370, 0)
    assert order.tax_assessment == {
        "scheme": "oss",
        "territory": "FR",
        "region": "",
        "added_tax": 0,
        "sums": [{"tax_class": "food", "rate": "5.5", "net": 2246, "tax": 124}],
        "note": "",
    }


def test_shipping_of_food_is_taxed_as_food(shop: Shop) -> None:
    ordered(shop, {"country": "DE", "postal_code": "10115"}, TEA_50=2)
    (order,) = shop.orders()
    assert order.taxes == {"7": 122}  # 0.90 of 13.80, and 0.32 of 4.90
    page = shop.shopper().get(f"/orders/{order.id}")
    assert "Includes 7% VAT (food)" in page.text


def test_an_export_costs_the_net_price_where_the_merchant_wants_it(shop: Shop) -> None:
    save(replace(OSS, net_exports=True))
    shopper = shop.shopper_with(MUG=1)
    shopper.post("/cart/country", ZURICH)
    cart = shopper.get("/cart").text
    assert "€15.55" in cart  # 18.50 / 1.19
    assert "€29.75" in cart  # with 14.20 of 16.90
    assert "€18.50" not in cart
    assert "No VAT: exported from the EU; import duties" in cart
    total = shopper.get("/checkout").field("total")
    token = token_of(shopper.post("/checkout", {**CUSTOMER, **ZURICH, "total": total}))
    (order,) = shop.orders()
    assert (order.items, order.shipping, order.total, order.taxes) == (1555, 1420, 2975, {})
    unit = shop.paypal.order(token)["purchase_units"][0]
    assert (unit["amount"]["value"], unit["items"][0]["unit_amount"]["value"]) == ("29.75", "15.55")
    assert "tax_total" not in unit["amount"]["breakdown"]
    assert "No VAT: exported from the EU" in shopper.get(f"/orders/{order.id}").text


def test_what_cannot_be_served_is_refused_before_anything_is_placed(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shopper.post("/cart/country", LONDON)
    cart = shopper.get("/cart")
    assert "we can’t deliver orders of up to 135 pounds to Great Britain" in cart.text
    assert "Go to checkout" not in cart.text
    page = shopper.get("/checkout")
    assert "we can’t deliver orders of up to 135 pounds" in page.text
    assert "Show the new total" in page.text
    answer = shopper.post("/checkout", {**CUSTOMER, **LONDON, "total": "35.40"})
    assert (answer.status, "we can’t deliver orders of up to 135 pounds" in answer.text) == (400, True)
    assert (shop.orders(), shop.stock("MUG")) == ([], 100)
    shown = shopper.post("/checkout", CUSTOMER)  # the button of a form without a total
    assert (shown.status, shown.field("total")) == (409, "23.40")


def test_a_small_business_shows_its_sentence_and_no_tax(shop: Shop) -> None:
    save(TaxRules(Mode.NONE, "DE", note="No VAT: small business & proud."))
    ordered(shop, {"country": "DE", "postal_code": "10115"}, MUG=1)
    (order,) = shop.orders()
    assert (order.total, order.taxes) == (2340, {})
    save(TaxRules(Mode.HOME, "DE"))
    page = shop.shopper().get(f"/orders/{order.id}").text
    assert "No VAT: small business & proud." in page
    assert "Includes" not in page


def test_rules_that_change_during_a_purchase_are_asked_about_where_they_change_the_total(shop: Shop) -> None:
    save(OSS)
    shopper = shop.shopper_with(MUG=1)
    shopper.post("/cart/country", ZURICH)
    shown = shopper.get("/checkout").field("total")
    assert shown == "35.40"
    save(replace(OSS, net_exports=True))
    asked = shopper.post("/checkout", {**CUSTOMER, **ZURICH, "total": shown})
    assert (asked.status, asked.field("total"), shop.orders()) == (409, "29.75", [])
    token = token_of(shopper.post("/checkout", {**CUSTOMER, **ZURICH, "total": "29.75"}))
    save(OSS)
    shop.come_back(shopper, token)
    assert [(each.state, each.total) for each in shop.orders()] == [("paid", 2975)]
    assert [row.amount for row in shop.ledger()] == [2975]


def test_the_same_cart_under_other_rules_is_another_order(shop: Shop) -> None:
    save(OSS)
    shopper = shop.shopper_with(MUG=1)
    form = {**CUSTOMER, **PARIS, "total": "28.40"}
    token_of(shopper.post("/checkout", form))
    assert token_of(shopper.post("/checkout", form))  # pressed twice
    save(TaxRules(Mode.HOME, "DE"))
    token_of(shopper.post("/checkout", form))
    found = sorted((each.state, each.lines[0].tax_rate) for each in shop.orders())
    assert found == [("awaiting", "19"), ("cancelled", "20")]


def test_sales_tax_comes_on_top_and_paypal_gets_it_apart() -> None:
    from chalicelib.cart.totals import totals_of
    from chalicelib.orders.repository import new_order
    from chalicelib.payments.paypal.order_request import order_body
    from chalicelib.shop_settings.delivery import Delivery, zone_of_codes
    from chalicelib.taxes.assessment import Destination, PricedLine
    from chalicelib.taxes.statement import freeze_assessment, included_taxes

    rules = TaxRules(
        Mode.US, "US", us_rates=(UsRateRow("NY", "10001", "standard", "8.875", True, date(2026, 1, 1)),)
    )
    zones = Delivery((zone_of_codes("Home", 500, None, ["US"]),))
    totals = totals_of(
        [PricedLine("standard", 2000, 1)], Destination("US", "10001", "NY"), zones, rules, date(2026, 11, 20)
    )
    order = new_order(
        lines=[OrderLine("C", "c", "Candle", {}, 1, 2000, "8.875", "standard")],
        customer={**CUSTOMER, "country": "US"},
        shipping=totals.shipping,
        taxes=included_taxes(totals.assessment),
        tax_assessment=freeze_assessment(totals.assessment, rules),
        cart="c",
        cart_version=1,
    )
    assert (order.added_tax, order.total, order.taxes, totals.total) == (222, 2722, {}, 2722)
    amount = order_body(order, 1)["purchase_units"][0]["amount"]
    parts = {name: each["value"] for name, each in amount["breakdown"].items()}
    assert parts == {"item_total": "20.00", "shipping": "5.00", "tax_total": "2.22"}
    assert amount["value"] == "27.22"
    statement = state_taxes(order.tax_assessment, order.taxes)
    assert (statement.added, statement.included, statement.note) == (222, [], "")


def test_an_order_from_before_there_were_assessments_stays_readable(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=1)
    order = shop.order(order_id)
    order.tax_assessment = None
    order.line_snapshot = [
        {name: value for name, value in line.items() if name != "tax_class"} for line in order.line_snapshot
    ]
    order.save()
    assert shop.order(order_id).lines[0].tax_class == ""
    assert "Includes 19% VAT" in shop.shopper().get(f"/orders/{order_id}").text


# -- the cart's form --------------------------------------------------------------------------------------


def test_the_checkout_begins_with_what_the_cart_was_told_and_the_cart_with_what_was_ordered(
    shop: Shop,
) -> None:
    shopper = shop.shopper_with(MUG=1)
    answer = shopper.post("/cart/country", {"country": "FR", "postal_code": "F-75001"})
    assert (answer.status, answer.location.endswith("/cart")) == (303, True)
    assert "€28.40" in shopper.get("/cart").text
    page = shopper.get("/checkout")
    assert page.field("postal_code") == "75001"
    assert '<option value="FR" selected>' in page.body
    token_of(
        shopper.post("/checkout", {**CUSTOMER, "country": "AT", "postal_code": "1010", "total": "28.40"})
    )
    cart = shopper.get("/cart")
    assert '<option value="AT" selected>' in cart.body
    assert cart.field("postal_code") == "1010"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "We don’t ship to this country."),
        ({"country": "US"}, "We don’t ship to this country."),
        ({"country": "de", "postal_code": "10115"}, "We don’t ship to this country."),
        ({"country": "DE", "postal_code": "abc"}, "doesn’t look like a postal code"),
        ({"country": "DE", "postal_code": "1" * 21}, "Please shorten the postal code"),
        ({"country": "CY", "postal_code": "10\x0715"}, "control character"),
    ],
)
def test_a_destination_that_is_none_is_refused_and_nothing_is_changed(
    shop: Shop, form: dict[str, str], message: str
) -> None:
    shopper = shop.shopper_with(MUG=1)
    answer = shopper.post("/cart/country", form)
    assert answer.status == 400
    assert message in answer.text
    assert "Shipping (Germany): €4.90" in shopper.get("/cart").text


def test_choosing_a_country_costs_no_call_more_and_no_session_without_a_cart(shop: Shop) -> None:
    stranger = shop.shopper()
    answer = stranger.post("/cart/country", PARIS)
    assert (answer.status, "set-cookie" in json.dumps(answer.headers).casefold()) == (303, False)
    shopper = shop.shopper_with(MUG=1)
    shopper.get("/cart")
    with counted_calls() as calls:
        shopper.post("/cart/country", PARIS)
    assert calls == {"GetItem": 1, "UpdateItem": 1}
    with counted_calls() as calls:
        assert "€28.40" in shopper.get("/cart").text
    assert calls == {"GetItem": 1, "BatchGetItem": 1}
