"""Reconcile: every few minutes, check every order with something due, and bring it in line with what PayPal says.

It does not depend on webhooks: what was captured is settled here, what was approved is captured, what can no
longer be paid expires, unsent emails are enqueued, and requested refunds are made.
"""

import logging
import time
from contextlib import nullcontext
from datetime import datetime, timedelta

from chalicelib import clock, telemetry
from chalicelib.database.transactions import Transaction
from chalicelib.mail import outbox
from chalicelib.orders import states
from chalicelib.orders.enums import CloseReason, IssueKind
from chalicelib.orders.indexes import SHARDS
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.payments import capture_payment
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.errors import PayPalError, PayPalNotFound, PayPalOutcomeUnknown
from chalicelib.payments.paypal.values import PayPalOrder
from chalicelib.payments.refunds import submit_pending_refunds
from chalicelib.payments.settlement import settle_paypal_order
from chalicelib.telemetry import Metric

ATTEMPT_LIFETIME = timedelta(hours=3)  # how long PayPal lets a shopper approve an order
UNKNOWN_CONFIRMATIONS = 2  # checks, an hour apart, in which PayPal does not know the order
MAX_ORDERS_PER_RUN = 500  # per shard
RUN_SECONDS = 200  # of the function's 280 s: one more order may need time
# After waiting this long in vain, a run stops asking PayPal, but does what needs no answer.
MAX_UNANSWERED_SECONDS = 60
log = logging.getLogger("awning")


class ReconcileFailed(Exception):
    """Some orders could not be reconciled in this run; each stays due."""


def reconcile_payments() -> int:
    """Work on what is due, the longest overdue first; return how many orders were checked.

    A failing order never blocks the others, nor does a PayPal that does not answer; what a run has no time for
    is first in the next. Raises ReconcileFailed at the end, so that the alarm sees it.
    """
    ends = time.monotonic() + RUN_SECONDS
    failed = []
    looked_at, in_vain = 0, 0.0
    for order_id in due_orders():
        began = time.monotonic()
        if began > ends:
            telemetry.count(Metric.TOOK_LONG)
            break
        looked_at += 1
        with (
            telemetry.log_context(),
            nullcontext() if in_vain < MAX_UNANSWERED_SECONDS else gateway.time_budget(0),
        ):
            try:
                reconcile_order(order_id)
            except PayPalOutcomeUnknown as error:
                in_vain += time.monotonic() - began
                log.warning("order %s will be retried: %s", _number(order_id), error)
            except Exception:
                log.exception("order %s could not be reconciled", _number(order_id))
                failed.append(order_id)
    if failed:
        raise ReconcileFailed(f"{len(failed)} of {looked_at} orders could not be reconciled")
    return looked_at


def _number(order_id: str) -> str:
    """Return an order's number for the log: its ID opens the customer's page."""
    try:
        return str(Order.fetch(order_id).number)
    except Exception:  # noqa: BLE001 - whatever failed, reading may fail in the same way
        return f"{order_id[:6]}…"


def due_orders() -> list[str]:
    """List the IDs of orders with something due, the longest overdue first."""
    now = clock.timestamp()
    rows: list[Order] = []
    for shard in range(SHARDS):
        rows += Order.due_index.query(str(shard), Order.due_at <= now, limit=MAX_ORDERS_PER_RUN)
    return [row.id for row in sorted(rows, key=lambda row: float(row.due_at))]


def reconcile_order(order_id: str) -> None:
    """Bring one order in line with PayPal. Raises PayPalError if PayPal cannot say now."""
    looked = clock.timestamp()
    due: set[str] = set()

    def defer(order: Order, transaction: Transaction) -> bool:
        late = order.defer_due_work(looked)
        due.update(late)  # kept over retries: after a lost answer, the next read finds nothing due any more
        return bool(late)

    order = update_order(order_id, defer)
    if "mail" in due:
        outbox.enqueue(order)
    if "check" in due:
        with telemetry.also_count(Metric.ORDERS_PAID, found_as=Metric.RECONCILER_FOUND):
            _reconcile_payment(order)
    if "refund" in due:
        submit_pending_refunds(order)


# -- the payment ------------------------------------------------------------------------------------------


def _reconcile_payment(order: Order) -> None:
    if order.state == OrderState.AWAITING:
        _reconcile_awaiting(order)
    elif order.state == OrderState.CAPTURING:
        try:
            _reconcile_capturing(order)
        finally:  # also if PayPal does not answer
            if order.is_payment_unresolved:
                _report_unresolved(order.id)
    elif order.state == OrderState.PENDING and order.capture_id is not None:
        capture_payment.settle_capture_id(order.capture_id)
    elif order.state in states.CLOSED:
        _final_check(order)


