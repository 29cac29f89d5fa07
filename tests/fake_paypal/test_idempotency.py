"""The same PayPal-Request-Id gets the same answer, as long as PayPal remembers it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from infra.local.fake_paypal import FakePayPal
from tests.fake_paypal.shop import Shop, an_order

HOUR = 3600


def test_an_order_is_created_once(paypal: FakePayPal, shop: Shop) -> None:
    first = shop.call("POST", "/v2/checkout/orders", an_order(), "create-1")
    again = shop.call("POST", "/v2/checkout/orders", an_order(), "create-1")
    assert (first.status, again.status) == (201, 200)
    assert again.raw == first.raw
    assert len(paypal.control.orders()) == 1


def test_a_capture_is_repeated_word_for_word(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: shop.capture(order_id, "same"), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 201]
    assert len({answer.raw for answer in answers}) == 1
    assert len(paypal.control.ledger()) == 1


def test_a_refusal_is_repeated_too(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.decline(order_id)
    refused = shop.capture(order_id, "capture-1")
    paypal.control.approve(order_id)
    assert shop.capture(order_id, "capture-1").raw == refused.raw
    assert shop.capture(order_id, "capture-2").status == 201


def test_a_refund_is_made_once(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    first = shop.refund(capture_id, "10.00", "refund-1")
    assert shop.refund(capture_id, "10.00", "refund-1").raw == first.raw
    assert shop.refund(capture_id, "10.00", "refund-2").body["id"] != first.body["id"]
    assert [row.kind for row in paypal.control.ledger()] == ["sale", "refund", "refund"]


def test_a_request_id_is_not_for_another_body(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    shop.refund(capture_id, "10.00", "refund-1")
    refused = shop.refund(capture_id, "11.00", "refund-1")
    assert (refused.status, refused.issue) == (422, "DUPLICATE_REQUEST_ID")
    assert len(paypal.control.ledger()) == 2


def test_keys_of_orders_are_forgotten_after_six_hours(paypal: FakePayPal, shop: Shop) -> None:
    first = shop.create()
    paypal.control.advance(6 * HOUR - 60)
    assert shop.call("POST", "/v2/checkout/orders", an_order(), "create-1").body["id"] == first
    paypal.control.advance(120)
    assert shop.create() != first


def test_keys_of_refunds_are_remembered_for_45_days(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    first = shop.refund(capture_id, "10.00").body["id"]
    for days, same in ((44, True), (2, False)):
        paypal.control.advance(days * 24 * HOUR)
        shop.token = shop.ask_token().body["access_token"]
        assert (shop.refund(capture_id, "10.00").body["id"] == first) is same


def test_what_was_malformed_may_be_asked_again(shop: Shop) -> None:
    assert shop.call("POST", "/v2/checkout/orders", an_order(extra=1), "create-1").status == 400
    assert shop.create(key="create-1")
