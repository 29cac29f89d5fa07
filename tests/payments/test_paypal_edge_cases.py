"""What seldom happens, and still must lose nothing: PayPal forgets, refuses for good, is silent for hours; old attempts live."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from chalicelib import clock
from chalicelib.orders.issues import describe_issue
from chalicelib.payments import reconciler, settlement
from chalicelib.payments.paypal import answers, api_client, gateway
from chalicelib.payments.paypal.errors import PayPalOutcomeUnknown
from chalicelib.rate_limits import RateLimitCounter
from tests.client import Shopper
from tests.invariants import check_money
from tests.payments.test_refunds import refund
from tests.shop import Shop, order_id_of, token_of

# -- PayPal forgets its order before its captures -----------------------------------------------------------


def test_a_refund_is_booked_though_paypal_has_forgotten_the_order(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    shop.paypal.fault("get", "404", times=None, match=str(order.paypal_order_id))

    shop.paypal.refund(str(order.capture_id), "5.00")
    shop.deliver_notifications()

    check_money(shop)
    assert shop.order(order_id).refunded == 500


def test_a_reversal_is_booked_though_paypal_has_forgotten_the_order(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    shop.paypal.fault("get", "404", times=None, match=str(order.paypal_order_id))

    shop.paypal.refund(str(order.capture_id), "5.00")
    shop.paypal.reverse(str(order.capture_id), "3.00")
    shop.deliver_notifications()

    check_money(shop)
    assert shop.order(order_id).reversed == 300


def test_money_of_an_order_that_paypal_has_forgotten_pays_it(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    shop.come_back(shopper, token)
    shop.paypal.fault("get", "404", times=None, match=token)

    shop.deliver_notifications()

    assert shop.orders()[0].state == "paid"
    check_money(shop)


def test_a_refused_refund_is_an_issue_though_paypal_has_forgotten_the_order(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    shop.paypal.refund(str(order.capture_id), "5.00")  # nobody has told the shop yet
    shop.paypal.fault("get", "404", times=None, match=str(order.paypal_order_id))

    refund(shop, order_id, int(order.total))

    assert shop.order(order_id).open_refunds() == {}
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["refund_rejected"]


def test_paypal_that_forgets_an_order_for_a_moment_ends_none(shop: Shop) -> None:
    _, token = shop.placed()
    shop.paypal.approve(token)
    shop.paypal.fault("get", "404", match=token)

    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.orders()[0].state == "awaiting"
    with shop.later(minutes=17):
        shop.reconcile()

    assert shop.orders()[0].state == "paid"
    check_money(shop)


# -- PayPal says no for good --------------------------------------------------------------------------------


def test_a_question_that_paypal_refuses_for_good_makes_the_round_fail(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    shop.come_back(shopper, token)
    shop.paypal.fault("get", "403", times=None)  # the app lost a permission, or is another account's

    with shop.later(minutes=6), pytest.raises(reconciler.ReconcileFailed):
        shop.reconcile()

    shop.paypal.clear_faults()
    with shop.later(minutes=12):
        shop.reconcile()
    assert shop.orders()[0].state == "paid"
    check_money(shop)


# -- PayPal is silent ---------------------------------------------------------------------------------------


def test_reservations_fall_while_paypal_gives_no_answer(shop: Shop) -> None:
    shop.placed(BOWL=1)
    shop.paypal.fault("get", "503", times=None)

    with shop.later(minutes=61):
        shop.reconcile()

    assert shop.stock("BOWL") == 1
    assert shop.orders()[0].state == "awaiting"


def test_an_approved_order_keeps_its_units_if_paypal_answers(shop: Shop) -> None:
    _, token = shop.placed(BOWL=1)
    shop.paypal.approve(token)

    with shop.later(minutes=61):
        shop.reconcile()

    assert (shop.orders()[0].state, shop.stock("BOWL")) == ("paid", 0)


def test_a_paypal_that_hangs_holds_back_no_reservation_and_no_mail(shop: Shop) -> None:
    for _ in range(14):
        shop.placed(MUG=1)

    with shop.later(minutes=62), hanging() as asked:
        looked_at = reconciler.reconcile_payments()

    assert looked_at == 14
    assert shop.stock("MUG") == 100
    assert len(asked) < 5, "a round has 200 seconds, and each question takes 20"


@contextmanager
def hanging() -> Iterator[list[str]]:
    """Let PayPal hang until the shop gives up; its clock runs on, ours does not."""
    asked: list[str] = []
    passed = 0.0
    tick = time.monotonic

    def hang(client: Any, request: Any, deadline: float) -> None:
        nonlocal passed
        asked.append(request.path)
        passed += max(0.0, deadline - (tick() + passed))
        raise PayPalOutcomeUnknown("ReadTimeout")

    with (
        mock.patch.object(api_client.Client, "send", hang),
        mock.patch.object(time, "monotonic", side_effect=lambda: tick() + passed),
    ):
        yield asked


def test_what_was_denied_after_a_long_wait_is_looked_at_soon_again(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    for rounds in range(8):
        with shop.later(minutes=5 * (rounds + 1)):
            shop.reconcile()
    (order,) = shop.orders()
    shop.paypal.deny(str(order.capture_id))
    shop.deliver_notifications()

    (order,) = shop.orders()
    assert order.state == "awaiting"
    assert order.next_check_at - clock.timestamp() <= 300


# -- a first attempt that was thought dead ------------------------------------------------------------------


def two_attempts(shop: Shop) -> tuple[Shopper, str, str]:
    """Place an order whose first attempt PayPal does not know for a moment, so that a second is made."""
    shopper, first = shop.placed()
    (order,) = shop.orders()
    shop.paypal.fault("get", "404", match=first)
    second = token_of(shopper.post(f"/orders/{order.id}/payment"))
    assert second != first
    return shopper, first, second


def test_a_second_payment_is_found_and_given_back_without_any_webhook(shop: Shop) -> None:
    shopper, first, second = two_attempts(shop)
    shop.come_back(shopper, second)
    shop.paypal.approve(first)
    gateway.capture_order(first, "somebody:else")

    for hours in (7, 8):
        with shop.later(hours=hours):
            shop.reconcile()

    check_money(shop)
    (order,) = shop.orders()
    assert [issue["kind"] for issue in order.issues] == ["duplicate_capture"]
    assert [refund["status"] for refund in order.refunds.values()] == ["completed"]
    assert order.state == "paid"
    assert order.next_check_at is None, "the last look is done"


def test_returning_from_the_first_attempt_captures_that_attempt(shop: Shop) -> None:
    shopper, first, _ = two_attempts(shop)

    order_id = order_id_of(shop.come_back(shopper, first))

    assert shop.order(order_id).state == "paid"
    assert shop.order(order_id).paid_paypal_order_id == first
    check_money(shop)


def test_an_approved_first_attempt_is_captured_though_the_shopper_never_returned(shop: Shop) -> None:
    _, first, _ = two_attempts(shop)
    shop.paypal.approve(first)

    with shop.later(minutes=6):
        shop.reconcile()

    assert shop.orders()[0].state == "paid"
    check_money(shop)


def test_coming_back_from_an_attempt_that_is_dead_leaves_the_living_one_alone(shop: Shop) -> None:
    shopper, first, second = two_attempts(shop)
    shop.paypal.fault("get", "404", times=None, match=first)
    shop.paypal.fault("capture", "404", times=None, match=first)

    shopper.get(f"/payments/paypal/return?token={first}")
    order_id = order_id_of(shop.come_back(shopper, second))

    assert shop.order(order_id).paid_paypal_order_id == second
    check_money(shop)


def test_what_was_declined_is_not_captured_behind_the_shoppers_back_when_another_attempt_is_made(
    shop: Shop,
) -> None:
    shopper, first = shop.placed()
    shop.paypal.decline(first)
    shopper.get(f"/payments/paypal/return?token={first}")
    (order,) = shop.orders()
    shop.paypal.fault("get", "404", match=first)
    token_of(shopper.post(f"/orders/{order.id}/payment"))
    shop.paypal.approve(first)  # its page was still open

    asked = len(shop.paypal.requests("capture"))
    with shop.later(minutes=6):
        shop.reconcile()

    assert len(shop.paypal.requests("capture")) == asked
    assert shop.orders()[0].state == "awaiting"


def test_each_request_to_capture_has_a_key_of_its_own_when_attempts_take_turns(shop: Shop) -> None:
    shopper, first, second = two_attempts(shop)
    shop.paypal.decline(first)
    shopper.get(f"/payments/paypal/return?token={first}")  # refused: its key is used up
    shop.paypal.decline(second)
    shopper.get(f"/payments/paypal/return?token={second}")

    order_id = order_id_of(shop.come_back(shopper, first))

    assert shop.order(order_id).paid_paypal_order_id == first
    keys = [request.request_id for request in shop.paypal.requests("capture")]
    assert len(keys) == len(set(keys)) == 3


# -- words that come late -----------------------------------------------------------------------------------


def test_a_stale_pending_does_not_take_up_what_was_denied_since(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = shop.orders()
    stale = gateway.get_capture(str(order.capture_id))  # somebody looked, and is slow to write
    shop.paypal.deny(str(order.capture_id))
    shop.deliver_notifications()
    assert shop.order(order.id).state == "awaiting"

    settlement.settle_capture(order.id, stale, None)
    assert shop.order(order.id).state == "awaiting"
    second = token_of(shopper.post(f"/orders/{order.id}/payment"))
    settlement.settle_capture(order.id, stale, None)

    shop.come_back(shopper, second)
    assert shop.order(order.id).state == "paid"
    check_money(shop)


def test_a_capture_in_a_state_that_nobody_knows_is_no_answer(shop: Shop) -> None:
    shopper, token = shop.placed()
    real = answers._known_status
    with mock.patch.object(answers, "_known_status", side_effect=lambda status: real("RELEASED")):
        shop.come_back(shopper, token)
        assert shop.orders()[0].state == "capturing"

    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.orders()[0].state == "paid"


# -- a wrong payment of which PayPal's own pages gave back a part -------------------------------------------


def test_of_a_second_payment_the_rest_goes_back_where_a_part_went_before(shop: Shop) -> None:
    shopper, first, second = two_attempts(shop)
    shop.come_back(shopper, second)
    shop.paypal.approve(first)
    other = gateway.capture_order(first, "somebody:else").captures[0].id
    shop.paypal.refund(other, "5.00")
    shop.deliver_notifications()

    for minutes in (6, 12, 18):
        with shop.later(minutes=minutes):
            shop.reconcile()

    check_money(shop)
    (order,) = shop.orders()
    assert sum(row.amount for row in shop.ledger()) == order.total
    assert [issue["kind"] for issue in order.issues] == ["duplicate_capture"]


def test_a_refused_refund_of_a_wrong_payment_asks_staff_for_what_they_can_do(shop: Shop) -> None:
    shopper, first, second = two_attempts(shop)
    shop.come_back(shopper, second)
    shop.paypal.approve(first)
    gateway.capture_order(first, "somebody:else")
    shop.paypal.next_refund("REFUND_NOT_ALLOWED")
    shop.deliver_notifications()

    with shop.later(minutes=6):
        shop.reconcile()

    (order,) = shop.orders()
    told = describe_issue(order.issues[-1])
    assert told.title == "PayPal rejected a refund"
    assert "PayPal" in told.action
    assert "try again there" not in told.action, "that would refund the payment that paid"


def test_a_decline_that_the_reconciler_meets_counts_against_the_session(shop: Shop) -> None:
    _, token = shop.placed()
    shop.paypal.decline(token)
    with shop.later(minutes=6):
        shop.reconcile()
    (order,) = shop.orders()
    assert (order.state, order.declined) == ("awaiting", True)
    assert [int(row.declined) for row in RateLimitCounter.scan() if row.declined] == [1]
