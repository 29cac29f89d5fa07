"""Twelve ways in which shops have lost money or customers at PayPal, each walked to its end in this one.

What single steps do is tested beside this file; here whole stories end in the same questions: the fixture `shop`.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from chalicelib.config import settings
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.order_request import order_body
from tests.client import Answer, Shopper
from tests.dynamodb_faults import Ask, tampered
from tests.invariants import check_books, check_money, check_stock, check_two_rounds_are_enough, units
from tests.shop import Shop, order_id_of, token_of

SECONDS = 20


@pytest.fixture
def shop(shop: Shop) -> Iterator[Shop]:
    """Return the shop; at the story's end, stock, money, books and orders must be well."""
    shop.put_on_shelf(
        "pin", "Pin", {"PIN-A": (1, None, 100), "PIN-B": (1999, 1010, 100)}, tax_class="reduced"
    )
    before = units(shop)
    yield shop
    shop.paypal.clear_faults()
    check_two_rounds_are_enough(shop)
    check_stock(shop, before)
    check_money(shop)
    check_books(shop)
    check_everything_is_told(shop)


def check_everything_is_told(shop: Shop) -> None:
    """Every mail that is due goes out, and none says “paid” of what is not."""
    shop.functions.drain("order-emails")
    for order in shop.orders():
        assert not order.emails_due, order.number
        told_paid = any(entry.startswith("order_paid#") for entry in order.emails_sent)
        assert told_paid == (order.state in ("paid", "shipped")), order.number


def sales(shop: Shop) -> list[int]:
    """List what PayPal took, in cents."""
    return [int(row.amount * 100) for row in shop.paypal.ledger() if row.kind == "sale"]


def kept(shop: Shop) -> int:
    """Return what is left of it at PayPal, in cents."""
    return int(sum(row.amount for row in shop.paypal.ledger()) * 100)


@contextmanager
def captures_lost(shop: Shop) -> Iterator[None]:
    """Let PayPal capture, and no answer to it come back."""
    shop.paypal.fault("capture", "cut_after", times=None)
    yield
    shop.paypal.clear_faults()


# -- 1 ----------------------------------------------------------------------------------------------------


def test_1_the_return_page_and_the_webhook_race(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=2)
    (order,) = shop.orders()
    shop.paypal.approve(token)
    # PayPal's answer to the capture is on its way while its notification of the same capture arrives.
    shop.paypal.fault("capture", "slow", seconds=1)
    together = Barrier(4)

    def come_back() -> Answer:
        together.wait(SECONDS)
        return Shopper(shop.gateway, dict(shopper.jar)).get(f"/payments/paypal/return?token={token}")

    def notify() -> str:
        together.wait(SECONDS)
        wait_until(lambda: bool(shop.paypal.captures(token)))
        shop.deliver_notifications()
        return str(shop.order(order.id).state)

    with ThreadPoolExecutor(4) as pool:
        returned = [pool.submit(come_back) for _ in range(3)]
        state_at_webhook = pool.submit(notify).result(SECONDS)
        answers = [one.result(SECONDS) for one in returned]

    assert state_at_webhook == "paid"
    assert {order_id_of(answer) for answer in answers} == {order.id}
    assert [order.state for order in shop.orders()] == ["paid"]
    assert (sales(shop), shop.stock("MUG")) == ([4190], 98)
    assert shop.mails() == ["merchant_order_paid", "order_paid"]


