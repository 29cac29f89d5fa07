"""The reconciler finishes what nobody else did."""

from typing import Any
from unittest import mock

import pytest

from chalicelib.money import Money
from tests.shop import Shop, order_id_of, token_of
from tests.staff.staff_client import logged_in


def test_a_shopper_who_paid_and_closed_the_tab_gets_their_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.approve(token)
    with shop.later(minutes=6):
        shop.reconcile()
    (order,) = shop.orders()
    assert order.state == "paid"
    assert shopper.jar["cart_count"] == "1"
    shopper.get(f"/orders/{order.id}")
    assert shopper.jar["cart_count"] == "0"
    assert shop.mails() == ["merchant_order_paid", "order_paid"]


@pytest.mark.parametrize("answer", ["refused", "none"])
def test_a_payment_that_stays_unresolved_is_an_issue_for_staff_once(shop: Shop, answer: str) -> None:
    shopper, token = shop.placed()
    if answer == "refused":  # though PayPal shows no capture
        shop.paypal.refuse("capture", "ORDER_ALREADY_CAPTURED", 422, times=None)
    else:
        shop.paypal.fault("capture", "cut_before", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    with shop.later(minutes=14):
        shop.reconcile()
        assert "This usually takes a few seconds" in shopper.get(f"/orders/{order_id}").text
        assert shop.order(order_id).issues == []
    for minutes in (16, 18, 51):
        with shop.later(minutes=minutes):
            shop.reconcile()
            page = shopper.get(f"/orders/{order_id}")
            assert "Your payment is taking longer than usual" in page.text
            assert "few seconds" not in page.text
            assert 'http-equiv="refresh"' not in page.body
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["payment_unresolved"]
    alerts = logged_in(shop.gateway, "merchant").get("/staff/attention").text
    assert "Payment unresolved for 15 minutes" in alerts

    assert shop.mails().count("merchant_issue") == 1

    shop.paypal.clear_faults()
    with shop.later(minutes=60):
        shop.reconcile()
    # PayPal repeats a refusal under the same request ID.
    assert shop.order(order_id).state == ("capturing" if answer == "refused" else "paid")


def test_an_order_whose_capture_stays_unknown_ends_when_paypals_order_does(shop: Shop) -> None:
    """PayPal says that it was captured, shows no capture, and repeats that; staff cannot end it meanwhile."""
    before = shop.stock("TEA-50")
    shopper, token = shop.placed()
    shop.paypal.refuse("capture", "ORDER_ALREADY_CAPTURED", 422, times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    with shop.later(hours=2):
        shop.reconcile()
        assert shop.order(order_id).state == "capturing"
    for hours in (4, 5):  # PayPal keeps an approved order for three
        with shop.later(hours=hours):
            shop.reconcile()
    assert shop.order(order_id).state == "expired"
    assert shop.stock("TEA-50") == before
    assert len(shop.paypal.ledger()) == len(shop.ledger()) == 0
    with shop.later(hours=5):
        shop.functions.drain("order-emails")
    assert "order_expired" in shop.mails()


def test_a_payment_that_is_found_late_is_no_issue(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    with shop.later(minutes=40):  # the reconciler did not run before
        shop.reconcile()
    assert (shop.order(order_id).state, shop.order(order_id).issues) == ("paid", [])


def test_the_notification_of_an_approval_brings_the_reconciler_sooner(shop: Shop) -> None:
    _, token = shop.placed()
    with shop.later(minutes=6):
        shop.reconcile()
        shop.paypal.approve(token)
        shop.deliver_notifications()
    with shop.later(minutes=9):
        shop.reconcile()
    assert shop.orders()[0].state == "paid"


def test_captured_money_makes_a_paid_order_within_two_rounds_without_any_webhook(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    with shop.later(minutes=5):
        shop.reconcile()
    assert shop.order(order_id).state == "paid"
    assert len(shop.ledger()) == 1


def test_before_paypal_has_a_webhook_payments_are_found_without_it(shop: Shop, setting: Any) -> None:
    setting(paypal_webhook_id="")  # as in a shop's first hour on AWS
    _, token = shop.placed()
    shop.paypal.approve(token)
    assert {answer["status"] for answer in shop.deliver_notifications()} == {503}
    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.orders()[0].state == "paid"
    assert len(shop.ledger()) == 1


def test_a_pending_payment_completes_without_any_webhook(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = shop.orders()
    shop.paypal.complete(order.capture_id or "")
    with shop.later(minutes=5):
        shop.reconcile()
    assert shop.order(order.id).state == "paid"


def test_an_order_nobody_paid_expires_quietly_and_its_stock_returns(shop: Shop) -> None:
    shop.placed(MUG=4)
    assert shop.stock("MUG") == 96
    with shop.later(minutes=61):
        shop.reconcile()
        assert shop.stock("MUG") == 100
        assert shop.orders()[0].state == "awaiting"
    with shop.later(hours=4):
        shop.reconcile()
    with shop.later(hours=8):
        shop.reconcile()
    (order,) = shop.orders()
    assert order.state == "expired"
    assert shop.stock("MUG") == 100
    assert shop.mails() == []
    for hours in (15, 16):
        with shop.later(hours=hours):
            assert shop.orders()[0].due_shard
            shop.reconcile()  # the last look; what PayPal does not know any more is asked about twice
    assert not shop.orders()[0].due_shard


def test_the_customer_is_emailed_when_an_approved_order_expires_at_paypal(shop: Shop) -> None:
    _, token = shop.placed()
    shop.paypal.approve(token)
    shop.paypal.fault("capture", "503", times=None)
    with shop.later(minutes=6):
        shop.reconcile()
    with shop.later(hours=7):
        for _ in range(2):
            shop.reconcile()
    with shop.later(hours=8):
        for _ in range(2):
            shop.reconcile()
    assert shop.orders()[0].state == "expired"
    assert shop.mails() == ["order_expired"]
    assert shop.stock("MUG") == 100


def test_an_order_that_never_reached_paypal_expires_too(shop: Shop) -> None:
    shop.paypal.fault("create", "503", times=None)
    shop.place(shop.shopper_with(MUG=1))
    with shop.later(hours=2):
        shop.reconcile()
    with shop.later(hours=4):
        shop.reconcile()
    (order,) = shop.orders()
    assert (order.state, shop.stock("MUG")) == ("expired", 100)


def test_a_fallen_reservation_is_taken_again_when_the_shopper_pays_late(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    with shop.later(minutes=70):
        shop.reconcile()
        assert shop.stock("BOWL") == 1
        order_id = order_id_of(shop.come_back(shopper, token))
    assert shop.order(order_id).state == "paid"
    assert shop.stock("BOWL") == 0


def test_paying_again_after_the_reservation_ended_reserves_the_units_again(shop: Shop) -> None:
    shopper, _token = shop.placed(BOWL=1)
    (order,) = shop.orders()
    with shop.later(minutes=70):
        shop.reconcile()
        shopper.post(f"/orders/{order.id}/payment")
        assert shop.stock("BOWL") == 0
        assert "sold out" not in shopper.get("/cart").text


def test_late_payment_for_what_others_bought_is_refused_uncaptured(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    with shop.later(minutes=70):
        shop.reconcile()
        shop.paid(BOWL=1)
        order_id = order_id_of(shop.come_back(shopper, token))
        order = shop.order(order_id)
    assert (order.state, order.close_reason) == ("expired", "sold_out")
    assert len(shop.paypal.ledger()) == 1
    assert shop.stock("BOWL") == 0
    assert "order_expired" in shop.mails()
    assert "Sorry, your items sold out" in shopper.get(f"/orders/{order_id}").text


def test_one_failing_order_does_not_hold_back_the_rest(shop: Shop) -> None:
    _, first = shop.placed()
    _, second = shop.placed()
    for token in (first, second):
        shop.paypal.approve(token)
    shop.paypal.fault("get", "503", times=None, match=first)
    with shop.later(minutes=6):
        shop.reconcile()
    states = {order.paypal_order_id: order.state for order in shop.orders()}
    assert states == {first: "awaiting", second: "paid"}


def test_a_second_real_payment_is_refunded_and_raised(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = shop.orders()
    slow_capture = order.capture_id or ""
    shop.paypal.deny(slow_capture)
    shop.deliver_notifications()
    again = token_of(shopper.post(f"/orders/{order.id}/payment"))
    shop.come_back(shopper, again)

    from chalicelib.payments import settlement
    from chalicelib.payments.paypal import gateway, values

    paid = gateway.get_order(again).captures[0]
    other = values.Capture("SECONDCAPTURE1", "COMPLETED", paid.money, order.id, None, paid.at, again)
    settlement.settle_capture(order.id, other, payee=None)
    settlement.settle_capture(order.id, other, payee=None)

    order = shop.order(order.id)
    assert [issue["kind"] for issue in order.issues] == ["duplicate_capture"]
    assert [refund["capture_id"] for refund in order.refunds.values()] == ["SECONDCAPTURE1"]
    assert order.state == "paid"


def test_a_refund_whose_answer_was_lost_is_recognised_when_its_notification_comes_first(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.fault("refund", "cut_after", times=None)
    with shop.later(minutes=6):
        shop.reconcile()
    shop.deliver_notifications()
    shop.paypal.clear_faults()
    with shop.later(minutes=12):
        shop.reconcile()

    order = shop.order(order_id)
    assert [refund["status"] for refund in order.refunds.values()] == ["completed"]
    assert not order.next_refund_at
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert len(shop.paypal.ledger()) == 2
    assert order.refunded == 0


def test_a_refund_that_paypal_refuses_is_raised_and_not_tried_for_ever(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.next_refund("REFUND_NOT_ALLOWED")
    with shop.later(minutes=6):
        shop.reconcile()
    order = shop.order(order_id)
    assert [issue["kind"] for issue in order.issues] == ["amount_mismatch", "return_rejected"]
    assert not order.next_refund_at


def test_a_pending_refund_is_followed_to_its_end(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.next_refund("pending")
    with shop.later(minutes=6):
        shop.reconcile()
    (refund,) = shop.order(order_id).refunds.values()
    assert (refund["status"], len(shop.ledger())) == ("pending", 1)
    shop.paypal.complete_refund(refund["paypal_refund_id"])
    with shop.later(minutes=12):
        shop.reconcile()
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]


def test_money_captured_for_an_order_that_was_closed_goes_back(shop: Shop) -> None:
    from chalicelib.payments import settlement
    from chalicelib.payments.paypal import values

    shop.placed(MUG=1)
    (order,) = shop.orders()
    with shop.later(hours=8):
        shop.reconcile()
    assert shop.order(order.id).state == "expired"
    late = values.Capture(
        "LATECAPTURE1", "COMPLETED", Money(int(order.total), "EUR"), order.id, None, "", order.paypal_order_id
    )
    settlement.settle_capture(order.id, late, payee=None)
    order = shop.order(order.id)
    assert order.state == "expired"
    assert [issue["kind"] for issue in order.issues] == ["captured_after_close"]
    assert [refund["status"] for refund in order.refunds.values()] == ["requested"]


def test_mail_that_was_not_announced_is_announced_after_ten_minutes(shop: Shop) -> None:
    with mock.patch("chalicelib.mail.outbox.enqueue"):
        shop.paid()
    with shop.later(minutes=9):
        shop.reconcile()
        assert shop.functions.drain("order-emails") == 0
    with shop.later(minutes=11):
        shop.reconcile()
        assert shop.functions.drain("order-emails") == 2
    (order,) = shop.orders()
    assert (order.emails_due, len(order.emails_sent)) == ({}, 2)


def test_what_was_declined_is_not_captured_behind_the_shoppers_back(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.decline(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    shop.deliver_notifications()  # the approval's own notification comes after the decline
    shop.paypal.next_capture("completed")
    with shop.later(minutes=10):
        shop.reconcile()
    assert shop.order(order_id).state == "awaiting"
    assert len(shop.paypal.requests("capture")) == 1


def test_a_shopper_who_approves_again_after_a_decline_and_leaves_gets_their_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.decline(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    shop.deliver_notifications()
    with shop.later(minutes=2):
        shop.paypal.approve(token)
        shop.deliver_notifications()
    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.order(order_id).state == "paid"


def test_money_taken_for_an_order_that_was_closed_is_found_by_the_last_look(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway

    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    shop.place(shopper, city="Hamburg")  # supersedes it
    assert shop.order(order.id).state == "cancelled"
    shop.paypal.approve(token)
    gateway.capture_order(token, "somebody:else")
    with shop.later(hours=7):
        shop.reconcile()
    with shop.later(hours=8):
        shop.reconcile()
    order = shop.order(order.id)
    assert [issue["kind"] for issue in order.issues] == ["captured_after_close"]
    assert sum(row.amount for row in shop.ledger()) == 0
    assert sum(row.amount for row in shop.paypal.ledger()) == 0


def test_the_last_look_counts_no_silence_of_paypals(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway

    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    shop.place(shopper, city="Hamburg")  # supersedes it
    shop.paypal.approve(token)
    gateway.capture_order(token, "somebody:else")
    shop.paypal.fault("get", "503", times=None, match=token)
    for hour in (7, 9):
        with shop.later(hours=hour):
            shop.reconcile()
    shop.paypal.clear_faults()
    shop.paypal.fault("get", "404", match=token)  # it is back, and wrong once
    for hour in (11, 13, 14):
        with shop.later(hours=hour):
            shop.reconcile()
    order = shop.order(order.id)
    assert [issue["kind"] for issue in order.issues] == ["captured_after_close"]
    assert sum(row.amount for row in shop.paypal.ledger()) == 0


def test_a_payment_pending_for_a_closed_order_is_looked_at_until_it_ends(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway

    shopper, token = shop.placed(MUG=1)
    (_order,) = shop.orders()
    shop.place(shopper, city="Hamburg")
    shop.paypal.slow(token)
    (capture,) = gateway.capture_order(token, "somebody:else").captures
    for hours in (7, 9):
        with shop.later(hours=hours):
            shop.reconcile()
    shop.paypal.complete(capture.id)
    for hours in (11, 12):
        with shop.later(hours=hours):
            shop.reconcile()
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert sum(row.amount for row in shop.paypal.ledger()) == 0


def test_a_refund_that_fails_does_not_hold_back_the_payment_of_the_same_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    order_id = order_id_of(shop.come_back(shopper, token))
    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.paypal.approve(again)
    shop.paypal.fault("capture", "cut_after", times=None)
    shopper.get(f"/payments/paypal/return?token={again}")
    shop.paypal.clear_faults()
    shop.paypal.fault("refund", "503", times=None)
    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.order(order_id).state == "paid"
    shop.paypal.clear_faults()
    with shop.later(minutes=12):
        shop.reconcile()
    assert sorted(row.kind for row in shop.ledger()) == ["refund", "sale", "sale"]


def test_a_lost_answer_while_moving_the_due_time_does_not_skip_the_round(shop: Shop) -> None:
    from chalicelib.database import transactions

    _, token = shop.placed()
    shop.paypal.approve(token)
    real = transactions.Transaction._send
    lost: list[str] = []

    def lose_the_first_answer(self: transactions.Transaction, request: str) -> None:
        real(self, request)
        if not lost:
            lost.append(request)
            raise transactions.OutcomeUnknown("no answer")

    with shop.later(minutes=6), mock.patch.object(transactions.Transaction, "_send", lose_the_first_answer):
        shop.reconcile()
    assert lost
    assert shop.orders()[0].state == "paid"


def test_an_order_paid_again_during_a_reconciler_check_does_not_expire(shop: Shop) -> None:
    from chalicelib.payments import reconciler

    shopper, token = shop.placed()
    (order,) = shop.orders()
    with shop.later(hours=7):
        again = token_of(shopper.post(f"/orders/{order.id}/payment"))
        reconciler.expire(order.id, attempts=1)
    assert again != token
    assert shop.order(order.id).state == "awaiting"


def test_a_wrong_amount_found_late_lets_the_order_be_paid_by_a_new_attempt(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway

    shopper, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.next_capture("completed", value="1.00")
    shop.paypal.approve(token)
    gateway.capture_order(token, "somebody:else")
    again = token_of(shopper.post(f"/orders/{order.id}/payment")) if _settled(shop, order.id) else ""
    assert again != token
    shop.come_back(shopper, again)
    assert shop.order(order.id).state == "paid"


def _settled(shop: Shop, order_id: str) -> bool:
    with shop.later(minutes=6):
        shop.reconcile()
    return bool(shop.order(order_id).issues)
