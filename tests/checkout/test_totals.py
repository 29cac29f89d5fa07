"""What an order costs: items, shipping, the tax inside; and that the shopper pays what was shown."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import money
from chalicelib.cart.totals import Totals, totals_of
from chalicelib.catalog.models import Stock
from chalicelib.config import SHOP_FILE, load_shop, settings
from chalicelib.shop_settings.delivery import DELIVERY
from chalicelib.taxes.assessment import Destination, PricedLine, assess
from chalicelib.taxes.rules import Mode, RateRow, TaxRules
from chalicelib.taxes.statement import included_taxes
from chalicelib.taxes.tax_classes import TaxClass
from tests.client import Answer
from tests.shop import CUSTOMER, Shop, token_of

DAY = date(2026, 11, 20)


def line(price: int, quantity: int = 1, tax_class: str = "standard") -> PricedLine:
    return PricedLine(tax_class, price, quantity)


def totals(*lines: PricedLine, country: str = "DE", postal_code: str = "") -> Totals:
    return totals_of(
        lines, Destination(country, postal_code), DELIVERY.first(), TaxRules(Mode.HOME, "DE"), DAY
    )


@pytest.fixture
def _yen(setting: Any) -> None:
    zones = tuple(replace(zone, rate=490, free_from=6000) for zone in settings.shop.zones)
    setting(currency="JPY", shop=replace(settings.shop, zones=zones))


def taxes_of(amounts: list[tuple[int, str]]) -> dict[str, int]:
    """Assess gross amounts, each at a rate in percent, of a class of its own; return the tax by rate."""
    day = date(2026, 11, 2)
    classes = dict(zip(dict.fromkeys(rate for _, rate in amounts), TaxClass, strict=False))
    rows = tuple(RateRow("DE", tax_class, rate, day) for rate, tax_class in classes.items())
    lines = [PricedLine(classes[rate], amount, 1) for amount, rate in amounts]
    return assess(TaxRules(Mode.HOME, "DE", corrections=rows), Destination("DE"), lines, 0, day).tax_by_rate


# -- adding up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "country", "shipping"),
    [(1000, "DE", 490), (5999, "DE", 490), (6000, "DE", 0), (6000, "FR", 990), (12000, "FR", 0), (99999, "CH", 1690)],
)  # fmt: skip
def test_shipping_is_flat_a_country_group_and_free_above_its_threshold(
    items: int, country: str, shipping: int
) -> None:
    found = totals(line(items), country=country)
    assert (found.shipping, found.total) == (shipping, items + shipping)


def test_tax_is_inside_the_price_by_rate_and_shipping_is_taxed_as_the_goods() -> None:
    found = totals(line(690, 2, "food"), line(1850))
    assert found.total == 1380 + 1850 + 490
    # Shipping is shared 209 to 281: 19 % of 2131 / 1.19, 7 % of 1589 / 1.07.
    assert list(included_taxes(found.assessment).items()) == [("19", 340), ("7", 104)]


def test_tax_is_rounded_half_up_once_a_rate_and_order() -> None:
    # 3 × 0.05 at 25 %: 0.01 each when rounded unit by unit, 0.03 together. 0.01 at 100 % is half a cent: up.
    assert taxes_of([(5, "25")] * 3) == {"25": 3}
    assert taxes_of([(7, "19")] * 3) == {"19": 3}
    assert money.tax_included(1, "100") == 1
    assert money.tax_included(3, "100") == 2


def test_free_shipping_has_no_tax_and_no_rate_of_its_own() -> None:
    assert list(included_taxes(totals(line(6000, 1, "food")).assessment)) == ["7"]


@given(
    st.lists(
        st.tuples(st.integers(1, 10**7), st.sampled_from(["7", "19", "8.1", "5.5", "0", "20"])),
        min_size=1,
        max_size=50,
    )
)
def test_the_tax_of_any_order_is_less_than_it_costs_and_true_to_half_a_cent(
    amounts: list[tuple[int, str]],
) -> None:
    from fractions import Fraction

    taxes = taxes_of(amounts)
    for rate, tax in taxes.items():
        gross = sum(amount for amount, at in amounts if at == rate)
        exact = gross * Fraction(rate) / (100 + Fraction(rate))
        assert -Fraction(1, 2) < exact - tax <= Fraction(1, 2) or tax - exact == Fraction(1, 2)
    assert 0 <= sum(taxes.values()) <= sum(amount for amount, _ in amounts)


def test_the_form_the_order_and_paypal_say_the_same(shop: Shop) -> None:
    shopper = shop.shopper_with(TEA_50=2, TEA_100=1, MUG=1)
    page = shopper.get("/checkout")
    assert "€42.20" in page.text
    assert "€47.10" in page.text
    assert page.field("total") == "47.10"
    token = token_of(shop.place(shopper))
    (order,) = shop.orders()
    assert (order.items, order.shipping, order.total, order.taxes) == (4220, 490, 4710, {"19": 330, "7": 173})
    unit = shop.paypal.order(token)["purchase_units"][0]
    assert unit["amount"]["value"] == "47.10"
    assert "Includes 19% VAT" in shopper.get(f"/orders/{order.id}").text


@pytest.mark.usefixtures("_yen")
def test_a_currency_without_decimals_has_none_anywhere(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2)
    page = shopper.get("/checkout")
    assert "¥3,700" in page.text
    assert page.field("total") == "4190"
    token = token_of(shop.place(shopper))
    (order,) = shop.orders()
    assert (order.total, order.currency, order.taxes) == (4190, "JPY", {"19": 669})
    amount = shop.paypal.order(token)["purchase_units"][0]["amount"]
    assert (amount["value"], amount["currency_code"]) == ("4190", "JPY")
    shop.come_back(shopper, token)
    assert shop.orders()[0].state == "paid"


def test_decimals_in_a_currency_without_any_are_refused() -> None:
    assert money.parse("1200", "JPY") == 1200
    for text in ("12.50", "0.1", "1,200"):
        with pytest.raises(ValueError):
            money.parse(text, "JPY")
    with pytest.raises(Exception, match=r"shop\.toml"):
        load_shop(SHOP_FILE, "JPY")  # its amounts have cents


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1.", ".5", "1.234", "1e3", "１", "NaN", "Infinity", "0x1", "1 ", "9" * 10, "1_0"],
)
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        money.parse(text, "EUR")


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("12,90", "EUR", 1290),
        ("12,9", "EUR", 1290),
        ("12.90", "EUR", 1290),
        ("1299", "JPY", 1299),
        ("1.299,50", "EUR", 129950),
        ("1,299.50", "EUR", 129950),
        ("1.234.567,8", "EUR", 123456780),
        ("1 299,50", "EUR", 129950),
        ("1'299.50", "EUR", 129950),
        ("12,90 €", "EUR", 1290),
        ("€12.90", "EUR", 1290),
        ("12.90 EUR", "EUR", 1290),
        ("¥1,299", "JPY", 1299),
        ("12,90 zł", "PLN", 1290),
        ("1 299,00 kr", "SEK", 129900),
        ("kr. 12,90", "DKK", 1290),
        ("12,90 KR", "NOK", 1290),
        ("Fr. 12.90", "CHF", 1290),
        ("SFr. 1'299.–", "CHF", 129900),
        ("US$12.90", "USD", 1290),
        ("A$ 12.90", "AUD", 1290),
        ("R$ 1.299,90", "BRL", 129990),
        ("1.299 Ft", "HUF", 1299),
        ("NT$1,299", "TWD", 1299),
        ("1299円", "JPY", 1299),
        ("12,90 Kč", "CZK", 1290),
        ("฿12.90", "THB", 1290),
        ("12,-", "EUR", 1200),
        ("12.--", "EUR", 1200),
        ("12,— €", "EUR", 1200),
        ("19.9900", "EUR", 1999),
        ("1299,5000", "EUR", 129950),
    ],
)
def test_an_amount_may_be_written_as_people_and_spreadsheets_do(
    typed: str, currency: str, amount: int
) -> None:
    assert money.parse_user_amount(typed, currency) == amount


def test_every_currency_of_paypals_is_written_with_its_sign() -> None:
    for currency in money.PAYPAL_CURRENCIES:
        for sign in money.SIGNS[currency]:
            for typed in (f"{sign}12", f"12 {sign}"):
                assert money.parse_user_amount(typed, currency) == money.parse("12", currency), typed


@pytest.mark.parametrize(
    ("typed", "currency"),
    [
        ("1,299", "EUR"),
        ("1.299", "EUR"),
        ("12,90", "JPY"),
        (",90", "EUR"),
        ("1,29,9", "EUR"),
        ("$5", "EUR"),
        ("US$5", "CAD"),
        ("kr 5", "EUR"),
        ("19.9901", "EUR"),
        ("19.990", "EUR"),
        ("zł", "PLN"),
    ],
)
def test_a_comma_that_may_mean_thousands_is_never_guessed_at(typed: str, currency: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"“{typed}”")):
        money.parse_user_amount(typed, currency)


# -- shown and paid ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "total",
    ["0.01", "0", "23.39", "23.41", "99999999.99", "-23.40", "", "abc", "23,40", "NaN", "1e3", "٢٣.٤٠"],
)
def test_a_forged_total_comes_back_with_the_true_one(standing_shop: Shop, total: str) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    answer = shopper.post("/checkout", {**CUSTOMER, "total": total})
    assert_asks_again(answer, "23.40")
    assert standing_shop.orders() == []
    assert standing_shop.stock("MUG") == 100


def assert_asks_again(answer: Answer, total: str) -> None:
    assert answer.status == 409, answer.text
    assert answer.field("total") == total
    assert f"€{total}" in answer.text
    assert "Accept new total and pay" in answer.text
    assert answer.field("name") == CUSTOMER["name"]


def test_a_price_that_rose_meanwhile_is_asked_about_and_then_accepted(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    stale = shopper.get("/checkout").field("total")
    Stock("MUG").update([Stock.price.set(2000)])
    answer = shopper.post("/checkout", {**CUSTOMER, "total": stale})
    assert_asks_again(answer, "24.90")
    assert "has changed" in answer.text

    accepted = shopper.post("/checkout", {**CUSTOMER, "total": answer.field("total")})
    assert token_of(accepted)
    (order,) = shop.orders()
    assert order.total == 2490


def test_another_country_brings_its_shipping_and_is_asked_about(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    answer = shop.place(shopper, country="FR")
    assert_asks_again(answer, "28.40")
    assert "Including shipping (European Union), the total is now €28.40." in answer.text
    assert '<option value="FR" selected>' in answer.body
    form = {**CUSTOMER, "country": "FR", "total": "28.40"}
    assert token_of(shopper.post("/checkout", form))
    assert shop.orders()[0].shipping == 990


def test_a_cart_that_grew_in_another_tab_is_asked_about(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    stale = shopper.get("/checkout").field("total")
    shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    assert_asks_again(shopper.post("/checkout", {**CUSTOMER, "total": stale}), "30.30")


def test_a_stale_total_leaves_the_order_that_was_placed_before_alone(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    answer = shopper.post("/checkout", {**CUSTOMER, "city": "Potsdam", "total": "1.00"})
    assert answer.status == 409
    (order,) = shop.orders()
    assert (order.state, shop.stock("MUG")) == ("awaiting", 99)
    shop.come_back(shopper, token)
    assert shop.order(order.id).state == "paid"


def test_an_invalid_field_is_reported_before_a_stale_total(standing_shop: Shop) -> None:
    answer = standing_shop.shopper_with(MUG=1).post("/checkout", {**CUSTOMER, "email": "x", "total": "1.00"})
    assert (answer.status, answer.field("total")) == (400, "23.40")
