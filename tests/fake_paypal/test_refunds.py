"""Money going back: by the shop, by PayPal's own pages, by a bank, after a dispute."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.local.fake_paypal import ControlError, FakePayPal
from tests.fake_paypal.shop import Shop, eur


def test_refunds_add_up_to_the_capture(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    first = shop.refund(capture_id, "10.00", "refund-1").body
    assert first["seller_payable_breakdown"]["total_refunded_amount"] == eur("10.00")
    assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "PARTIALLY_REFUNDED"
    assert shop.refund(capture_id, "20.01", "refund-2").issue == "REFUND_AMOUNT_EXCEEDED"
    rest = shop.refund(capture_id, None, "refund-3").body
    assert (rest["amount"], rest["status"]) == (eur("20.00"), "COMPLETED")
    assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "REFUNDED"
    assert shop.refund(capture_id, "0.01", "refund-4").issue == "CAPTURE_FULLY_REFUNDED"
    rows = [(row.kind, str(row.amount), str(row.fee)) for row in paypal.control.ledger()]
    assert rows == [("sale", "30.00", "1.54"), ("refund", "-10.00", "0.00"), ("refund", "-20.00", "0.00")]
    assert paypal.control.totals()["EUR"].amount == 0


def test_a_refund_leads_back_to_its_capture(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    refund_id = shop.refund(capture_id, "10.00").body["id"]
    refund = shop.call("GET", f"/v2/payments/refunds/{refund_id}").body
    links = {link["rel"]: link["href"] for link in refund["links"]}
    assert links["up"] == f"{paypal.api_url}/v2/payments/captures/{capture_id}"


@pytest.mark.parametrize(
    ("amount", "issue"),
    [
        (eur("0.00"), "CANNOT_BE_ZERO_OR_NEGATIVE"),
        (eur("-1.00"), "CANNOT_BE_ZERO_OR_NEGATIVE"),
        (eur("1.001"), "DECIMAL_PRECISION"),
        ({"currency_code": "USD", "value": "1.00"}, "REFUND_CAPTURE_CURRENCY_MISMATCH"),
        ({"currency_code": "XYZ", "value": "1.00"}, "INVALID_CURRENCY_CODE"),
    ],
)
def test_wrong_amounts_are_not_refunded(
    paypal: FakePayPal, shop: Shop, amount: dict[str, str], issue: str
) -> None:
    capture_id = shop.paid()
    answer = shop.call("POST", f"/v2/payments/captures/{capture_id}/refund", {"amount": amount}, "refund-1")
    assert answer.issue == issue
    assert len(paypal.control.ledger()) == 1


def test_a_pending_or_declined_capture_cannot_be_refunded(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.slow(order_id)
    capture_id = shop.capture(order_id).body["purchase_units"][0]["payments"]["captures"][0]["id"]
    assert shop.refund(capture_id, None, "refund-1").issue == "PENDING_CAPTURE"
    paypal.control.deny(capture_id)
    assert shop.refund(capture_id, None, "refund-2").issue == "REFUND_NOT_ALLOWED"


def test_refunds_end_after_180_days(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    paypal.control.advance(181 * 86400)
    shop.token = shop.ask_token().body["access_token"]
    assert shop.refund(capture_id).issue == "REFUND_TIME_LIMIT_EXCEEDED"


def test_a_pending_refund_holds_its_amount_until_it_ends(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    paypal.control.next_refund("pending")
    refund = shop.refund(capture_id, "25.00", "refund-1").body
    assert (refund["status"], refund["status_details"]["reason"]) == ("PENDING", "ECHECK")
    assert shop.refund(capture_id, "5.01", "refund-2").issue == "REFUND_AMOUNT_EXCEEDED"
    assert len(paypal.control.ledger()) == 1
    paypal.control.fail_refund(refund["id"])
    assert shop.call("GET", f"/v2/payments/refunds/{refund['id']}").body["status"] == "FAILED"
    assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "COMPLETED"
    paypal.control.next_refund("pending")
    again = shop.refund(capture_id, "30.00", "refund-3").body
    paypal.control.complete_refund(again["id"])
    assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "REFUNDED"
    events = [row.event_type for row in paypal.control.notifications()][2:]
    assert events == [
        "PAYMENT.REFUND.PENDING",
        "PAYMENT.REFUND.FAILED",
        "PAYMENT.REFUND.PENDING",
        "PAYMENT.CAPTURE.REFUNDED",
    ]


def test_the_merchant_refunds_on_paypals_own_pages(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    part = paypal.control.refund(capture_id, "1.50")
    rest = paypal.control.refund(capture_id)
    assert (part["amount"], rest["amount"]) == (eur("1.50"), eur("28.50"))
    told = paypal.control.notifications("PAYMENT.CAPTURE.REFUNDED")
    assert [row.event["resource"]["id"] for row in told] == [part["id"], rest["id"]]
    with pytest.raises(ControlError, match="CAPTURE_FULLY_REFUNDED"):
        paypal.control.refund(capture_id)


def test_a_bank_takes_the_money_back(paypal: FakePayPal, shop: Shop) -> None:
    capture_id = shop.paid()
    reversal = paypal.control.reverse(capture_id)
    (told,) = paypal.control.notifications("PAYMENT.CAPTURE.REVERSED")
    resource = told.event["resource"]
    assert (resource["id"], resource["amount"]) == (reversal["id"], eur("30.00"))
    assert (resource["custom_id"], resource["invoice_id"]) == ("order-1", "S-1")
    # No status of a capture says that it was reversed: the shop has only the event.
    assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "COMPLETED"
    event = shop.call("GET", f"/v1/notifications/webhooks-events/{told.event_id}").body
    assert event == told.event
    assert shop.refund(capture_id).issue == "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"
    row = paypal.control.ledger()[-1]
    assert (row.kind, row.id, row.amount) == ("reversal", reversal["id"], Decimal("-30.00"))


def test_a_dispute_forbids_partial_refunds_and_may_take_the_money_back(
    paypal: FakePayPal, shop: Shop
) -> None:
    capture_id = shop.paid()
    dispute = paypal.control.open_dispute(capture_id)
    assert dispute["disputed_transactions"][0]["seller_transaction_id"] == capture_id
    assert shop.refund(capture_id, "1.00").issue == "TRANSACTION_DISPUTED"
    resolved = paypal.control.resolve_dispute(dispute["dispute_id"], "buyer")
    assert resolved["dispute_outcome"]["amount_refunded"] == eur("30.00")
    events = [row.event_type for row in paypal.control.notifications()][2:]
    assert events == [
        "CUSTOMER.DISPUTE.CREATED",
        "PAYMENT.CAPTURE.REVERSED",
        "CUSTOMER.DISPUTE.RESOLVED",
    ]
    assert paypal.control.totals()["EUR"].amount == 0
    other = paypal.control.open_dispute(shop.paid(invoice_id="S-2"))
    paypal.control.resolve_dispute(other["dispute_id"], "seller")
    assert paypal.control.totals()["EUR"].amount == Decimal("30.00")
