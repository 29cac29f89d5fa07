"""Staff see who holds what without paying, and release it with one button."""

import pytest

from chalicelib.catalog.models import Stock
from chalicelib.staff.dashboard import held_stock
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.invariants import check_stock, units
from tests.shop import Shop, token_of
from tests.staff.staff_client import trail

PAGE, RELEASE = "/staff/attention", "/staff/attention/holds"
BOT, ELSEWHERE = "198.51.100.7", "203.0.113.9"


def placed_from(shop: Shop, address: str, **lines: int) -> tuple[Shopper, str]:
    """Let somebody at an address place an order; return them and PayPal's order."""
    shopper = shop.shopper_with(**lines)
    shopper.source = address
    return shopper, token_of(shop.place(shopper))


def test_attention_says_who_holds_how_much_of_what(shop: Shop, merchant: Shopper) -> None:
    for quantity in (12, 3):
        placed_from(shop, BOT, MUG=quantity)
    placed_from(shop, ELSEWHERE, MUG=2, TEA_50=1)
    text = merchant.get(PAGE).text
    assert "Visitor 1: 15 items" in text
    assert "Pebble mug MUG 15 15%" in text
    assert "Visitor 2: 3 items" in text
    assert "Green tea, TEA-50 TEA-50 1 10%" in text
    assert BOT not in text
    assert "an office, a school or a mobile network may share one" in text


def test_attention_says_what_is_reserved_for_payments_that_paypal_is_holding(
    shop: Shop, merchant: Shopper
) -> None:
    shopper, token = placed_from(shop, BOT, MUG=12, TEA_50=1)
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    text = merchant.get(PAGE).text
    assert "the items are reserved and nobody else can buy them" in text
    assert "Reserved for this order" in text
    assert "Pebble mug MUG 12" in text
    assert "Green tea, TEA-50 TEA-50 1" in text
    assert "Reserved by unpaid orders" not in text


def test_one_button_releases_all_that_a_visitor_holds_and_nobody_elses(shop: Shop, merchant: Shopper) -> None:
    before = units(shop)
    shopper, token = placed_from(shop, BOT, MUG=12)
    placed_from(shop, BOT, MUG=3)
    placed_from(shop, ELSEWHERE, MUG=2)
    visitor = merchant.get(PAGE).field("visitor")

    shown = merchant.follow(merchant.post(RELEASE, {"visitor": visitor}))

    assert "Released the items of 2 unpaid orders." in shown.text
    assert "Visitor 1: 2 items" in shown.text
    assert "Visitor 2" not in shown.text
    assert shop.stock("MUG") == 98
    check_stock(shop, before)
    entries = [entry for entry in trail() if entry.action == "released reserved items"]
    assert sorted(entry.before["held"]["MUG"] for entry in entries) == [3, 12]

    # The orders stand, are paid as long as there is something, and hold nothing before.
    (order,) = [order for order in shop.orders() if order.paypal_order_id == token]
    assert shopper.post(f"/orders/{order.id}/payment").status == 303
    assert shop.stock("MUG") == 98
    assert "your order is paid" in shopper.follow(shop.come_back(shopper, token)).text
    assert shop.stock("MUG") == 86
    check_stock(shop, before)


def test_what_is_paid_or_being_paid_is_not_released(shop: Shop, merchant: Shopper) -> None:
    before = units(shop)
    shopper, token = placed_from(shop, BOT, MUG=1)
    shop.come_back(shopper, token)
    asked, other = placed_from(shop, BOT, MUG=2)
    placed_from(shop, BOT, MUG=4)
    visitor = merchant.get(PAGE).field("visitor")
    shop.paypal.fault("capture", "503", times=None)
    shop.come_back(asked, other)
    assert (
        "Released the items of 1 unpaid order."
        in merchant.follow(merchant.post(RELEASE, {"visitor": visitor})).text
    )
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "capturing", "paid"]
    assert shop.stock("MUG") == 97
    check_stock(shop, before)
    again = merchant.follow(merchant.post(RELEASE, {"visitor": visitor}))
    assert "There was nothing left to release" in again.text


@pytest.mark.parametrize("visitor", ["nobody", "", "x" * 500])
def test_a_visitor_who_is_none_releases_nothing(shop: Shop, merchant: Shopper, visitor: str) -> None:
    placed_from(shop, BOT, MUG=2)
    assert merchant.post(RELEASE, {"visitor": visitor}).status == (303 if visitor else 400)
    assert shop.stock("MUG") == 98


def test_finance_cannot_release_items(shop: Shop, finance: Shopper) -> None:
    placed_from(shop, BOT, MUG=2)
    assert "Release items" not in finance.get(PAGE).text
    assert finance.post(RELEASE, {"visitor": "x"}).status == 403


def test_few_held_units_leave_the_calm_alone_and_half_of_a_sku_does_not(
    shop: Shop, merchant: Shopper
) -> None:
    shop.functions.fire("export_books")
    shop.put_on_shelf("last-bowl", "Last bowl", {"BOWL": (3990, None, 1)})
    Stock("BOWL").update(actions=[Stock.available.set(9)])
    shop.reconcile()
    placed_from(shop, BOT, MUG=20)
    assert "All clear" in merchant.get(PAGE).text
    for address in (ELSEWHERE, "192.0.2.1"):
        placed_from(shop, address, MUG=20)
    page = merchant.get(PAGE).text
    assert "All clear" not in page
    assert page.count("20 20%") == 3


def test_it_costs_as_many_calls_with_ten_orders_as_with_one(shop: Shop) -> None:
    for many in (1, 9):
        for _ in range(many):
            placed_from(shop, BOT, MUG=1)
        with counted_calls() as calls:
            assert held_stock.find_held()["visitors"]
        assert calls == {"Query": 4, "BatchGetItem": 2}
