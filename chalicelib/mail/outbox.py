"""The outbox: an order's `emails_due`, {kind#movement: lease}.

Its entries are enqueued, claimed, and marked as sent.
"""

import json
import logging
import time
from dataclasses import dataclass

from pynamodb.exceptions import PynamoDBException

from chalicelib import clock, ids
from chalicelib.aws import client, queue_url
from chalicelib.config import settings
from chalicelib.database.transactions import Transaction
from chalicelib.errors import ServiceUnavailable
from chalicelib.orders.enums import TO_MERCHANT, HistoryEvent, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.queues.sqs_batch import Redeliver

QUEUE = "order-emails"
MAX_BATCH_SIZE = 10
LEASE_SECONDS = 5 * 60  # longer than the sender may run, shorter than its queue hides a message
PAUSES = (0.2, 1.0, 3.0)  # seconds between attempts to mark an email as sent
STORAGE_FAILURES = (PynamoDBException, ServiceUnavailable)
log = logging.getLogger("awning")


class AlreadyClaimed(Redeliver):
    """Raised where another process is sending this email, or was and has not recorded how it ended."""


@dataclass(frozen=True)
class Claim:
    """The right to send one email, once, until its lease ends; and the order as it was then."""

    order: Order
    entry: str
    lease: float


def enqueue(order: Order) -> None:
    """Enqueue an order's outbox after the commit. Never raises: the reconciler enqueues it again."""
    now = clock.timestamp()
    due = [entry for entry, lease in order.emails_due.items() if lease < now]
    try:
        for start in range(0, len(due), MAX_BATCH_SIZE):
            _enqueue(order.id, due[start : start + MAX_BATCH_SIZE])
    except Exception:  # the order is committed: nothing here may turn that into a failure
        log.exception("email not queued; the reconciler will retry")


def claim(order_id: str, entry: str) -> Claim | None:
    """Claim an outbox entry by a lease; None if it is not due.

    Raises AlreadyClaimed, NotFound, ServiceUnavailable.
    """
    lease = _new_lease()

    def take(order: Order, _: Transaction) -> bool:
        held = order.emails_due.get(entry)
        if held is None or held >= clock.timestamp():
            return False
        order.emails_due = {**order.emails_due, entry: lease}
        return True

    order = update_order(order_id, take)
    held = order.emails_due.get(entry)
    if held is None:
        return None
    if held != lease:
        raise AlreadyClaimed("email is already being sent")
    return Claim(order, entry, lease)


def release(claim: Claim) -> None:
    """Release the lease of an email that was surely not sent. If that fails, the lease expires."""

    def free(order: Order, _: Transaction) -> bool:
        if order.emails_due.get(claim.entry) != claim.lease:
            return False
        order.emails_due = {**order.emails_due, claim.entry: 0}
        return True

    try:
        update_order(claim.order.id, free)
    except STORAGE_FAILURES:
        log.warning("claim on an email could not be released", exc_info=True)


def mark_sent(claim: Claim, event: HistoryEvent, message: str = "") -> None:
    """Record the outcome of an email, so that it is never sent again; retried several times, since it may have been sent.

    `message` is SES's ID of it, which a bounce names.
    """
    for pause in (*PAUSES, None):
        try:
            _mark_sent(claim, event, message)
            return
        except STORAGE_FAILURES:
            if pause is None:
                raise
            log.warning("email could not be removed from the outbox yet", exc_info=True)
            time.sleep(pause)


def _mark_sent(claim: Claim, event: HistoryEvent, message: str) -> None:
    def remove(order: Order, _: Transaction) -> bool:
        if not _remove_from_outbox(order, claim.entry):
            return False
        order.add_event(event, claim.entry, **({"ses_message_id": message} if message else {}))
        return True

    update_order(claim.order.id, remove)


def mark_undeliverable(claim: Claim) -> None:
    """Record that an email can never reach its recipient, and open an issue."""
    kind = claim.entry.partition("#")[0]

    def remove(order: Order, _: Transaction) -> bool:
        if not _remove_from_outbox(order, claim.entry):
            return False
        order.add_event(HistoryEvent.EMAIL_REJECTED, claim.entry)
        open_undelivered_issue(order, IssueKind.EMAIL_REJECTED, kind, kind)
        return True

    enqueue(update_order(claim.order.id, remove))


def open_undelivered_issue(order: Order, issue: IssueKind, kind: str, detail: str) -> None:
    """Open an issue for an email that was not delivered; without emailing the merchant if that is what failed."""
    if kind in TO_MERCHANT:
        order.open_issue_silently(issue, detail)
    else:
        order.open_issue(issue, detail)


def entry_of(order: Order, message: str) -> str | None:
    """Return the entry of a sent email by SES's ID of it."""
    return next((entry["detail"] for entry in order.history if entry.get("ses_message_id") == message), None)


def _remove_from_outbox(order: Order, entry: str) -> bool:
    if entry not in order.emails_due:
        return False
    order.emails_due = {other: lease for other, lease in order.emails_due.items() if other != entry}
    order.emails_sent = {**order.emails_sent, entry: clock.iso_now()}
    return True


def _enqueue(order_id: str, entries: list[str]) -> None:
    answer = client("sqs").send_message_batch(
        QueueUrl=queue_url(settings.table_prefix + QUEUE),
        Entries=[
            {"Id": str(number), "MessageBody": json.dumps({"order": order_id, "entry": entry})}
            for number, entry in enumerate(entries)
        ],
    )
    for failure in answer.get("Failed", []):
        log.error("email not queued (%s); the reconciler will retry", failure["Code"])


def _new_lease() -> float:
    # The random fraction identifies the claim as ours when it is read again after a lost answer.
    fraction = int(ids.new_id()[:4], 16) / 0x10000
    return clock.timestamp() + LEASE_SECONDS + fraction
