"""The order's page: found by its address alone, in plain words, for nobody else."""

import secrets
from typing import Any

import pytest

from chalicelib.database.transactions import Transaction
from chalicelib.orders import states
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from chalicelib.orders.views.customer_view import status_text
from tests.call_counter import counted_calls
from tests.shop import CUSTOMER, Shop


def in_state(shop: Shop, state: str) -> Order:
    """Place an order and bring it into a state, as the shop does."""
    shopper, token = shop.placed(MUG=2, TEA_50=1)
    (order,) = shop.orders()
    if state == OrderState.CAPTURING:
        order.mark_capturing("claim")
        order.save()
    elif state == OrderState.PENDING:
        shop.paypal.slow(token)
        shopper.get(f"/payments/paypal/return?token={token}")
    elif state in (OrderState.PAID, OrderState.SHIPPED):
        shop.come_back(shopper, token)
    elif state == OrderState.CANCELLED:
        shop.place(shopper, city="Potsdam")
    elif state == OrderState.EXPIRED:
        order.expire(CloseReason.PAYMENT_EXPIRED, Transaction())
        order.save()
    if state == OrderState.SHIPPED:
        order = shop.order(order.id)
        order.state = OrderState.SHIPPED
        order.save()
    order = shop.order(order.id)
    assert order.state == state
    return order


@pytest.mark.parametrize(
    ("state", "headline", "payable"),
    [
        (OrderState.AWAITING, "Your order isn’t paid yet", True),
        (OrderState.CAPTURING, "Confirming your payment", False),
        (OrderState.PENDING, "Your payment is pending", False),
        (OrderState.PAID, "Thank you, your order is paid", False),
        (OrderState.SHIPPED, "Your parcel is on its way", False),
        (OrderState.CANCELLED, "This order was cancelled", False),
        (OrderState.EXPIRED, "This order has expired", False),
    ],
)
def test_every_state_has_its_words(shop: Shop, state: str, headline: str, payable: bool) -> None:
    order = in_state(shop, state)
    page = shop.shopper().get(f"/orders/{order.id}")
    assert page.status == 200
    assert f"<h1>{headline}</h1>" in page.body
    assert ("Pay with PayPal</button>" in page.body) == payable
    assert ("Refresh" in page.text) == (state == OrderState.CAPTURING)
    paid = state in (OrderState.PAID, OrderState.SHIPPED)
    if not paid:
        assert "is paid" not in page.text
    for part in (
        order.number,
        "Pebble mug",
        "2 × €18.50",
        "€37.00",
        "Shipping",
        "€48.80",
        "19% VAT",
        "7% VAT",
        *CUSTOMER.values(),
    ):
        if part != CUSTOMER["country"]:
            assert part in page.text, part


def test_there_are_words_for_all_states_there_are() -> None:
    assert set(states.TRANSITIONS) == {
        OrderState.AWAITING, OrderState.CAPTURING, OrderState.PENDING, OrderState.PAID, OrderState.SHIPPED, OrderState.CANCELLED, OrderState.EXPIRED
    }  # fmt: skip
    for state in states.TRANSITIONS:
        order = Order(
            "0" * 32,
            state=state,
            history=[{"event": "placed"}],
            payment_attempts=[],
            customer={},
            refunds={},
            issues=[],
            total=1,
        )
        words = status_text(order)
        assert words.headline
        assert words.tone in ("good", "wait", "bad")


