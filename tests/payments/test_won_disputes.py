"""What a bank or PayPal took comes back where the shop wins: booked once, as PayPal itself tells it."""

import json
from itertools import permutations
from typing import Any

import pytest

from chalicelib.mail.render import render_email
from chalicelib.orders.issues import describe_issue
from chalicelib.orders.models import Order
from chalicelib.payments.paypal import gateway
from tests.client import Shopper
from tests.invariants import check_books, check_money
from tests.shop import Shop


def taken_and_disputed(shop: Shop, value: str | None = None) -> tuple[str, str, str]:
    """Sell; a bank takes money back; the buyer opens a case. Return the order's ID, the capture, the case."""
    _, order_id = shop.paid(MUG=2)
    capture = str(shop.order(order_id).capture_id)
    shop.paypal.reverse(capture, value)
    return order_id, capture, str(shop.paypal.open_dispute(capture)["dispute_id"])


def moved(shop: Shop) -> list[tuple[str, int]]:
    return [(row.kind, int(row.amount)) for row in shop.ledger()]


@pytest.mark.parametrize("value", [None, "10.00"])
def test_a_won_dispute_brings_back_what_was_taken_once(shop: Shop, value: str | None) -> None:
    order_id, _, dispute = taken_and_disputed(shop, value)
    shop.deliver_notifications()
    taken = int(shop.order(order_id).reversed)
    assert taken == (4190 if value is None else 1000)

    shop.paypal.resolve_dispute(dispute, "seller")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications():
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("paypal-webhooks")

    order = shop.order(order_id)
    assert (order.state, order.reversed, order.refundable_amount) == ("paid", 0, order.total)
    assert moved(shop) == [("sale", 4190), ("reversal", -taken), ("reversal_cancelled", taken)]
    assert [issue["kind"] for issue in order.issues].count("reversal_cancelled") == 1
    told = [describe_issue(issue).description for issue in order.issues if issue["kind"] == "dispute"]
    assert "It was decided in your favour." in told[-1]
    check_money(shop)
    check_books(shop)
    assert "reversed" not in shop.shopper().get(f"/orders/{order_id}").text.partition("Order updates")[0]


def test_a_win_is_a_win_in_american_spelling_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id, _, dispute = taken_and_disputed(shop)
    shop.deliver_notifications()
    real = gateway.get_event

    def in_american(event_id: str) -> dict[str, Any]:
        return dict(json.loads(json.dumps(real(event_id)).replace("_FAVOUR", "_FAVOR")))

    monkeypatch.setattr(gateway, "get_event", in_american)
    shop.paypal.resolve_dispute(dispute, "seller")
    shop.deliver_notifications()

    order = shop.order(order_id)
    assert int(order.reversed) == 0
    told = [describe_issue(issue).description for issue in order.issues if issue["kind"] == "dispute"]
    assert "It was decided in your favour." in told[-1]
    check_money(shop)


def test_a_won_dispute_settles_alike_in_any_order_of_notifications(shop: Shop) -> None:
    for turn in permutations(range(3)):
        order_id, capture, dispute = taken_and_disputed(shop)
        shop.paypal.resolve_dispute(dispute, "seller")
        told = [
            one
            for one in shop.paypal.notifications()
            if one.event_type
            in ("PAYMENT.CAPTURE.REVERSED", "CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.RESOLVED")
            and capture in one.body
        ]
        for index in turn:
            shop.notify(told[index].body, told[index].headers)
            shop.functions.drain("paypal-webhooks")
        order = shop.order(order_id)
        assert int(order.reversed) == 0, turn
        assert len(order.recorded_transactions or ()) == 3, turn
    check_money(shop)


def test_a_lost_dispute_brings_nothing_back(shop: Shop) -> None:
    order_id, _, dispute = taken_and_disputed(shop)
    shop.paypal.resolve_dispute(dispute, "buyer")
    shop.deliver_notifications()
    assert int(shop.order(order_id).reversed) == 4190
    assert [kind for kind, _ in moved(shop)] == ["sale", "reversal"]
    assert describe_issue(shop.order(order_id).issues[-1]).title == "PayPal dispute closed"


