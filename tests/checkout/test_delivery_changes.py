"""The delivery settings change while somebody buys: they are asked, they pay what was shown, and orders keep theirs."""

import pytest

from chalicelib.checkout.customer_form import validate_customer
from chalicelib.config import ShippingZone
from chalicelib.database.transactions import no_audit
from chalicelib.shop_settings import delivery, store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery, zone_of_codes
from tests.call_counter import counted_calls
from tests.shop import CUSTOMER, Shop, token_of

HOME = zone_of_codes("Germany", 690, None, ["DE"])


def save(*zones: ShippingZone) -> None:
    store.save(DELIVERY, Delivery(zones), store.load(DELIVERY).number, "merchant@shop.example", no_audit)


def save_in_another_process(*zones: ShippingZone) -> None:
    """Save without telling this process, which has just read the settings."""
    delivery.current()
    kept = dict(store._memory)
    save(*zones)
    store._memory.update(kept)


# -- what shoppers see --------------------------------------------------------------------------------------


def test_cart_checkout_and_order_show_what_was_saved(shop: Shop) -> None:
    save(HOME, zone_of_codes("World", 3000, 10000, ["US", "FR"]))
    shopper = shop.shopper_with(MUG=1)
    assert "Shipping (Germany): €6.90." in shopper.get("/cart").text
    page = shopper.get("/checkout")
    assert page.field("total") == "25.40"
    assert '<option value="US"' in page.body
    assert '<option value="AT"' not in page.body
    refused = shopper.post("/checkout", {**CUSTOMER, "country": "AT", "total": "25.40"})
    assert (refused.status, "We don’t ship to this country." in refused.text) == (400, True)
    shop.place(shopper)
    assert [(each.shipping, each.total) for each in shop.orders()] == [(690, 2540)]


def test_a_rate_that_changes_at_checkout_is_asked_about_and_what_was_shown_is_paid(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    assert shopper.get("/checkout").field("total") == "23.40"
    save(HOME)
    asked = shopper.post("/checkout", {**CUSTOMER, "total": "23.40"})
    assert (asked.status, asked.field("total")) == (409, "25.40")
    assert "The total is now €25.40, including €6.90 for shipping (Germany)." in asked.text
    assert shop.orders() == []
    token = token_of(shopper.post("/checkout", {**CUSTOMER, "total": "25.40"}))
    assert shop.paypal.order(token)["purchase_units"][0]["amount"]["value"] == "25.40"


def test_an_order_that_is_placed_keeps_its_shipping_and_its_country(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    save(zone_of_codes("France", 990, None, ["FR"]))
    shop.come_back(shopper, token)
    (paid,) = shop.orders()
    assert (paid.state, paid.shipping, paid.total) == ("paid", 490, 2340)
    assert [row.amount for row in shop.ledger()] == [2340]
    assert "Germany" in shopper.get(f"/orders/{paid.id}").text


def test_ordering_anew_after_a_change_replaces_the_unpaid_order(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    save(HOME)
    again = shopper.post("/checkout", {**CUSTOMER, "total": "23.40"})
    assert again.status == 409
    token_of(shopper.post("/checkout", {**CUSTOMER, "total": again.field("total")}))
    assert sorted((each.state, each.total) for each in shop.orders()) == [
        ("awaiting", 2540),
        ("cancelled", 2340),
    ]


def test_a_country_that_is_dropped_while_the_order_is_placed_is_not_ordered_to(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(posted: dict[str, str], countries: dict[str, str]) -> object:
        found = validate_customer(posted, countries)
        save(zone_of_codes("France", 490, 6000, ["FR"]))
        return found

    shopper = shop.shopper_with(MUG=1)
    monkeypatch.setattr("chalicelib.checkout.routes.validate_customer", overtaken)
    answer = shopper.post("/checkout", {**CUSTOMER, "total": "23.40"})
    assert (answer.status, "We don’t ship to this country." in answer.text) == (400, True)
    assert shop.orders() == []


# -- what it costs ------------------------------------------------------------------------------------------


def test_warm_processes_ask_for_nothing_more_and_aged_ones_in_the_calls_they_make(shop: Shop) -> None:
    save(HOME)
    shopper = shop.shopper_with(MUG=1)
    shopper.get("/")  # reads the categories
    store.clear_settings_cache()
    with counted_calls() as aged:
        assert "€6.90" in shopper.get("/cart").text
    assert aged == {"BatchGetItem": 2}
    with counted_calls() as warm:
        shopper.get("/cart")
    assert warm == {"GetItem": 1, "BatchGetItem": 1}

    store.clear_settings_cache()
    with counted_calls() as aged:
        assert shopper.post("/checkout", {**CUSTOMER, "total": "25.40"}).status == 303
    assert aged.total() == 5
    with counted_calls() as aged:
        shopper.get("/checkout")
    assert aged.total() <= 3


def test_catalog_pages_and_an_empty_cart_never_ask_for_it(shop: Shop) -> None:
    shopper = shop.shopper()
    for address in ("/", "/products/mug", "/categories/tea", "/search?q=mug", "/pages/imprint", "/cart"):
        store.clear_settings_cache()
        shopper.get(address)
        assert store._memory == {}, address


def test_another_process_sees_a_change_within_the_age_of_a_page(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    save_in_another_process(HOME)
    assert "€4.90" in shopper.get("/cart").text
    with shop.later(seconds=11):
        assert "€6.90" in shopper.get("/cart").text
