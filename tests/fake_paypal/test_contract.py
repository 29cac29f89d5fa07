"""The fake PayPal's answers are such as PayPal's own OpenAPI files describe."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.fake_paypal import FakePayPal
from infra.local.fake_paypal.payments.scripted_outcomes import REFUSALS
from tests.fake_paypal.openapi import Contract, paypal_contract
from tests.fake_paypal.shop import Response, Shop, an_order, capture_of, eur
from tests.fake_paypal.test_notifications import VERIFY, question


@pytest.fixture
def contract() -> Contract:
    """Return PayPal's contract, or skip."""
    return paypal_contract()


@pytest.fixture
def checked(paypal: FakePayPal, contract: Contract) -> Shop:
    """Return a client that checks every answer."""

    def check(method: str, path: str, answer: Response) -> None:
        contract.check_answer(method, path, answer.status, answer.raw)

    return Shop(paypal, check)


def test_a_sale_from_order_to_refund_reads_like_paypal(
    paypal: FakePayPal, checked: Shop, contract: Contract
) -> None:
    order_id = checked.create()
    checked.call("POST", "/v2/checkout/orders", an_order(invoice_id="S-2"), "create-2", full=True)
    path = f"/v2/checkout/orders/{order_id}"
    assert checked.call("GET", path).status == 200
    paypal.control.approve(order_id)
    assert checked.call("GET", path).body["status"] == "APPROVED"
    capture_id = capture_of(checked.capture(order_id))["id"]
    assert checked.call("GET", f"/v2/payments/captures/{capture_id}").status == 200
    refund = checked.refund(
        capture_id, "10.00", custom_id="refund-1", invoice_id="R-1", note_to_payer="Sorry"
    )
    assert checked.call("GET", f"/v2/payments/refunds/{refund.body['id']}").status == 200
    assert checked.call("GET", path).body["purchase_units"][0]["payments"]["refunds"]
    for received in paypal.control.requests():
        if received.operation != "token":
            contract.check_request(received)


def test_other_ends_of_a_sale_read_like_paypal(paypal: FakePayPal, checked: Shop) -> None:
    for outcome in ("pending", "declined", "failed"):
        order_id = checked.create(key=f"create-{outcome}", invoice_id=f"S-{outcome}")
        paypal.control.approve(order_id)
        paypal.control.next_capture(outcome)
        capture = capture_of(checked.capture(order_id))
        assert capture["status"] == outcome.upper()
        assert checked.call("GET", f"/v2/payments/captures/{capture['id']}").status == 200
    capture_id = checked.paid(invoice_id="S-9")
    for number, outcome in enumerate(("pending", "failed")):
        paypal.control.next_refund(outcome)
        assert checked.refund(capture_id, "1.00", f"refund-{number}").body["status"] == outcome.upper()


@pytest.mark.parametrize("issue", REFUSALS["capture"])
def test_refused_captures_read_like_paypal(paypal: FakePayPal, checked: Shop, issue: str) -> None:
    order_id = checked.create()
    assert checked.capture(order_id, "too-early").issue == "ORDER_NOT_APPROVED"
    paypal.control.approve(order_id)
    paypal.control.next_capture(issue)
    assert checked.capture(order_id).issue == issue


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ([], 400),
        ({}, 400),
        ({"intent": "SELL", "purchase_units": []}, 400),
        (an_order(extra=1, custom_id="", invoice_id=7), 400),
        (an_order(amount=eur("ten")), 400),
        (an_order(amount=eur("31.00") | {"breakdown": {"item_total": eur("25.00")}}), 422),
        (an_order(amount=eur("25.00")), 422),
        (an_order(items=[], amount=eur("0.00")), 422),
        (an_order(items=[], amount=eur("1.001")), 422),
        (an_order(items=[], amount=eur("-1.00")), 422),
        (an_order(items=[], amount={"currency_code": "XXX", "value": "1.00"}), 422),
    ],
)
def test_refused_orders_read_like_paypal(checked: Shop, body: Any, status: int) -> None:
    assert checked.call("POST", "/v2/checkout/orders", body, "create-1").status == status