def test_a_dispute_that_was_won_before_says_nothing_of_what_is_taken_later(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = str(shop.order(order_id).capture_id)
    dispute = shop.paypal.open_dispute(capture)["dispute_id"]
    shop.paypal.resolve_dispute(dispute, "seller")
    shop.deliver_notifications()
    assert moved(shop) == [("sale", 4190)]
    with shop.later(hours=1):
        shop.paypal.reverse(capture)
        shop.deliver_notifications()
    assert int(shop.order(order_id).reversed) == 4190
    check_money(shop)


def test_a_reversal_that_is_cancelled_without_a_dispute_is_booked_once(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = str(shop.order(order_id).capture_id)
    shop.deliver_notifications()
    with shop.later(minutes=5):
        shop.paypal.reverse(capture)
        shop.deliver_notifications()
    with shop.later(minutes=10):
        shop.paypal.cancel_reversal(capture)
        shop.deliver_notifications()
        for sent in shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED"):
            shop.notify(sent.body, sent.headers)
        shop.functions.drain("paypal-webhooks")
    assert moved(shop) == [("sale", 4190), ("reversal", -4190), ("reversal_cancelled", 4190)]
    check_money(shop)


def test_the_first_notification_of_a_payment_that_comes_late_cancels_no_reversal(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    with shop.later(minutes=5):
        shop.paypal.reverse(str(shop.order(order_id).capture_id))
        shop.deliver_notifications()
        for sent in shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED"):
            shop.notify(sent.body, sent.headers)
        shop.functions.drain("paypal-webhooks")
    assert int(shop.order(order_id).reversed) == 4190


def test_staff_see_that_it_came_back(shop: Shop, merchant: Shopper) -> None:
    order_id, _, dispute = taken_and_disputed(shop)
    shop.paypal.resolve_dispute(dispute, "seller")
    shop.deliver_notifications()
    page = merchant.get(f"/staff/orders/{order_id}").text
    assert "Chargeback reversed" in page
    assert "€41.90 of a chargeback was returned." in page
    assert "Chargeback reversed" in merchant.get("/staff/attention").text


# -- each refund's mail names its own movement ----------------------------------------------------------------


def refund_letters(order: Order) -> list[str]:
    entries = [
        entry for entry in (*order.emails_due, *order.emails_sent) if entry.startswith("refund_completed#")
    ]
    by_booking = {str(one["paypal_id"]): number for number, one in enumerate(order.ledger_entries or [])}
    letters = [
        render_email(order, entry)
        for entry in sorted(entries, key=lambda one: by_booking[one.partition("#")[2]])
    ]
    return [letter.text for letter in letters if letter]


def test_two_equal_refunds_close_together_are_notified_separately(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = str(shop.order(order_id).capture_id)
    shop.paypal.refund(capture, "5.00")
    shop.paypal.refund(capture, "5.00")
    shop.deliver_notifications()

    first, second = refund_letters(shop.order(order_id))

    assert "Your refund of €5.00 is on its way" in first
    assert "This is a partial refund of the €41.90 you paid" in " ".join(first.split())
    assert "€10.00" not in first
    assert "Including earlier refunds, we’ve now refunded €10.00" in " ".join(second.split())
    assert len(shop.order(order_id).emails_due) + len(shop.order(order_id).emails_sent) == 4


def test_the_last_of_several_refunds_alone_says_that_it_makes_the_whole_amount(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = str(shop.order(order_id).capture_id)
    for _ in range(2):
        shop.paypal.refund(capture, "20.95")
    shop.deliver_notifications()
    first, second = refund_letters(shop.order(order_id))
    assert "full amount" not in first
    assert "full amount" in second