def wait_until(true: Callable[[], bool]) -> None:
    """Ask again and again until it is true."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline


# -- 2 ----------------------------------------------------------------------------------------------------


def test_2_the_shopper_never_returns(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    shop.paypal.approve(token)  # and the telephone's battery is empty; no notification comes

    with shop.later(minutes=6):
        shop.reconcile()

    (order,) = shop.orders()
    assert order.state == "paid"
    assert sales(shop) == [order.total]
    assert shop.mails() == ["merchant_order_paid", "order_paid"]
    assert "Thank you, your order is paid" in shopper.get(f"/orders/{order.id}").text
    assert "Your cart is empty." in shopper.get("/cart").text


# -- 3 ----------------------------------------------------------------------------------------------------


def test_3_the_captures_answer_is_lost_and_the_shopper_tries_again_and_again(shop: Shop) -> None:
    shopper, token = shop.placed()
    with captures_lost(shop):
        order_id = order_id_of(shop.come_back(shopper, token))
        for _ in range(2):
            shopper.get(f"/payments/paypal/return?token={token}")
            shopper.post(f"/orders/{order_id}/payment")
        again = shop.place(shopper)  # the cart is still full
    assert order_id_of(again) == order_id

    with shop.later(minutes=5):
        shop.reconcile()

    (order,) = shop.orders()
    assert order.state == "paid"
    assert sales(shop) == [order.total]


# -- 4 ----------------------------------------------------------------------------------------------------


def test_4_the_money_is_captured_and_the_order_never_marked_paid(shop: Shop) -> None:
    shopper, token = shop.placed()
    (order,) = shop.orders()

    def die_after_capture(_: str, __: dict[str, Any], ask: Ask) -> Any:
        if shop.paypal.requests("capture"):
            raise PynamoDBException("nothing is written any more")
        return ask()

    with tampered(die_after_capture):
        shop.paypal.approve(token)
        answer = shopper.get(f"/payments/paypal/return?token={token}")
    assert answer.status >= 500
    assert (sales(shop), shop.order(order.id).state, shop.ledger()) == ([order.total], "capturing", [])

    for minutes in (5, 10):  # and no notification comes
        with shop.later(minutes=minutes):
            shop.reconcile()

    assert shop.order(order.id).state == "paid"
    assert "Thank you, your order is paid" in shopper.get(f"/orders/{order.id}").text


# -- 5 ----------------------------------------------------------------------------------------------------


def test_5_a_declined_card_is_not_paid(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    shop.paypal.decline(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    shop.deliver_notifications()
    for hours in (1, 2, 8):
        with shop.later(hours=hours):
            shop.reconcile()

    order = shop.order(order_id)
    assert (order.state, sales(shop), shop.stock("BOWL")) == ("expired", [], 1)


def test_5_an_echeck_is_not_paid_until_it_is_through(shop: Shop) -> None:
    bounced, through = [held(shop) for _ in range(2)]
    for order_id in (bounced, through):
        assert "Your payment is pending" in shop.shopper().get(f"/orders/{order_id}").text
    shop.functions.drain("order-emails")
    assert (shop.ledger(), sales(shop), shop.mails()) == ([], [], ["payment_pending", "payment_pending"])

    shop.paypal.deny(shop.order(bounced).capture_id or "")
    shop.paypal.complete(shop.order(through).capture_id or "")
    shop.deliver_notifications()

    assert (shop.order(bounced).state, shop.order(through).state) == ("awaiting", "paid")
    assert shop.mails() == [
        "merchant_order_paid",
        "order_paid",
        "payment_failed",
        "payment_pending",
        "payment_pending",
    ]
    assert sales(shop) == [shop.order(through).total]


def held(shop: Shop) -> str:
    """Let somebody pay by a slow method; return the order's ID."""
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    return order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))


# -- 6 ----------------------------------------------------------------------------------------------------


def test_6_too_little_is_paid(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    shop.paypal.next_capture("completed", value="0.01")
    order_id = order_id_of(shop.come_back(shopper, token))
    assert (shop.order(order_id).state, sales(shop)) == ("awaiting", [1])

    with shop.later(minutes=6):
        shop.reconcile()
    assert kept(shop) == 0
    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.come_back(shopper, again)

    order = shop.order(order_id)
    assert (order.state, kept(shop)) == ("paid", order.total)


def test_6_the_cart_grows_after_the_approval(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    assert shopper.post("/cart/lines/MUG", {"quantity": "12"}).status == 303
    assert shopper.post("/cart/lines", {"sku": "BOWL", "quantity": "1"}).status == 303
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))

    order = shop.order(order_id)
    assert (order.state, order.total, sales(shop)) == ("paid", 2340, [2340])
    assert [(line.sku, line.quantity) for line in order.lines] == [("MUG", 1)]
    assert (shop.stock("MUG"), shop.stock("BOWL")) == (99, 1)
    assert "Last bowl" in shopper.get("/cart").text


