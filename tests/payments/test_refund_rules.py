"""What settlement decides about refunds, reversals and disputes, as tables on plain objects."""

from dataclasses import replace

import pytest

from chalicelib.money import Money
from chalicelib.orders.enums import IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from chalicelib.payments import refund_settlement
from chalicelib.payments.paypal.values import Refund, Reversal, WonDispute
from tests.orders.plain_order import NewRepository, plain_order

AT = "2026-11-22T12:00:00Z"
REFUND = Refund("REFUND", "COMPLETED", Money(500, "EUR"), 17, AT, "FIRST")
OUR_REFUND = {"capture_id": "FIRST", "amount": 500, "currency": "EUR", "reason": "damaged", "at": AT}


def paid_order() -> Order:
    """Return an order that the capture FIRST paid."""
    return plain_order(state=str(OrderState.PAID), capture_id="FIRST", recorded_transactions={"FIRST"})


def refunded_order(status: str | None, paypal_refund_id: str | None = None) -> Order:
    """Return a paid order whose refund `ours` has a status; None: there is no refund."""
    order = paid_order()
    if status:
        order.refunds = {"ours": {**OUR_REFUND, "status": status, "paypal_refund_id": paypal_refund_id}}
    if status == "completed":
        order.recorded_transactions, order.refunded = {"FIRST", "REFUND"}, 500
    return order


@pytest.mark.parametrize(
    ("known", "reported", "status", "booked", "issues"),
    [
        (None, "COMPLETED", "completed", True, []),  # made in PayPal's dashboard
        (None, "PENDING", "pending", False, []),
        (None, "FAILED", "failed", False, [IssueKind.REFUND_FAILED]),
        (None, "CANCELLED", "failed", False, [IssueKind.REFUND_FAILED]),
        ("requested", "COMPLETED", "completed", True, []),
        ("requested", "PENDING", "pending", False, []),
        ("requested", "FAILED", "failed", False, [IssueKind.REFUND_FAILED]),
        ("pending", "COMPLETED", "completed", True, []),
        ("pending", "PENDING", "pending", False, []),
        ("pending", "FAILED", "failed", False, [IssueKind.REFUND_FAILED]),
        ("failed", "COMPLETED", "completed", True, []),
        ("completed", "COMPLETED", "completed", False, []),
        ("completed", "PENDING", "completed", False, []),
        ("completed", "FAILED", "completed", False, [IssueKind.REFUND_REVERSED]),
        ("completed", "CANCELLED", "completed", False, [IssueKind.REFUND_REVERSED]),
    ],
)
def test_what_paypal_says_of_a_refund_decides_by_what_is_known(
    repository: NewRepository,
    known: str | None,
    reported: str,
    status: str,
    booked: bool,
    issues: list[IssueKind],
) -> None:
    after = repository(refunded_order(known, None if known in (None, "requested") else "REFUND"))
    refund = replace(REFUND, status=reported)

    refund_settlement.settle_refund(after.order.id, refund, "ours" if known == "requested" else None)

    ((key, entry),) = after.order.refunds.items()
    assert (key, entry["status"]) == ("ours" if known else "REFUND", status)
    assert after.issues == issues
    assert (after.movement is not None) == booked
    assert after.order.refunded == (500 if status == "completed" else 0)
    assert (after.order.next_refund_at is not None) == (status == "pending" and known != "pending")
    if after.movement is not None:
        assert (after.movement.kind, after.movement.amount, after.movement.fee) == ("refund", -500, -17)
        assert after.emails == ["refund_completed"]
    # However often it is reported, it is booked and raised once.
    after.transaction = None
    refund_settlement.settle_refund(after.order.id, refund)
    assert after.transaction is None


def test_a_refund_of_money_that_was_never_ours_is_not_booked(repository: NewRepository) -> None:
    order = plain_order()
    order.open_issue(IssueKind.PAYEE_MISMATCH, "FOREIGN")
    after = repository(order)
    refund_settlement.settle_refund(order.id, replace(REFUND, capture_id="FOREIGN"))
    assert after.transaction is None


