"""Handle a queued notification: ask PayPal for the current state, and settle it.

The message itself is not trusted.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib import scheduled_runs, telemetry
from chalicelib.database.transactions import Transaction
from chalicelib.mail import outbox
from chalicelib.orders.enums import IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.orders.timeouts import NEXT_RUN
from chalicelib.payments.capture_payment import settle_capture_id
from chalicelib.payments.paypal import answers, gateway
from chalicelib.payments.paypal.errors import (
    PayPalError,
    PayPalNotFound,
    PayPalOutcomeUnknown,
    PayPalRejected,
)
from chalicelib.payments.paypal.events import message_of
from chalicelib.payments.refund_settlement import settle_refund, settle_reversal, settle_won_dispute
from chalicelib.queues import sqs_batch

# The name of the run that records when PayPal last sent a notification of ours.
CONFIRMED_EVENTS = "notifications"
SECONDS_PER_MESSAGE = 45  # at PayPal, of the 60 that the function has
log = logging.getLogger("awning")


def settle_notifications(records: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Settle each SQS record independently; return Lambda's partial batch response."""
    return sqs_batch.handle_batch(records, _handle, "notification could not be processed")


def _handle(body: str) -> None:
    try:
        with gateway.time_budget(SECONDS_PER_MESSAGE):
            settle_notification(json.loads(body))
    finally:
        try:
            # Only verified messages arrive here: the last one's time shows whether notifications are missing.
            scheduled_runs.record_run(CONFIRMED_EVENTS)
        except Exception:
            log.warning("receipt of a notification could not be recorded", exc_info=True)


def settle_notification(message: Mapping[str, str]) -> None:
    """Settle the resource that a notification names; one that is not ours is ignored.

    Raises PayPalError, and KeyError for a notification without the needed IDs: it is redelivered, then moved to the
    dead-letter queue. What PayPal does not know yet, it may know at the next attempt.
    """
    kind = message["type"]
    ids = {name: message[name] for name in ("event", "capture", "refund") if name in message}
    telemetry.add_log_context(event_type=kind, **ids)
    if kind.startswith("CHECKOUT."):
        _schedule_check(_with_ids(message, "order"))
    elif kind == "PAYMENT.CAPTURE.REVERSED":
        _settle_reversal(message["event"])
    elif kind == "PAYMENT.CAPTURE.REFUNDED" or kind.startswith("PAYMENT.REFUND."):
        _settle_refund(_with_ids(message, "refund", "capture"))
    elif kind.startswith("PAYMENT.CAPTURE."):
        capture_id = _with_ids(message, "capture")["capture"]
        order_id = settle_capture_id(capture_id)
        if kind == "PAYMENT.CAPTURE.COMPLETED" and order_id is not None:
            _settle_return(order_id, capture_id, message["event"])
    elif kind.startswith("CUSTOMER.DISPUTE."):
        _record_dispute(message["event"])


def _with_ids(message: Mapping[str, str], *names: str) -> Mapping[str, str]:
    """Return the message with one of these IDs, from PayPal's own copy of the event if it has none of them."""
    if any(name in message for name in names):
        return message
    return {**message, **message_of(gateway.get_event(message["event"]))}


def _settle_refund(message: Mapping[str, str]) -> None:
    if "refund" not in message:  # its resource is the capture, whose order lists the refunds
        settle_capture_id(message["capture"])
        return
    refund = gateway.get_refund(message["refund"])
    # The sale is booked first: a refund's notification may arrive before its capture's.
    if refund.capture_id is None:
        raise PayPalOutcomeUnknown("a refund of nothing that is named")
    order_id = settle_capture_id(refund.capture_id)
    if order_id is not None:
        settle_refund(order_id, refund)


def _settle_reversal(event_id: str) -> None:
    event = gateway.get_event(event_id)
    if event.get("event_type") != "PAYMENT.CAPTURE.REVERSED":
        return
    reversal = answers.reversal_of(event)
    order_id = settle_capture_id(reversal.capture_id)
    if order_id is not None:
        settle_reversal(order_id, reversal)


def _settle_return(order_id: str, capture_id: str, event_id: str) -> None:
    """Book the return of a capture's reversal, if PayPal reports afterwards that the capture is completed again."""
    if Order.fetch(order_id).reversals:
        won = answers.completed_again(gateway.get_event(event_id), capture_id)
        if won is not None:
            settle_won_dispute(order_id, won, keep=False)


def _schedule_check(message: Mapping[str, str]) -> None:
    """Bring the reconciler's next check forward: the shopper approved, and may not come back."""
    paypal_id = message["order"]
    order_id = Order.find_by_lookup(f"paypal#{paypal_id}")
    if order_id is None:
        return
    declined = Order.fetch(order_id).declined
    approved_at = answers.approved_at(gateway.get_event(message["event"]), paypal_id) if declined else None

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING:
            return False
        approved_again = approved_at is not None and order.mark_approved_again(approved_at)
        is_kept = message["type"] == "CHECKOUT.ORDER.APPROVED" and order.extend_hold()
        return order.check_within(2 * NEXT_RUN) or approved_again or is_kept

    update_order(order_id, action)


def _record_dispute(event_id: str) -> None:
    event = gateway.get_event(event_id)
    resource = event.get("resource") or {}
    dispute = str(resource.get("dispute_id", ""))[:60]
    status = answers.outcome_of(event) or str(resource.get("status", ""))[:40]
    won = {one.capture_id: one for one in answers.won_disputes(event)}
    known = {one: Order.find_by_lookup(f"capture#{one}") for one in answers.disputed_captures(event)}
    found, skipped = False, []
    for capture_id in sorted(
        known, key=lambda one: known[one] is None
    ):  # first those that are certainly ours
        try:
            # PayPal is asked about the others: they belong to another shop of the account, or are not settled
            # yet.
            order_id = known[capture_id] or settle_capture_id(capture_id)
        except PayPalNotFound:
            continue
        except PayPalError as error:
            skipped.append(error)
            continue
        if order_id is not None:
            found = True
            _open_issue_once(order_id, IssueKind.DISPUTE, f"{dispute} {status}".strip())
            if capture_id in won:
                settle_won_dispute(order_id, won[capture_id])
    # A definite refusal is about another shop's payment, unless nothing else in the dispute is ours.
    for reason in skipped:
        if not (found and isinstance(reason, PayPalRejected)):
            raise reason


def _open_issue_once(order_id: str, kind: IssueKind, detail: str) -> None:
    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_issue(kind, detail):
            return False
        order.open_issue(kind, detail)
        return True

    outbox.enqueue(update_order(order_id, action))