def test_what_was_sold_meanwhile_and_what_was_declined_is_said(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    with shop.later(minutes=70):
        shop.reconcile()
        shop.paid(BOWL=1)
        page = shopper.follow(shop.come_back(shopper, token))
    assert "Other customers bought one or more of your items" in page.text
    shopper, token = shop.placed(MUG=1)
    shop.paypal.decline(token)
    page = shopper.follow(shopper.get(f"/payments/paypal/return?token={token}"))
    assert "PayPal declined this payment" in page.text
    assert "You haven’t been charged" in page.text


def test_a_refund_is_shown(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.deliver_notifications()
    page = shopper.get(f"/orders/{order_id}")
    assert "We refunded €5.00." in page.text
    assert "Thank you, your order is paid" in page.text


def test_a_second_payment_that_went_back_does_not_undo_the_first(shop: Shop) -> None:
    from chalicelib.payments import refund_settlement, settlement
    from chalicelib.payments.paypal import gateway, values

    shopper, order_id = shop.paid(MUG=1)
    order = shop.order(order_id)
    paid = gateway.get_order(order.paypal_order_id or "").captures[0]
    second = values.Capture(
        "SECONDCAPTURE1", "COMPLETED", paid.money, order.id, None, paid.at, order.paypal_order_id or ""
    )
    order = settlement.settle_capture(order.id, second, payee=None)
    (refund,) = order.refunds
    back = values.Refund("REFUND1", "COMPLETED", paid.money, None, paid.at, "SECONDCAPTURE1")
    refund_settlement.settle_refund(order.id, back, refund)

    page = shopper.get(f"/orders/{order_id}")
    assert "Thank you, your order is paid" in page.text
    assert "We refunded €23.40." in page.text
    assert "Your refund is on its way" not in page.text


def test_money_that_did_not_fit_is_not_passed_over(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.next_capture("completed", value="1.00")
    page = shopper.follow(shop.come_back(shopper, token))
    assert "We received a payment that we can’t accept for this order" in page.text
    assert "You haven’t been charged" not in page.text


def test_the_page_opens_by_its_address_alone_and_by_no_other_name(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    stranger = shop.shopper()
    assert stranger.get(f"/orders/{order_id}").status == 200
    others = [
        order.number, order.paypal_order_id, f"paypal%23{order.paypal_order_id}", f"number%23{order.number}", f"capture%23{order.capture_id}",
        f"number#{order.number}", order_id.upper(), order_id[:-1], order_id + "0", f"{order_id}%00", f"%20{order_id}", f"{order_id}%0a",
        secrets.token_hex(16), "0" * 32, "null", "..", "%2e%2e", "ü", "*", order.cart,
    ]  # fmt: skip
    for other in others:
        assert stranger.get(f"/orders/{other}").status == 404, other
        assert stranger.post(f"/orders/{other}/payment").status in (404, 405), other


def test_no_shared_cache_robot_or_other_site_learns_of_it(shop: Shop) -> None:
    shopper, order_id = shop.paid()
    page = shopper.get(f"/orders/{order_id}")
    assert page.headers["cache-control"] == "private, no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    assert '<meta name="robots" content="noindex">' in page.body
    assert "etag" not in page.headers
    assert "Disallow: /orders/" in shopper.get("/robots.txt").body


def test_it_shows_nothing_that_is_not_the_customers_business(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    order = shop.order(order_id)
    other, other_id = shop.paid(TEA_50=1)
    body = shopper.get(f"/orders/{order_id}").body
    hidden: list[Any] = [
        order.cart,
        order.capture_id,
        order.paypal_order_id,
        order.payee,
        shopper.jar.get("session"),
        other_id,
        "Green tea",
    ]
    for secret in filter(None, hidden):
        assert str(secret) not in body, secret
    assert other is not shopper


def test_customer_input_is_escaped(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.place(shopper, name="<script>alert(1)</script>", address='"><img src=x onerror=y>', city="{{ 7*7 }}")
    (order,) = shop.orders()
    body = shopper.get(f"/orders/{order.id}").body
    assert "<script>alert" not in body
    assert "<img src=x" not in body
    assert "{{ 7*7 }}" in body


def test_looking_costs_one_call_or_two_for_the_buyers_own_badge_and_changes_nothing(shop: Shop) -> None:
    shopper, order_id = shop.paid()
    version = shop.order(order_id).version
    with counted_calls() as calls:
        shop.shopper().get(f"/orders/{order_id}")
    assert calls == {"GetItem": 1}
    with counted_calls() as calls:
        shopper.get(f"/orders/{order_id}")
    assert calls == {"GetItem": 2}
    assert shop.order(order_id).version == version


def test_an_order_of_before_keeps_the_prices_it_was_made_with(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    shop.put_on_shelf("mug", "Another mug", {"MUG": (9900, None, 1)})
    page = shopper.get(f"/orders/{order_id}")
    assert "Pebble mug" in page.text
    assert "€18.50" in page.text
