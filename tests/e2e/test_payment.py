"""What can happen between PayPal's page and a paid order."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import THANKS, Visitor
from tests.shop import CUSTOMER, Shop


def test_cancelling_leads_back_to_a_full_cart(visitor: Visitor, shop: Shop) -> None:
    visitor.orders("mug", 3)
    visitor.button("Cancel and return to Slow Saturday").click()

    visitor.reads("Your cart")
    visitor.is_told("You haven’t been charged, and your cart is unchanged.")
    visitor.sees_in_cart(3)
    expect(visitor.field("Quantity of Pebble mug")).to_have_value("3")
    visitor.goes_to_checkout()
    expect(visitor.field("Name")).to_have_value(CUSTOMER["name"])
    assert shop.paypal.ledger() == []


def test_a_declined_card_and_then_a_better_one(visitor: Visitor, shop: Shop) -> None:
    visitor.orders()
    token = visitor.is_at_paypal()
    visitor.button("Pay with a declined card").click()
    visitor.reads("PayPal declined this payment")
    visitor.sees_in_cart(1)

    visitor.button("Pay with PayPal").click()
    assert visitor.is_at_paypal() == token
    visitor.pays()

    visitor.reads(THANKS)
    visitor.sees_in_cart(0)
    assert len(shop.paypal.ledger()) == 1


def test_a_slow_payment_that_a_notification_completes(visitor: Visitor, shop: Shop) -> None:
    visitor.orders()
    visitor.button("Pay by a slow method").click()
    visitor.reads("Your payment is pending")
    order = shop.order(visitor.order_id)
    assert (order.state, shop.mails()) == ("pending", ["payment_pending"])

    shop.paypal.complete(order.capture_id or "")
    shop.deliver_notifications()
    visitor.page.reload()

    visitor.reads(THANKS)
    assert shop.mails() == ["merchant_order_paid", "order_paid", "payment_pending"]


def test_a_tab_closed_after_paying(visitor: Visitor, shop: Shop) -> None:
    visitor.orders()
    visitor.button("Pay, and close the tab").click()
    visitor.reads("Approved")
    visitor.page.close()

    with shop.later(minutes=6):
        shop.reconcile()

    (order,) = shop.orders()
    assert (order.state, shop.mails()) == ("paid", ["merchant_order_paid", "order_paid"])
    visitor.page = visitor.context.new_page()
    visitor.open(f"/orders/{order.id}")
    visitor.reads(THANKS)
    visitor.open("/cart")
    visitor.sees_in_cart(0)


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}], ids=["script", "no-script"])
def test_the_order_page_looks_again_while_paypal_is_asked(
    let_in: LetIn, shop: Shop, options: dict[str, Any]
) -> None:
    visitor = let_in(**options)
    visitor.orders()
    shop.paypal.fault("capture", "cut_after", times=None)
    visitor.pays()
    visitor.reads("Confirming your payment")
    shop.paypal.clear_faults()
    with shop.later(minutes=3):
        shop.reconcile()

    visitor.reads(THANKS)
    assert len(shop.paypal.ledger()) == 1


def test_paypal_away_and_back_again(visitor: Visitor, shop: Shop) -> None:
    shop.paypal.fault("create", "503", times=None)
    visitor.puts_in_cart("mug")
    visitor.goes_to_checkout()
    visitor.fills_in()
    visitor.places_order()
    visitor.reads("Your order is placed but not paid yet")
    shop.paypal.clear_faults()

    visitor.button("Pay with PayPal").click()
    visitor.is_at_paypal()
    visitor.pays()

    visitor.reads(THANKS)
