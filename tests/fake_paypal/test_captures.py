"""Captures: paid once, declined, slow, and everything the ledger says of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from infra.local.fake_paypal import ControlError, FakePayPal
from tests.fake_paypal.shop import Shop, capture_of


def test_an_approved_order_is_captured_and_booked(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    answer = shop.capture(order_id)
    capture = capture_of(answer)
    assert (answer.status, answer.body["status"], capture["status"]) == (201, "COMPLETED", "COMPLETED")
    assert (capture["custom_id"], capture["invoice_id"]) == ("order-1", "S-1")
    breakdown = capture["seller_receivable_breakdown"]
    amounts = [breakdown[name]["value"] for name in ("gross_amount", "paypal_fee", "net_amount")]
    assert amounts == ["30.00", "1.54", "28.46"]
    (row,) = paypal.control.ledger()
    assert (row.kind, row.id, row.order_id) == ("sale", capture["id"], order_id)
    assert (row.amount, row.fee, row.net) == (Decimal("30.00"), Decimal("1.54"), Decimal("28.46"))
    assert paypal.control.totals()["EUR"].net == Decimal("28.46")


def test_a_capture_leads_back_to_its_order(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    capture = shop.call("GET", f"/v2/payments/captures/{capture_id}").body
    order_id = capture["supplementary_data"]["related_ids"]["order_id"]
    links = {link["rel"]: link["href"] for link in capture["links"]}
    assert links["up"] == f"{paypal.api_url}/v2/checkout/orders/{order_id}"
    assert capture["payee"]["merchant_id"] == "FAKEMERCHANT2"


def test_nothing_is_captured_without_approval(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    assert shop.capture(order_id).issue == "ORDER_NOT_APPROVED"
    assert paypal.control.ledger() == []


def test_an_order_is_captured_once(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: shop.capture(order_id, f"capture-{n}"), range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [422] * 7
    assert {answer.issue for answer in answers if answer.status == 422} == {"ORDER_ALREADY_CAPTURED"}
    assert len(paypal.control.ledger()) == 1


def test_a_declined_card_then_another_pays_the_same_order(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.decline(order_id)
    refused = shop.capture(order_id, "capture-1")
    assert (refused.status, refused.issue) == (422, "INSTRUMENT_DECLINED")
    redirect = {link["rel"]: link["href"] for link in refused.body["links"]}["redirect"]
    assert redirect == f"{paypal.web_url}/checkoutnow?token={order_id}"
    assert shop.capture(order_id, "capture-2").issue == "INSTRUMENT_DECLINED"
    paypal.control.approve(order_id)
    assert capture_of(shop.capture(order_id, "capture-3"))["status"] == "COMPLETED"
    assert len(paypal.control.ledger()) == 1


def test_the_buyer_may_be_asked_back(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    paypal.control.next_capture("PAYER_ACTION_REQUIRED")
    refused = shop.capture(order_id, "capture-1")
    assert "payer-action" in {link["rel"] for link in refused.body["links"]}
    assert shop.capture(order_id, "capture-2").issue == "ORDER_NOT_APPROVED"
    paypal.control.approve(order_id)
    assert capture_of(shop.capture(order_id, "capture-3"))["status"] == "COMPLETED"


def test_a_slow_payment_is_pending_until_it_comes(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.slow(order_id)
    capture = capture_of(shop.capture(order_id))
    assert (capture["status"], capture["status_details"]["reason"]) == ("PENDING", "ECHECK")
    assert paypal.control.ledger() == []
    paypal.control.complete(capture["id"])
    settled = shop.call("GET", f"/v2/payments/captures/{capture['id']}").body
    assert settled["status"] == "COMPLETED"
    assert "status_details" not in settled
    assert len(paypal.control.ledger()) == 1
    events = [row.event_type for row in paypal.control.notifications()]
    assert events == ["CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.COMPLETED"]
    with pytest.raises(ControlError, match="not PENDING"):
        paypal.control.deny(capture["id"])


def test_a_slow_payment_may_be_denied(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.slow(order_id)
    capture = capture_of(shop.capture(order_id))
    paypal.control.deny(capture["id"])
    assert shop.call("GET", f"/v2/payments/captures/{capture['id']}").body["status"] == "DECLINED"
    assert paypal.control.ledger() == []
    assert paypal.control.notifications()[-1].event_type == "PAYMENT.CAPTURE.DENIED"
    assert shop.paid()  # the invoice's number is free again


def test_an_order_may_complete_with_a_declined_capture(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    paypal.control.next_capture("declined")
    answer = shop.capture(order_id)
    assert (answer.body["status"], capture_of(answer)["status"]) == ("COMPLETED", "DECLINED")
    assert paypal.control.ledger() == []
    assert paypal.control.notifications()[-1].event_type == "PAYMENT.CAPTURE.DECLINED"


def test_an_invoice_is_paid_once(paypal: FakePayPal, shop: Shop) -> None:
    shop.paid(invoice_id="S-7")
    order_id = shop.create(key="another", invoice_id="S-7")
    paypal.control.approve(order_id)
    assert shop.capture(order_id).issue == "DUPLICATE_INVOICE_ID"
    assert len(paypal.control.ledger()) == 1


def test_a_capture_can_be_made_to_differ_from_its_order(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    paypal.control.next_capture(value="1.00", currency="USD", custom_id="other", merchant_id="ANTHR2MRCHNT4")
    capture = capture_of(shop.capture(order_id))
    assert capture["amount"] == {"currency_code": "USD", "value": "1.00"}
    assert capture["custom_id"] == "other"
    alone = shop.call("GET", f"/v2/payments/captures/{capture['id']}").body
    assert alone["payee"]["merchant_id"] == "ANTHR2MRCHNT4"
    assert paypal.control.ledger()[0].currency == "USD"


def test_a_script_is_for_its_order_only(paypal: FakePayPal, shop: Shop) -> None:
    first, second = (
        shop.create(key="create-1"),
        shop.create(key="create-2", invoice_id="S-2"),
    )
    paypal.control.next_capture("pending", order_id=second, reason="PENDING_REVIEW")
    for order_id, status in ((first, "COMPLETED"), (second, "PENDING")):
        paypal.control.approve(order_id)
        assert capture_of(shop.capture(order_id, f"capture-{order_id}"))["status"] == status


def test_unknown_outcomes_are_refused(paypal: FakePayPal) -> None:
    with pytest.raises(ControlError, match="unknown outcome"):
        paypal.control.next_capture("BAD_LUCK")
    with pytest.raises(ControlError, match="unknown reason"):
        paypal.control.next_capture("pending", reason="WEATHER")