def _reconcile_awaiting(order: Order) -> None:
    try:
        paypal_order = _current_paypal_order(order)
    except PayPalError:
        _expire_reservation(order)  # a claim reserves again, or is refused
        raise
    if paypal_order is not None and paypal_order.status == "COMPLETED":
        order = settle_paypal_order(order.id, paypal_order)
    elif paypal_order is not None and paypal_order.status == "APPROVED" and not order.declined:
        # PayPal's order stays APPROVED after a decline: it is not captured again without the shopper's consent.
        order = capture_payment.capture_payment(order.id, shopper_present=False, paypal_id=paypal_order.id)
    if order.state != OrderState.AWAITING:
        return
    if _can_no_longer_be_paid(order, paypal_order):
        expire(order.id, attempts=len(order.payment_attempts))
    else:
        _expire_reservation(order)


def _reconcile_capturing(order: Order) -> None:
    """Handle a stale claim, whose process died or got no answer: settle what PayPal says, else repeat the request."""
    paypal_order = _find_paypal_order(order.paypal_order_id)
    if paypal_order is not None and paypal_order.captures:
        settle_paypal_order(order.id, paypal_order)
    elif paypal_order is not None and paypal_order.status == "APPROVED":
        capture_payment.capture_claimed(order, shopper_present=False)
    else:
        capture_payment.release_claim(
            order, capture_payment.CaptureDenied(approved=paypal_order is None, request_id_used=False)
        )


def _report_unresolved(order_id: str) -> None:
    """Open an issue for staff, once per claim, unless the payment was settled by now."""

    def action(order: Order, transaction: Transaction) -> bool:
        claim = str(order.capture_claim)
        if not order.is_payment_unresolved or order.has_issue(IssueKind.PAYMENT_UNRESOLVED, claim):
            return False
        order.open_issue(IssueKind.PAYMENT_UNRESOLVED, claim)
        return True

    outbox.enqueue(update_order(order_id, action))


def _current_paypal_order(order: Order) -> PayPalOrder | None:
    """Read the last attempt, or an earlier one that was approved or paid instead; None if PayPal knows none."""
    last = _find_paypal_order(order.paypal_order_id)
    if last is not None and last.status in ("APPROVED", "COMPLETED"):
        return last
    for attempt in order.payment_attempts[-2::-1]:
        if not (attempt["ended"] or attempt.get("declined")):
            earlier = _find_paypal_order(attempt["id"])
            if earlier is not None and earlier.status in ("APPROVED", "COMPLETED"):
                return earlier
    return last


def _find_paypal_order(paypal_id: str | None) -> PayPalOrder | None:
    """Read an attempt at PayPal; None if there is none, or PayPal no longer knows it."""
    try:
        return None if paypal_id is None else gateway.get_order(paypal_id)
    except PayPalNotFound:
        return None


def _can_no_longer_be_paid(order: Order, paypal_order: PayPalOrder | None) -> bool:
    """Return whether the order can no longer be paid."""
    ended = bool(order.payment_attempts) and order.payment_attempts[-1]["ended"]
    if paypal_order is not None and not paypal_order.is_dead and not ended:
        return False
    if not ended and paypal_order is not None and paypal_order.status == "VOIDED":
        return True
    # Never sent to PayPal, or declined there: the shopper may try again for as long as PayPal would wait.
    # PayPal also keeps an order for that long: if it says earlier that it knows none, it is wrong.
    since = order.payment_attempts[-1]["at"] if order.payment_attempts else order.placed_at
    return clock.now() - datetime.fromisoformat(since) >= ATTEMPT_LIFETIME


def expire(order_id: str, attempts: int) -> None:
    """Close an order that can no longer be paid: return its stock, and email the customer if they had approved.

    `attempts` is how many there were when PayPal was asked: a shopper who started another since may pay it.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING or len(order.payment_attempts) != attempts:
            return False
        order.expire(CloseReason.PAYMENT_EXPIRED, transaction)
        return True

    outbox.enqueue(update_order(order_id, action))


def _expire_reservation(order: Order) -> None:
    """End the reservation of an unpaid order if its time is over."""

    def is_over(order: Order) -> bool:
        return bool(order.reserved) and order.reserved_until <= clock.timestamp()

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING or not is_over(order):
            return False
        order.expire_reservation(transaction)
        return True

    if is_over(order):
        update_order(order.id, action)


def _final_check(order: Order) -> None:
    """Check every attempt of a closed order for money that was taken after all, which is then booked and refunded.

    The order is checked again while a payment is pending, and once if PayPal no longer knows an attempt: that
    may be wrong.
    """
    unknown = pending = False
    for attempt in order.payment_attempts:
        paypal_order = _find_paypal_order(attempt["id"])
        if paypal_order is None:
            unknown = True
            continue
        settle_paypal_order(order.id, paypal_order)
        pending = pending or any(capture.status == "PENDING" for capture in paypal_order.captures)
    if unknown and order.check_count + 1 < UNKNOWN_CONFIRMATIONS:
        _count_unknown(order.id)
    elif not pending:
        _stop_checks(order.id)


def _count_unknown(order_id: str) -> None:
    """Count a check in which PayPal said that it no longer knows an attempt.

    A check without an answer is not counted.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        order.check_count += 1
        return True

    update_order(order_id, action)


def _stop_checks(order_id: str) -> None:
    def action(order: Order, transaction: Transaction) -> bool:
        if not order.next_check_at:
            return False
        order.stop_checks()
        return True

    update_order(order_id, action)
