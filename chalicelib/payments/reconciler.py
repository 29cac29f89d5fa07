"""Reconcile: every few minutes, look at every order that something is due for, and bring it to the truth.

No webhook need ever come: what was captured is settled here, what was approved is captured, what can no longer be
paid expires, mail that was not announced is announced, refunds that were decided are made.
"""

import logging
import time
from contextlib import nullcontext
from datetime import datetime, timedelta

from chalicelib import clock, telemetry
from chalicelib.database.transactions import Transaction
from chalicelib.mail import outbox
from chalicelib.orders import states
from chalicelib.orders.indexes import SHARDS
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change
from chalicelib.payments import capture_payment
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.errors import PayPalError, PayPalGone, PayPalUnknown
from chalicelib.payments.paypal.values import PayPalOrder
from chalicelib.payments.refunds import pursue_refunds
from chalicelib.payments.settlement import settle_paypal_order
from chalicelib.telemetry import Metric

ATTEMPT_LIFE = timedelta(hours=3)  # how long PayPal lets a shopper approve an order
SURE_AFTER = 2  # looks, an hour apart, at what PayPal says it does not know
MOST_A_ROUND = 500  # a shard
ROUND_SECONDS = 200  # of the 280 that the function has: one more order may take its time
SILENT_SECONDS = 60  # in vain, and a round asks PayPal no more, but does what needs no answer
log = logging.getLogger("awning")


class ReconcileFailed(Exception):
    """Some orders could not be reconciled this round; each stays due."""


def reconcile_payments() -> int:
    """Work through what is due, the longest overdue first; return how many orders were looked at.

    One failing order never holds back the rest, nor does a PayPal that is silent; what a round has no time for is first in
    the next. Raises ReconcileFailed at the end, so that the alarm sees it.
    """
    ends = time.monotonic() + ROUND_SECONDS
    failed = []
    looked_at, in_vain = 0, 0.0
    for order_id in due_orders():
        began = time.monotonic()
        if began > ends:
            telemetry.count(Metric.TOOK_LONG)
            break
        looked_at += 1
        with telemetry.about(), nullcontext() if in_vain < SILENT_SECONDS else gateway.within(0):
            try:
                reconcile(order_id)
            except PayPalUnknown as error:
                in_vain += time.monotonic() - began
                log.warning("order %s stays due: %s", _number(order_id), error)
            except Exception:
                log.exception("order %s could not be reconciled", _number(order_id))
                failed.append(order_id)
    if failed:
        raise ReconcileFailed(f"{len(failed)} of {looked_at} orders could not be reconciled")
    return looked_at


def _number(order_id: str) -> str:
    """Tell which order it is without its ID, which opens the customer's page to whoever reads the log."""
    try:
        return str(Order.fetch(order_id).number)
    except Exception:  # noqa: BLE001 - whatever failed, reading may fail the same way
        return f"{order_id[:6]}…"


def due_orders() -> list[str]:
    """List the IDs of orders with something due, the longest overdue first."""
    now = clock.timestamp()
    rows: list[Order] = []
    for shard in range(SHARDS):
        rows += Order.attention_index.query(str(shard), Order.due <= now, limit=MOST_A_ROUND)
    return [row.id for row in sorted(rows, key=lambda row: float(row.due))]


def reconcile(order_id: str) -> None:
    """Bring one order to the truth. Raises PayPalError where PayPal cannot say it now."""
    looked = clock.timestamp()
    due: set[str] = set()

    def push_back(order: Order, transaction: Transaction) -> bool:
        late = order.push_back(looked)
        due.update(late)  # kept over tries: after a lost answer, the next read finds nothing due any more
        return bool(late)

    order = change(order_id, push_back)
    if "mail" in due:
        outbox.announce(order)
    if "check" in due:
        with telemetry.counted_also(Metric.ORDERS_PAID, found_as=Metric.RECONCILER_FOUND):
            _pursue_payment(order)
    if "refund" in due:
        pursue_refunds(order)


# -- the payment ------------------------------------------------------------------------------------------


def _pursue_payment(order: Order) -> None:
    if order.state == states.AWAITING:
        _pursue_awaiting(order)
    elif order.state == states.CAPTURING:
        _pursue_capturing(order)
    elif order.state == states.PENDING and order.capture is not None:
        capture_payment.settle_by_capture(order.capture)
    elif order.state in states.CLOSED:
        _look_a_last_time(order)


