"""Each round of the reconciler tells how much of a SKU unpaid orders hold, whoever orders meanwhile."""

from typing import Any
from unittest import mock

import pytest

from chalicelib.catalog.models import Stock
from chalicelib.orders import hold_alarm
from chalicelib.orders.search import order_list
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.shop import Shop, token_of
from tests.telemetry.conftest import Counted
from tests.telemetry.conftest import counted as counted

ADDRESSES = ("198.51.100.7", "203.0.113.9", "192.0.2.1")


def placed_from(shop: Shop, address: str, **lines: int) -> tuple[Shopper, str]:
    """Let somebody at an address place an order; return them and PayPal's order."""
    shopper = shop.shopper_with(**lines)
    shopper.source = address
    return shopper, token_of(shop.place(shopper))


def share(shop: Shop, counted: Counted, **later: float) -> float:
    """Return what a round tells, so much later; 0 where it tells nothing."""
    counted()
    with shop.later(**later):
        shop.reconcile()
        return counted()["HeldShare"]


def test_held_stock_is_reported_by_each_run_until_the_holds_end(shop: Shop, counted: Counted) -> None:
    for address in ADDRESSES:
        placed_from(shop, address, MUG=20)
    assert counted()["HeldShare"] == 0  # placing tells nothing of it
    assert [share(shop, counted, minutes=minutes) for minutes in (1, 6, 11)] == [60, 60, 60]
    share(shop, counted, minutes=17)
    assert share(shop, counted, minutes=22) == 0


def test_a_quiet_shop_reports_no_held_share(shop: Shop, counted: Counted) -> None:
    assert share(shop, counted, minutes=1) == 0
    shop.paid(MUG=5)
    assert share(shop, counted, minutes=1) == 0


def test_the_held_share_of_a_sku_with_few_units_is_not_reported(shop: Shop, counted: Counted) -> None:
    placed_from(shop, ADDRESSES[0], BOWL=1, MUG=3)
    assert share(shop, counted, minutes=1) == 3


def test_units_that_paypal_has_money_for_are_not_held_unpaid(shop: Shop, counted: Counted) -> None:
    shopper, token = placed_from(shop, ADDRESSES[0], MUG=20)
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = shop.orders()
    assert (order.state, shop.stock("MUG")) == ("pending", 80)
    assert share(shop, counted, minutes=1) == 0


def test_a_hold_that_is_kept_for_a_silent_paypal_is_found_until_it_ends(shop: Shop) -> None:
    _, token = placed_from(shop, ADDRESSES[0], MUG=20)
    shop.paypal.approve(token)
    shop.deliver_notifications()  # of the approval: the units are kept for as long as PayPal may capture them
    shop.paypal.fault("get", "503", times=None)
    for minutes in (3, 20, 41):
        with shop.later(minutes=minutes):
            shop.reconcile()
            (order,) = shop.orders()
            assert order.held
            assert [one.id for one in order_list.held_orders().orders] == [order.id]


def test_a_round_asks_as_often_with_ten_orders_as_with_one(shop: Shop) -> None:
    for many in (1, 9):
        for _ in range(many):
            placed_from(shop, ADDRESSES[0], MUG=1)
        with counted_calls() as calls:
            hold_alarm.watch_holds()
        assert calls == {"Query": 4, "BatchGetItem": 2}


@pytest.mark.parametrize("failing", ["held_orders", "batch_get"])
def test_a_run_continues_if_the_held_share_cannot_be_computed(shop: Shop, failing: str) -> None:
    _, token = placed_from(shop, ADDRESSES[0], MUG=1)
    shop.paypal.approve(token)

    def away(*_: Any, **__: Any) -> None:
        raise RuntimeError("away")

    where = order_list if failing == "held_orders" else hold_alarm
    with shop.later(minutes=6), mock.patch.object(where, failing, away):
        shop.reconcile()
    assert [order.state for order in shop.orders()] == ["paid"]
    assert Stock.get("MUG").held == 0