@pytest.mark.parametrize("issue", REFUSALS["refund"])
def test_scripted_refusals_of_refunds_read_like_paypal(paypal: FakePayPal, checked: Shop, issue: str) -> None:
    capture_id = checked.paid()
    paypal.control.next_refund(issue)
    assert checked.refund(capture_id).issue == issue


def test_refused_refunds_read_like_paypal(paypal: FakePayPal, checked: Shop) -> None:
    capture_id = checked.paid()
    for number, body in enumerate(
        (b"{", {"amount": {}}, {"extra": 1}, {"amount": eur("0.00")}, {"amount": eur("99.00")})
    ):
        answer = checked.call("POST", f"/v2/payments/captures/{capture_id}/refund", body, f"bad-{number}")
        assert answer.status in {400, 422}
    assert checked.refund(capture_id, None, "all", invoice_id="R-1").status == 201
    assert checked.refund(capture_id, None, "again").issue == "CAPTURE_FULLY_REFUNDED"
    other = checked.paid(invoice_id="S-2")
    assert checked.refund(other, "1.00", "other", invoice_id="R-1").issue == "DUPLICATE_INVOICE_ID"


def test_what_is_unknown_or_forbidden_reads_like_paypal(paypal: FakePayPal, checked: Shop) -> None:
    paths = ("/v2/checkout/orders/NONE", "/v2/payments/captures/NONE", "/v2/payments/refunds/NONE")
    for path in paths:
        assert checked.call("GET", path).status == 404
    paypal.control.revoke_tokens()
    for path in paths:
        assert checked.call("GET", path).status == 401


def test_events_read_like_paypal(paypal: FakePayPal, checked: Shop) -> None:
    checked.paid()
    listed = checked.call("GET", "/v1/notifications/webhooks-events?page_size=1")
    assert (listed.status, listed.body["count"]) == (200, 1)
    event = listed.body["events"][0]
    # Real ids have a hyphen, which the file's own pattern for the path does not allow: judge the answer alone.
    answer = checked.call("GET", f"/v1/notifications/webhooks-events/{event['id']}")
    assert answer.body == event
    resent = checked.call("POST", f"/v1/notifications/webhooks-events/{event['id']}/resend", {})
    assert resent.status == 202


def test_signatures_and_the_webhook_read_like_paypal(
    paypal: FakePayPal, checked: Shop, contract: Contract
) -> None:
    paypal.control.set_webhook("https://shop.example/webhooks/paypal")
    assert checked.call("GET", f"/v1/notifications/webhooks/{paypal.webhook_id}").status == 200
    assert checked.call("GET", "/v1/notifications/webhooks/ANOTHER").status == 404
    headers = paypal.control.sign(b"{}")
    asked = question(paypal, headers, b"{}")
    assert checked.call("POST", VERIFY, asked).body["verification_status"] == "SUCCESS"
    assert checked.call("POST", VERIFY, asked.replace(b"{}", b"{ }")).status == 200
    assert checked.call("POST", VERIFY, {}).status == 400
    for received in paypal.control.requests("verify")[:2]:
        contract.check_request(received)


@pytest.mark.parametrize("kind", ["400", "401", "403", "404", "409", "415", "422", "500", "503"])
def test_faults_with_a_status_read_like_paypal(paypal: FakePayPal, checked: Shop, kind: str) -> None:
    paypal.control.fault("get", kind)
    assert checked.call("GET", "/v2/checkout/orders/NONE").status == int(kind)


def test_the_contract_notices_what_is_wrong(contract: Contract) -> None:
    with pytest.raises(AssertionError, match="PAID"):
        contract.check_answer("GET", "/v2/checkout/orders/X", 200, b'{"status": "PAID"}')
