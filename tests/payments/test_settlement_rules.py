"""Settlement's decisions as tables, on plain objects: what PayPal says of a capture × the order's state → the outcome."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.database.transactions import ConditionFailed
from chalicelib.money import Money
from chalicelib.orders.enums import CloseReason, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from chalicelib.payments import settlement
from chalicelib.payments.paypal.values import Capture, Payee
from tests.orders.plain_order import (
    PAYPAL_ORDER,
    QUANTITY,
    SKU,
    TOTAL,
    NewRepository,
    PlainRepository,
    plain_order,
)

AWAITING, CAPTURING, PENDING, PAID, SHIPPED, CANCELLED, EXPIRED = OrderState
SHOP = Payee("SHOP", "shop@example.com")
ATTEMPT = {"id": PAYPAL_ORDER, "payee": "SHOP", "payee_email": "shop@example.com", "ended": False}
AT = "2026-11-22T12:00:00Z"
CAPTURE = Capture("CAPTURE", "COMPLETED", Money(TOTAL, "EUR"), None, 181, AT, PAYPAL_ORDER)
PAID_BY = {"capture_id": "FIRST", "recorded_transactions": {"FIRST"}}
USUAL: dict[OrderState, dict[str, Any]] = {
    AWAITING: {"reserved": True},
    CAPTURING: {"reserved": True, "capture_claim": "claim", "claimed_at": 1},
    PENDING: {"reserved": True, "capture_id": "CAPTURE"},
    PAID: PAID_BY,
    SHIPPED: PAID_BY,
    CANCELLED: {"close_reason": CloseReason.SUPERSEDED},
    EXPIRED: {"close_reason": CloseReason.PAYMENT_EXPIRED},
}


def order_in(state: OrderState, **values: Any) -> Order:
    """Return an order as it usually is in a state, sent to PayPal once; `values` differ."""
    return plain_order(**({"state": str(state), "payment_attempts": [ATTEMPT]} | USUAL[state] | values))


# -- a capture ----------------------------------------------------------------------------------------------

NOTHING, PAYS, WAITS, DENIES = "nothing", "pays", "waits", "denies"
CAPTURED = {
    AWAITING: PAYS,
    CAPTURING: PAYS,
    PENDING: PAYS,
    PAID: IssueKind.DUPLICATE_CAPTURE,
    SHIPPED: IssueKind.DUPLICATE_CAPTURE,
    CANCELLED: IssueKind.CAPTURED_AFTER_CLOSE,
    EXPIRED: IssueKind.CAPTURED_AFTER_CLOSE,
}
DENIED = {CAPTURING: DENIES, PENDING: DENIES}
OUTCOMES: dict[str, dict[OrderState, str]] = {
    "COMPLETED": CAPTURED,
    "PARTIALLY_REFUNDED": CAPTURED,  # whose refunds are settled after it
    "REFUNDED": CAPTURED,
    "PENDING": {AWAITING: WAITS, CAPTURING: WAITS},
    "DECLINED": DENIED,
    "FAILED": DENIED,
}


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("status", OUTCOMES)
def test_what_paypal_says_of_a_capture_decides_by_the_orders_state(
    repository: NewRepository, status: str, state: OrderState
) -> None:
    before = repository(order_in(state))
    check = CHECKS[OUTCOMES[status].get(state, NOTHING)]

    settlement.settle_capture(before.order.id, replace(CAPTURE, status=status), SHOP)

    check(before, state)


def check_nothing(after: PlainRepository, state: OrderState) -> None:
    assert after.transaction is None
    assert after.order.state == state


def check_paid(after: PlainRepository, state: OrderState) -> None:
    order = after.order
    assert (order.state, order.capture_id, order.paid_paypal_order_id) == (PAID, "CAPTURE", PAYPAL_ORDER)
    assert after.movement is not None
    assert (after.movement.kind, after.movement.amount, after.movement.fee) == ("sale", TOTAL, 181)
    assert after.movement.order_lines == [[SKU, "Pebble mug", QUANTITY, 3700]]
    assert order.has_recorded("CAPTURE")
    assert (order.reserved, order.refunds, after.issues) == (False, {}, [])
    assert after.emails == ["merchant_order_paid", "order_paid"]
    assert after.writes["cart"] == "update"


def check_waiting(after: PlainRepository, state: OrderState) -> None:
    order = after.order
    assert (order.state, order.capture_id, order.reserved) == (PENDING, "CAPTURE", True)
    assert after.movement is None
    assert (order.refunds, after.issues, after.emails) == ({}, [], ["payment_pending"])
    assert after.writes["cart"] == "update"


def check_denied(after: PlainRepository, state: OrderState) -> None:
    order = after.order
    assert order.state == AWAITING
    assert not order.capture_id
    assert not order.capture_claim
    assert (order.declined, order.capture_attempt) == (True, 2)
    assert not order.can_be_paid_by(PAYPAL_ORDER)
    assert after.movement is None
    assert (order.refunds, after.issues, after.emails) == ({}, [], ["payment_failed"])
    assert "cart" not in after.writes


def check_unmatched(kind: IssueKind) -> Callable[[PlainRepository, OrderState], None]:
    """Return what checks that money was booked, pays nothing, and is given back."""

    def check(after: PlainRepository, state: OrderState) -> None:
        order = after.order
        assert order.state == (AWAITING if state in (CAPTURING, PENDING) else state)
        assert after.movement is not None
        assert (after.movement.kind, after.movement.order_lines) == ("sale", [])
        (refund,) = order.open_refunds().values()
        assert (refund["capture_id"], refund["reason"]) == ("CAPTURE", kind)
        assert (refund["amount"], refund["currency"]) == (after.movement.amount, after.movement.currency)
        assert order.next_refund_at is not None
        assert (after.issues, after.emails) == ([kind], ["merchant_issue"])
        assert "cart" not in after.writes
        # An order that is still to be paid needs another attempt; one that is closed stays as it was.
        assert order.can_be_paid_by(PAYPAL_ORDER) == (state not in settlement.PAYABLE)

    return check


CHECKS: dict[str, Callable[[PlainRepository, OrderState], None]] = {
    NOTHING: check_nothing,
    PAYS: check_paid,
    WAITS: check_waiting,
    DENIES: check_denied,
    **{kind: check_unmatched(kind) for kind in IssueKind},
}


@pytest.mark.parametrize("state", [AWAITING, CAPTURING, PENDING])
@pytest.mark.parametrize(
    ("difference", "kind"),
    [
        ({"money": Money(TOTAL - 1, "EUR")}, IssueKind.AMOUNT_MISMATCH),
        ({"money": Money(TOTAL + 1, "EUR")}, IssueKind.AMOUNT_MISMATCH),
        ({"money": Money(TOTAL, "USD")}, IssueKind.AMOUNT_MISMATCH),
        ({"custom_id": "0" * 32}, IssueKind.ORDER_MISMATCH),
    ],
)
def test_money_that_is_not_the_orders_pays_nothing_and_goes_back(
    repository: NewRepository, difference: dict[str, Any], kind: IssueKind, state: OrderState
) -> None:
    after = repository(order_in(state))
    settlement.settle_capture(after.order.id, replace(CAPTURE, **difference), SHOP)
    CHECKS[kind](after, state)


@pytest.mark.parametrize("state", [AWAITING, CAPTURING, PENDING])
def test_an_order_that_paypal_names_or_does_not_name_is_paid(
    repository: NewRepository, state: OrderState
) -> None:
    for named in (True, False):
        after = repository(order_in(state))
        custom_id = after.order.id if named else None
        settlement.settle_capture(after.order.id, replace(CAPTURE, custom_id=custom_id), None)
        CHECKS[PAYS](after, state)


def test_a_capture_is_booked_once(repository: NewRepository) -> None:
    after = repository(order_in(CAPTURING))
    settlement.settle_capture(after.order.id, CAPTURE, SHOP)
    paid, after.transaction = after.order, None
    for status in OUTCOMES:
        settlement.settle_capture(after.order.id, replace(CAPTURE, status=status), SHOP)
        assert after.transaction is None, status
        assert after.order is paid


def test_a_second_capture_of_a_pending_payment_is_a_duplicate(repository: NewRepository) -> None:
    after = repository(order_in(PENDING, capture_id="FIRST"))
    settlement.settle_capture(after.order.id, CAPTURE, SHOP)
    assert (after.order.state, after.issues) == (PENDING, [IssueKind.DUPLICATE_CAPTURE])
    assert after.order.capture_id == "FIRST"


# -- what belongs to which attempt ----------------------------------------------------------------------------

EARLIER = {**ATTEMPT, "id": "EARLIER"}


@pytest.mark.parametrize("status", ["DECLINED", "FAILED", "PENDING"])
@pytest.mark.parametrize("state", [CAPTURING, PENDING])
def test_a_late_report_on_another_attempt_leaves_the_current_one_alone(
    repository: NewRepository, state: OrderState, status: str
) -> None:
    after = repository(order_in(state, payment_attempts=[EARLIER, ATTEMPT]))
    late = replace(CAPTURE, id="LATE", status=status, order_id="EARLIER")
    settlement.settle_capture(after.order.id, late, SHOP)
    CHECKS[NOTHING](after, state)


def test_a_pending_report_that_is_older_than_its_denial_changes_nothing(repository: NewRepository) -> None:
    after = repository(order_in(AWAITING, payment_attempts=[{**ATTEMPT, "ended": True}]))
    settlement.settle_capture(after.order.id, replace(CAPTURE, status="PENDING"), SHOP)
    CHECKS[NOTHING](after, AWAITING)


def test_wrong_money_of_an_earlier_attempt_goes_back_while_the_current_one_is_captured(
    repository: NewRepository,
) -> None:
    after = repository(order_in(CAPTURING, payment_attempts=[EARLIER, ATTEMPT]))
    wrong = replace(CAPTURE, money=Money(1, "EUR"), order_id="EARLIER")
    settlement.settle_capture(after.order.id, wrong, SHOP)
    assert (after.order.state, after.order.capture_claim) == (CAPTURING, "claim")
    assert after.issues == [IssueKind.AMOUNT_MISMATCH]
    assert after.order.can_be_paid_by(PAYPAL_ORDER)


@pytest.mark.parametrize(
    ("state", "present", "emails"),
    [(CAPTURING, True, []), (CAPTURING, False, ["payment_failed"]), (PENDING, True, ["payment_failed"])],
)
def test_a_decline_is_emailed_unless_the_shopper_sees_it(
    repository: NewRepository, state: OrderState, present: bool, emails: list[str]
) -> None:
    after = repository(order_in(state))
    declined = replace(CAPTURE, status="DECLINED")
    settlement.settle_capture(after.order.id, declined, SHOP, shopper_present=present)
    assert after.emails == emails


# -- what was sold or changed meanwhile -----------------------------------------------------------------------

NO_STOCK = (f"stock#{SKU}", "reserve")
OTHER_CART = ("cart", "update")


@pytest.mark.parametrize("state", [AWAITING, CAPTURING, PENDING])
def test_a_payment_for_units_that_others_bought_goes_back_and_closes_the_order(
    repository: NewRepository, state: OrderState
) -> None:
    after = repository(order_in(state, reserved=False), NO_STOCK)
    settlement.settle_capture(after.order.id, CAPTURE, SHOP)
    assert (after.order.state, after.order.close_reason) == (EXPIRED, CloseReason.SOLD_OUT)
    assert after.issues == [IssueKind.SOLD_OUT]
    assert [refund["reason"] for refund in after.order.open_refunds().values()] == [IssueKind.SOLD_OUT]
    assert after.emails == ["merchant_issue", "order_expired"]


@pytest.mark.parametrize("state", [AWAITING, CAPTURING, PENDING])
def test_a_payment_takes_units_again_that_were_given_back(
    repository: NewRepository, state: OrderState
) -> None:
    after = repository(order_in(state, reserved=False))
    settlement.settle_capture(after.order.id, CAPTURE, SHOP)
    CHECKS[PAYS](after, state)
    assert after.writes[f"stock#{SKU}"] == "reserve"


def test_a_payment_that_waits_is_taken_though_its_units_are_sold(repository: NewRepository) -> None:
    after = repository(order_in(AWAITING, reserved=False), NO_STOCK)
    settlement.settle_capture(after.order.id, replace(CAPTURE, status="PENDING"), SHOP)
    assert (after.order.state, after.order.reserved) == (PENDING, False)


@pytest.mark.parametrize("status", ["COMPLETED", "PENDING"])
def test_a_cart_that_has_changed_stays_as_it_is(repository: NewRepository, status: str) -> None:
    after = repository(order_in(CAPTURING), OTHER_CART)
    settlement.settle_capture(after.order.id, replace(CAPTURE, status=status), SHOP)
    assert after.order.state in (PAID, PENDING)
    assert "cart" not in after.writes


def test_a_refusal_that_nothing_here_can_heal_is_raised(repository: NewRepository) -> None:
    after = repository(order_in(CAPTURING), ("movement", "put"))
    with pytest.raises(ConditionFailed):
        settlement.settle_capture(after.order.id, CAPTURE, SHOP)
    CHECKS[NOTHING](after, CAPTURING)


# -- whose money ----------------------------------------------------------------------------------------------

OURS, FOREIGN = True, False


@pytest.mark.parametrize(
    ("stored", "reported", "whose"),
    [
        (Payee("id", "a@x.example"), Payee("id", "a@x.example"), OURS),
        (Payee("id", "a@x.example"), Payee("id", "new@x.example"), OURS),
        (Payee("id", "a@x.example"), Payee("other", "a@x.example"), FOREIGN),
        (Payee("id", "a@x.example"), Payee(None, "b@x.example"), FOREIGN),
        (Payee("id", "a@x.example"), Payee(None, "a@x.example"), OURS),
        (Payee("id"), Payee(None, "b@x.example"), OURS),
        (Payee(None, "a@x.example"), Payee("id", "b@x.example"), FOREIGN),
        (Payee(None, "a@x.example"), Payee("id", "a@x.example"), OURS),
        (Payee("id", "a@x.example"), None, OURS),
    ],
)
def test_an_id_decides_whose_money_it_is_and_an_address_where_there_is_none(
    repository: NewRepository, stored: Payee, reported: Payee | None, whose: bool
) -> None:
    payee = stored.merchant_id or stored.email  # as `start_attempt` stores it
    attempt = {**ATTEMPT, "payee": payee, "payee_email": stored.email}
    # Once in PayPal's order, once in the capture itself.
    for in_order in (True, False):
        after = repository(order_in(CAPTURING, payment_attempts=[attempt]))
        capture = CAPTURE if in_order else replace(CAPTURE, payee=reported)
        settlement.settle_capture(after.order.id, capture, reported if in_order else None)
        assert after.order.state == (PAID if whose is OURS else AWAITING)
        assert (IssueKind.PAYEE_MISMATCH in after.issues) == (whose is FOREIGN)


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("status", OUTCOMES)
def test_money_of_somebody_else_is_neither_booked_nor_refunded(
    repository: NewRepository, status: str, state: OrderState
) -> None:
    after = repository(order_in(state))
    capture = replace(CAPTURE, status=status, payee=Payee("SOMEBODY"), money=Money(1, "EUR"))
    for _ in range(2):  # the second report opens no second issue
        settlement.settle_capture(after.order.id, capture, SHOP)
    assert after.movement is None
    assert after.order.refunds == {}
    # Where no money moved, nobody need look at whose it was.
    flagged = status not in settlement.DENIED_STATUSES
    assert after.issues == [IssueKind.PAYEE_MISMATCH] * flagged
    closed = AWAITING if state in (CAPTURING, PENDING) else state
    assert after.order.state == closed