def test_6_a_larger_order_is_placed_after_the_smaller_was_approved(shop: Shop) -> None:
    shopper, small = shop.placed(MUG=1)
    shop.paypal.approve(small)
    assert shopper.post("/cart/lines/MUG", {"quantity": "12"}).status == 303
    large = token_of(shop.place(shopper))
    shopper.get(f"/payments/paypal/return?token={small}")  # the first tab

    assert {order.paypal_order_id: order.state for order in shop.orders()} == {
        small: "cancelled",
        large: "awaiting",
    }
    assert sales(shop) == []
    shop.come_back(shopper, large)
    assert sales(shop) == [12 * 1850]
    assert shop.stock("MUG") == 88


# -- 7 ----------------------------------------------------------------------------------------------------


def test_7_a_notification_is_forged_or_foreign(shop: Shop) -> None:
    shop.paid(MUG=1)
    genuine = shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")[-1]
    shopper, token = shop.placed(BOWL=1)
    dear = next(order for order in shop.orders() if order.paypal_order_id == token)
    lie = genuine.body.replace(genuine.event["resource"]["custom_id"], dear.id)
    invented = lie.replace(genuine.event["resource"]["id"], "9XX12345CD678901F")

    assert shop.notify(lie, genuine.headers).status == 400
    assert shop.notify(lie, shop.paypal.sign(lie.encode(), key="wrong")).status == 400
    assert shop.notify(lie, shop.paypal.sign(lie.encode(), webhook_id="WH-FOREIGN")).status == 400
    for body in (lie, invented):  # as if the signature itself could be forged
        assert shop.notify(body, shop.paypal.sign(body.encode())).status == 200
    shop.functions.drain("paypal-webhooks", again=True)

    assert shop.order(dear.id).state == "awaiting"
    assert len(sales(shop)) == 1
    shop.come_back(shopper, token)
    assert shop.order(dear.id).state == "paid"


# -- 8 ----------------------------------------------------------------------------------------------------


def test_8_the_token_is_somebody_elses_or_was_used(shop: Shop) -> None:
    cheap, cheap_token = shop.placed(MUG=1)
    _, dear_token = shop.placed(BOWL=1)
    cheap_id = order_id_of(shop.come_back(cheap, cheap_token))
    dear = next(order for order in shop.orders() if order.id != cheap_id)

    # A token that paid already leads to its own order, whoever brings it and whatever is written beside it.
    for query in (f"token={cheap_token}", f"token={cheap_token}&order={dear.id}&PayerID=P"):
        assert order_id_of(shop.shopper().get(f"/payments/paypal/return?{query}")) == cheap_id
    # One of another order that was not approved pays nothing.
    assert order_id_of(cheap.get(f"/payments/paypal/return?token={dear_token}")) == dear.id
    # One that the shop has never made, cheap and approved, is no order's, though it names the dear one.
    own = order_body(shop.order(cheap_id), 9)
    own["purchase_units"][0]["custom_id"] = dear.id
    foreign = gateway.create_order(own, "somebody:else").id
    shop.paypal.approve(foreign)
    assert cheap.get(f"/payments/paypal/return?token={foreign}").status == 404

    assert shop.order(dear.id).state == "awaiting"
    assert sales(shop) == [shop.order(cheap_id).total]


# -- 9 ----------------------------------------------------------------------------------------------------


def test_9_sums_that_do_not_survive_floating_point(shop: Shop) -> None:
    shopper, token = shop.placed(PIN_A=3, PIN_B=7, TEA_100=3)
    order_id = order_id_of(shop.come_back(shopper, token))

    order = shop.order(order_id)
    assert order.items == 3 * 1 + 7 * 1010 + 3 * 990
    assert (order.state, sales(shop)) == ("paid", [order.total])
    shop.paypal.refund(order.capture_id or "", "0.07")
    shop.paypal.refund(order.capture_id or "", "0.10")
    shop.deliver_notifications()
    assert shop.order(order_id).refunded == 17


