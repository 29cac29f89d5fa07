"""Faults do what they say: on the wire, and to the money."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.local.fake_paypal import ControlError, FakePayPal
from tests.fake_paypal.shop import Shop, capture_of

CUT = (ConnectionResetError, http.client.RemoteDisconnected)


@pytest.fixture
def approved(paypal: FakePayPal, shop: Shop) -> str:
    """Return an order that can be captured."""
    order_id = shop.create()
    paypal.control.approve(order_id)
    return order_id


@pytest.mark.parametrize("kind", ["cut_before", "500", "503", "429", "404"])
def test_before_its_work_a_fault_leaves_nothing_done(
    paypal: FakePayPal, shop: Shop, approved: str, kind: str
) -> None:
    paypal.control.fault("capture", kind)
    if kind == "cut_before":
        with pytest.raises(CUT):
            shop.capture(approved)
    else:
        assert shop.capture(approved).status == int(kind)
    assert paypal.control.ledger() == []
    assert capture_of(shop.capture(approved))["status"] == "COMPLETED"


@pytest.mark.parametrize("kind", ["cut_after", "cut_body", "bad_body", "html_body", "500_after"])
def test_after_its_work_a_fault_hides_what_was_done(
    paypal: FakePayPal, shop: Shop, approved: str, kind: str
) -> None:
    paypal.control.fault("capture", kind)
    with pytest.raises((*CUT, http.client.IncompleteRead, ValueError, KeyError)):
        _ = shop.capture(approved).body["purchase_units"]
    (row,) = paypal.control.ledger()
    repeated = shop.capture(approved)
    assert (repeated.status, capture_of(repeated)["id"]) == (200, row.id)
    assert len(paypal.control.ledger()) == 1


def test_a_hang_holds_up_nobody_else(paypal: FakePayPal, shop: Shop, approved: str) -> None:
    fault = paypal.control.fault("capture", "hang")
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(shop.capture, approved)
        _until(lambda: bool(paypal.control.requests("capture")))
        assert shop.call("GET", f"/v2/checkout/orders/{approved}").body["status"] == "APPROVED"
        assert shop.capture(approved, "another").status == 201
        assert not hanging.done()
        paypal.control.clear_faults(fault)
        with pytest.raises(CUT):
            hanging.result(timeout=5)
    assert paypal.control.requests("capture")[0].status is None


def test_a_hang_may_come_after_the_work(paypal: FakePayPal, shop: Shop, approved: str) -> None:
    paypal.control.fault("capture", "hang_after", seconds=0.05)
    with pytest.raises(CUT):
        shop.capture(approved)
    assert len(paypal.control.ledger()) == 1


def test_slow_is_late_but_right(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.fault("get", "slow", seconds=0.2)
    started = time.monotonic()
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 200
    assert time.monotonic() - started >= 0.2


def test_too_many_requests_say_when_to_come_again(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.fault("get", "429", seconds=7)
    answer = shop.call("GET", "/v2/checkout/orders/NONE")
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


def test_faults_occur_as_often_and_where_requested(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    path = f"/v2/checkout/orders/{order_id}"
    paypal.control.fault("get", "500", times=2, skip=1, match=order_id)
    assert shop.call("GET", "/v2/checkout/orders/OTHER").status == 404
    assert [shop.call("GET", path).status for _ in range(4)] == [200, 500, 500, 200]
    assert paypal.control.faults() == []


def test_a_fault_without_end_is_cleared(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.fault("any", "503", times=None)
    assert [shop.call("GET", "/v2/checkout/orders/NONE").status for _ in range(3)] == [503] * 3
    assert shop.ask_token().status == 503
    assert paypal.control.faults()[0]["hits"] == 4
    paypal.control.clear_faults()
    assert shop.ask_token().status == 200


@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("token", "POST", "/v1/oauth2/token"),
        ("create", "POST", "/v2/checkout/orders"),
        ("get", "GET", "/v2/checkout/orders/X"),
        ("capture", "POST", "/v2/checkout/orders/X/capture"),
        ("capture_get", "GET", "/v2/payments/captures/X"),
        ("refund", "POST", "/v2/payments/captures/X/refund"),
        ("refund_get", "GET", "/v2/payments/refunds/X"),
        ("events", "GET", "/v1/notifications/webhooks-events"),
        ("event_get", "GET", "/v1/notifications/webhooks-events/X"),
        ("resend", "POST", "/v1/notifications/webhooks-events/X/resend"),
        ("cert", "GET", "/v1/notifications/certs/X"),
    ],
)
def test_every_operation_can_fail(
    paypal: FakePayPal, shop: Shop, operation: str, method: str, path: str
) -> None:
    paypal.control.fault(operation, "502")
    assert shop.call(method, path, {} if method == "POST" else None).status == 502
    assert paypal.control.requests()[-1].operation == operation
    assert paypal.control.requests()[-1].fault == "502"


def test_unknown_faults_are_refused(paypal: FakePayPal) -> None:
    with pytest.raises(ControlError, match="unknown operation"):
        paypal.control.fault("charge", "hang")
    with pytest.raises(ControlError, match="unknown kind"):
        paypal.control.fault("capture", "drop")
    with pytest.raises(ControlError, match="unknown kind"):
        paypal.control.fault("notification", "hang")


def test_requests_are_written_down(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.clear_requests()
    shop.create(key="create-1")
    (received,) = paypal.control.requests()
    assert (received.operation, received.method, received.status) == ("create", "POST", 201)
    assert (received.request_id, received.json["intent"]) == ("create-1", "CAPTURE")


def _until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "that took too long"
        time.sleep(0.01)