@pytest.mark.parametrize(
    ("refund", "refunded_before", "issues", "requested"),
    [
        ({"actor": "staff"}, 0, [IssueKind.REFUND_REJECTED], []),
        ({}, 0, [IssueKind.RETURN_REJECTED], []),
        ({}, 200, [], [300]),  # a part was refunded in PayPal's dashboard: the rest is requested
        ({}, 500, [], []),
    ],
)
def test_a_refund_that_paypal_rejects_is_for_staff_or_for_the_rest(
    repository: NewRepository,
    refund: dict[str, str],
    refunded_before: int,
    issues: list[IssueKind],
    requested: list[int],
) -> None:
    order = refunded_order("requested")
    order.refunds = {"ours": {**order.refunds["ours"], **refund}}
    if refunded_before:
        before = {
            **OUR_REFUND,
            "amount": refunded_before,
            "status": "completed",
            "paypal_refund_id": "THEIRS",
        }
        order.refunds = {**order.refunds, "THEIRS": before}
    after = repository(order)

    refund_settlement.reject_refund(order.id, "ours", "REFUND_NOT_ALLOWED")

    rejected = after.order.refunds["ours"]
    assert (rejected["status"], rejected["rejection"]) == ("failed", "REFUND_NOT_ALLOWED")
    assert after.issues == issues
    assert [one["amount"] for one in after.order.open_refunds().values()] == requested
    assert after.movement is None


def reversal(name: str, amount: int, at: str = AT) -> Reversal:
    return Reversal(name, Money(amount, "EUR"), at, "FIRST")


def won(amount: int | None, at: str = "2026-11-23T12:00:00Z") -> WonDispute:
    return WonDispute("WON", "FIRST", at, None if amount is None else Money(amount, "EUR"))


@pytest.mark.parametrize(
    ("taken", "dispute", "returned"),
    [
        ([1000], won(1000), 1000),
        ([1000], won(None), 1000),  # PayPal names no amount: all that was taken
        ([1000], won(400), 400),
        ([1000], won(9000), 1000),  # never more than was taken
        ([1000, 500], won(None), 1500),
        ([1000], won(1000, at="2026-11-21T12:00:00Z"), 0),  # decided before it was taken
        ([], won(1000), 0),
    ],
)
def test_a_won_dispute_returns_what_was_taken_until_then_once(
    repository: NewRepository, taken: list[int], dispute: WonDispute, returned: int
) -> None:
    after = repository(paid_order())
    order_id = after.order.id
    for number, amount in enumerate(taken):
        for _ in range(2):  # reported twice, booked once
            refund_settlement.settle_reversal(order_id, reversal(f"R{number}", amount))
        assert after.movement is not None
        assert (after.movement.kind, after.movement.amount) == ("reversal", -amount)
    after.transaction = None

    refund_settlement.settle_won_dispute(order_id, dispute, keep=False)

    assert after.order.reversed == sum(taken) - returned
    assert (after.movement.amount if after.movement else 0) == returned
    kinds = [IssueKind.REVERSAL] * len(taken) + [IssueKind.REVERSAL_CANCELLED] * bool(returned)
    assert after.issues == kinds
    after.transaction = None
    refund_settlement.settle_won_dispute(order_id, dispute, keep=False)
    assert after.transaction is None


def test_a_won_dispute_that_is_reported_before_its_reversal_is_kept_for_it(repository: NewRepository) -> None:
    after = repository(paid_order())
    refund_settlement.settle_won_dispute(after.order.id, won(1000))
    assert after.movement is None
    assert list(after.order.won_disputes or {}) == ["WON"]

    refund_settlement.settle_reversal(after.order.id, reversal("R", 1000))

    assert after.order.reversed == 0
    assert after.issues == [IssueKind.REVERSAL, IssueKind.REVERSAL_CANCELLED]
    assert after.order.has_recorded("R")
    assert after.order.has_recorded("WON")