def _pursue_awaiting(order: Order) -> None:
    try:
        seen = _seen(order)
    except PayPalError:
        _let_reservation_fall(order)  # a claim takes it again, or refuses
        raise
    if seen is not None and seen.status == "COMPLETED":
        order = settle_paypal_order(order.id, seen)
    elif seen is not None and seen.status == "APPROVED" and not order.declined:
        # PayPal's order stays APPROVED after a decline: what was declined is not tried again behind the shopper's back.
        order = capture_payment.capture_payment(order.id, shopper_present=False, paypal_id=seen.id)
    if order.state != states.AWAITING:
        return
    if _is_over(order, seen):
        expire(order.id, attempts=len(order.attempts))
    else:
        _let_reservation_fall(order)


def _pursue_capturing(order: Order) -> None:
    """A claim is stale: whoever made it died or got no answer. The truth decides, else the same request again."""
    seen = _ask(order.paypal_id)
    if seen is not None and seen.captures:
        settle_paypal_order(order.id, seen)
    elif seen is not None and seen.status == "APPROVED":
        capture_payment.capture_claimed(order, shopper_present=False)
    else:
        capture_payment.release_claim(order, capture_payment.No(approved=seen is None, refused=False))


def _seen(order: Order) -> PayPalOrder | None:
    """Ask PayPal for the last attempt, or an earlier one that was approved or paid instead; None where it knows none."""
    last = _ask(order.paypal_id)
    if last is not None and last.status in ("APPROVED", "COMPLETED"):
        return last
    for attempt in order.attempts[-2::-1]:
        if not (attempt["ended"] or attempt.get("declined")):
            earlier = _ask(attempt["id"])
            if earlier is not None and earlier.status in ("APPROVED", "COMPLETED"):
                return earlier
    return last


def _ask(paypal_id: str | None) -> PayPalOrder | None:
    """Ask PayPal for an attempt; None where there is none, or PayPal no longer knows it."""
    try:
        return None if paypal_id is None else gateway.get_order(paypal_id)
    except PayPalGone:
        return None


def _is_over(order: Order, seen: PayPalOrder | None) -> bool:
    """Tell whether nothing can be paid any more."""
    ended = bool(order.attempts) and order.attempts[-1]["ended"]
    if seen is not None and not seen.is_dead and not ended:
        return False
    if not ended and seen is not None and seen.status == "VOIDED":
        return True
    # Never sent to PayPal, or declined there: the shopper may still try again for as long as PayPal would wait. And for
    # as long PayPal keeps an order: where it says earlier that it knows none, it is wrong.
    since = order.attempts[-1]["at"] if order.attempts else order.placed_at
    return clock.now() - datetime.fromisoformat(since) >= ATTEMPT_LIFE


def expire(order_id: str, attempts: int) -> None:
    """Close an order that can no longer be paid: stock back, the customer told if they had approved.

    `attempts` is how many there were when PayPal was asked: a shopper who began another since may pay it.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING or len(order.attempts) != attempts:
            return False
        order.expire("dead", transaction)
        return True

    outbox.announce(change(order_id, action))


def _let_reservation_fall(order: Order) -> None:
    """Put the pieces of an unpaid order back where their time is over."""

    def is_over(order: Order) -> bool:
        return bool(order.reserved) and order.reserved_until <= clock.timestamp()

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING or not is_over(order):
            return False
        order.drop_reservation(transaction)
        return True

    if is_over(order):
        change(order.id, action)


def _look_a_last_time(order: Order) -> None:
    """Ask for every attempt of a closed order whether money was taken after all: then it is booked and given back.

    It is looked at again while a payment is pending there, and once where PayPal knows an attempt no more: that may be wrong.
    """
    unknown = pending = False
    for attempt in order.attempts:
        seen = _ask(attempt["id"])
        if seen is None:
            unknown = True
            continue
        settle_paypal_order(order.id, seen)
        pending = pending or any(capture.status == "PENDING" for capture in seen.captures)
    if unknown and order.checks + 1 < SURE_AFTER:
        _doubt(order.id)
    elif not pending:
        _rest(order.id)


def _doubt(order_id: str) -> None:
    """Count a look to which PayPal said that it knows an attempt no more. One that it did not answer counts for nothing."""

    def action(order: Order, transaction: Transaction) -> bool:
        order.checks += 1
        return True

    change(order_id, action)


def _rest(order_id: str) -> None:
    def action(order: Order, transaction: Transaction) -> bool:
        if not order.check_due:
            return False
        order.rest()
        return True

    change(order_id, action)
