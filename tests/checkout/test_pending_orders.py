"""An order whose payment is pending has left the cart: another one can be placed beside it, and nothing is lost."""

from unittest import mock

from tests.client import Shopper
from tests.invariants import check_stock, units
from tests.shop import CUSTOMER, Shop, order_id_of, token_of

FORM = {**CUSTOMER, "total": "23.40"}  # one mug, to Germany


def test_while_the_old_one_is_pending_something_else_can_be_ordered(shop: Shop) -> None:
    before = units(shop)
    shopper, old = shop.placed(MUG=1)
    order_id = _pay_slowly(shop, shopper, old)
    assert shopper.jar["cart_count"] == "0"
    shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    new = token_of(shop.place(shopper))
    assert {order.paypal_order_id: (order.state, order.reserved) for order in shop.orders()} == {
        old: ("pending", True),
        new: ("awaiting", True),
    }
    assert (shop.stock("MUG"), shop.stock("TEA-50")) == (99, 9)
    check_stock(shop, before)

    shop.paypal.complete(shop.order(order_id).capture_id or "")
    shop.deliver_notifications()
    assert shop.order(order_id).state == "paid"
    shopper.get("/cart")
    assert shopper.jar["cart_count"] == "1"  # what was ordered since waits for its own payment
    shop.come_back(shopper, new)
    shopper.get("/cart")
    assert (shopper.jar["cart_count"], [order.state for order in shop.orders()]) == ("0", ["paid", "paid"])
    check_stock(shop, before)


def test_a_cart_that_was_changed_since_is_left_by_a_pending_payment(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    order_id = _pay_slowly(shop, shopper, token)
    assert (shop.order(order_id).state, shopper.jar["cart_count"]) == ("pending", "2")
    token_of(shop.place(shopper))
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "pending"]
    assert (shop.stock("MUG"), shop.stock("TEA-50")) == (98, 9)


def test_the_form_of_a_pending_order_sent_again_orders_nothing(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    _pay_slowly(shop, shopper, token)
    assert shopper.post("/checkout", FORM).location.endswith("/cart")
    assert len(shop.orders()) == 1


def test_a_pending_order_of_an_earlier_version_still_has_its_cart(shop: Shop) -> None:
    """It is the same order where its form is sent again, in nobody's way, and its cart is emptied once it is paid."""
    shopper, token = shop.placed(MUG=1)
    with mock.patch("chalicelib.payments.settlement._clear_cart"):
        order_id = _pay_slowly(shop, shopper, token)
    assert order_id_of(shopper.post("/checkout", FORM)) == order_id
    assert len(shop.orders()) == 1
    shop.paypal.complete(shop.order(order_id).capture_id or "")
    shop.deliver_notifications()
    shopper.get("/cart")
    assert (shop.order(order_id).state, shopper.jar["cart_count"]) == ("paid", "0")


def test_after_a_pending_payment_is_denied_the_order_can_be_paid_beside_another(shop: Shop) -> None:
    before = units(shop)
    shopper, old = shop.placed(MUG=1)
    order_id = _pay_slowly(shop, shopper, old)
    shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    shop.paypal.deny(shop.order(order_id).capture_id or "")
    shop.deliver_notifications()
    page = shopper.get(f"/orders/{order_id}")
    assert "Pay with PayPal" in page.text
    assert shopper.jar["cart_count"] == "1"

    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.paypal.cancel(again)
    left = shopper.get(f"/payments/paypal/cancel?token={again}")
    assert order_id_of(left) == order_id  # what it is about is in no cart any more
    new = token_of(shop.place(shopper))
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "awaiting"]
    shop.come_back(shopper, again)
    shopper.get("/cart")
    assert (shop.order(order_id).state, shopper.jar["cart_count"]) == ("paid", "1")
    shop.come_back(shopper, new)
    assert [order.state for order in shop.orders()] == ["paid", "paid"]
    check_stock(shop, before)


def _pay_slowly(shop: Shop, shopper: Shopper, token: str) -> str:
    """Come back from PayPal with a payment that takes days; return the order's ID."""
    shop.paypal.slow(token)
    return order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