@pytest.mark.parametrize("currency", ["JPY", "HUF"])
def test_9_a_currency_without_decimals(shop: Shop, setting: Any, currency: str) -> None:
    zones = tuple(replace(zone, rate=490, free_from=6000) for zone in settings.shop.zones)
    setting(currency=currency, shop=replace(settings.shop, zones=zones))
    _, order_id = shop.paid(MUG=2)
    order = shop.order(order_id)
    shop.paypal.refund(order.capture_id or "", "1000")
    shop.deliver_notifications()

    told = [(row.kind, str(row.amount), row.currency) for row in shop.paypal.ledger()]
    assert told == [("sale", "4190", currency), ("refund", "-1000", currency)]
    assert [(row.kind, row.amount) for row in shop.ledger()] == [("sale", 4190), ("refund", -1000)]
    assert (order.total, shop.order(order_id).refunded) == (4190, 1000)


# -- 10 ---------------------------------------------------------------------------------------------------


def test_10_partial_refunds_are_booked_once_each_and_not_as_totals(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = shop.order(order_id).capture_id or ""
    for value in (
        "5.00",
        "5.00",
        "2.50",
    ):  # two are alike, and each event tells the total so far beside its own
        shop.paypal.refund(capture, value)
    shop.deliver_notifications()
    shop.functions.drain("order-emails")
    for _ in range(2):
        for sent in reversed(shop.paypal.notifications()):
            shop.notify(sent.body, sent.headers)
        shop.functions.drain("paypal-webhooks")

    order = shop.order(order_id)
    assert (order.state, order.refunded, order.refundable_amount) == ("paid", 1250, 4190 - 1250)
    assert sorted(row.amount for row in shop.ledger()) == [-500, -500, -250, 4190]
    assert shop.mails().count("refund_completed") == 3


# -- 11 ---------------------------------------------------------------------------------------------------


def test_11_one_order_is_really_paid_twice(shop: Shop) -> None:
    shopper, first = shop.placed()
    (order,) = shop.orders()
    shop.paypal.fault("get", "404", match=first)  # PayPal says once that it does not know its own order
    second = token_of(shopper.post(f"/orders/{order.id}/payment"))
    assert second != first
    shop.come_back(shopper, second)
    shop.paypal.approve(first)
    gateway.capture_order(first, "somebody:else")
    assert sales(shop) == [order.total] * 2

    shop.deliver_notifications()
    shop.deliver_notifications()
    with shop.later(minutes=6):
        shop.reconcile()

    order = shop.order(order.id)
    assert (order.state, order.paid_paypal_order_id, kept(shop)) == ("paid", second, order.total)
    assert [issue["kind"] for issue in order.issues] == ["duplicate_capture"]
    assert "refund_completed" in shop.mails()
    assert shop.stock("MUG") == 99


# -- 12 ---------------------------------------------------------------------------------------------------


def test_12_an_honest_retry_meets_its_own_invoice_number(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")  # PayPal has money under our invoice number now
    order_id = order_id_of(shop.come_back(shopper, token))
    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.paypal.next_capture(
        "DUPLICATE_INVOICE_ID", order_id=again
    )  # and this one's is taken by somebody else
    shop.come_back(shopper, again)
    assert shop.order(order_id).state == "awaiting"

    third = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.come_back(shopper, third)

    order = shop.order(order_id)
    invoices = [shop.paypal.order(each)["purchase_units"][0]["invoice_id"] for each in (token, again, third)]
    assert len(set(invoices)) == 3
    assert (order.state, order.paid_paypal_order_id, order.declined) == ("paid", third, False)
    assert sales(shop) == [100, order.total]


def test_12_a_duplicate_invoice_that_is_our_own_payment_pays_the_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.approve(token)
    gateway.capture_order(token, "an:earlier:one")  # whose answer never came
    shop.paypal.next_capture("DUPLICATE_INVOICE_ID", order_id=token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))

    order = shop.order(order_id)
    assert (order.state, sales(shop)) == ("paid", [order.total])
