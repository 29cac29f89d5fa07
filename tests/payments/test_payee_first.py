"""Whose account was paid is asked before all else: what went to somebody else is neither booked nor given back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.database.transactions import Transaction
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.payments import capture_payment, settlement
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.values import Payee
from tests.client import Shopper
from tests.shop import Shop, token_of

FOREIGN = "SQMEBQDYELSE2"


def come_back(shop: Shop, shopper: Shopper, token: str) -> None:
    shopper.get(f"/payments/paypal/return?token={token}")


def be_notified(shop: Shop, shopper: Shopper, token: str) -> None:
    gateway.capture_order(token, "elsewhere")
    shop.deliver_notifications()


def be_reconciled(shop: Shop, shopper: Shopper, token: str) -> None:
    gateway.capture_order(token, "elsewhere")
    with shop.later(hours=7):
        shop.reconcile()


WAYS = [come_back, be_notified, be_reconciled]
LATER_WAYS = [be_notified, be_reconciled]


def check_only_raised(shop: Shop, order_id: str, *, booked: int = 0) -> None:
    """Nothing of it is in the books or on its way back, whatever comes later; staff are asked to look once."""
    shop.deliver_notifications()
    for hours in (1, 8):
        with shop.later(hours=hours):
            shop.reconcile()
    order = shop.order(order_id)
    assert [issue["kind"] for issue in order.issues] == ["payee_mismatch"]
    assert len(shop.ledger()) == booked
    assert order.refunds == {}
    assert shop.paypal.requests("refund") == []


@pytest.mark.parametrize("value", [None, "1.00"])
@pytest.mark.parametrize("outcome", ["completed", "pending"])
@pytest.mark.parametrize("way", WAYS)
def test_of_an_order_that_waits(
    shop: Shop, way: Callable[[Shop, Shopper, str], None], outcome: str, value: str | None
) -> None:
    shopper, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)
    shop.paypal.next_capture(outcome, merchant_id=FOREIGN, value=value)

    way(shop, shopper, token)

    check_only_raised(shop, order.id)
    assert shop.order(order.id).state in ("awaiting", "expired")


@pytest.mark.parametrize("way", LATER_WAYS)
def test_of_an_order_that_has_ended(shop: Shop, way: Callable[[Shop, Shopper, str], None]) -> None:
    shopper, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)

    def cancel(order: Order, transaction: Transaction) -> bool:
        order.cancel(CloseReason.CANCELLED_BY_STAFF, transaction)
        return True

    update_order(order.id, cancel)
    shop.paypal.next_capture("completed", merchant_id=FOREIGN)

    way(shop, shopper, token)

    check_only_raised(shop, order.id)
    assert shop.order(order.id).state == "cancelled"


@pytest.mark.parametrize("way", LATER_WAYS)
def test_of_an_order_that_another_attempt_paid(shop: Shop, way: Callable[[Shop, Shopper, str], None]) -> None:
    shopper, first = shop.placed()
    (order,) = shop.orders()
    shop.paypal.fault("get", "404", match=first)
    second = token_of(shopper.post(f"/orders/{order.id}/payment"))
    assert second != first
    shop.come_back(shopper, second)
    assert shop.order(order.id).state == "paid"
    shop.paypal.approve(first)
    shop.paypal.next_capture("completed", merchant_id=FOREIGN, order_id=first)

    way(shop, shopper, first)

    check_only_raised(shop, order.id, booked=1)
    assert shop.order(order.id).state == "paid"


def test_what_goes_back_of_it_is_not_booked(shop: Shop) -> None:
    shopper, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.next_capture("completed", merchant_id=FOREIGN)
    shop.come_back(shopper, token)
    (capture,) = shop.paypal.captures(token)

    shop.paypal.refund(capture["id"], "5.00")
    shop.paypal.reverse(capture["id"])

    check_only_raised(shop, order.id)
    assert (shop.order(order.id).refunded, shop.order(order.id).reversed) == (0, 0)


def test_a_later_look_at_money_that_is_booked_raises_nothing(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    capture = gateway.get_capture(str(order.capture_id))

    settlement.settle_capture(order_id, replace(capture, payee=Payee(None, "new@x.example")), payee=None)
    capture_payment.settle_capture_id(capture.id)

    assert shop.order(order_id).issues == []
