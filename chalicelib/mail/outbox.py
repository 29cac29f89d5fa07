"""The outbox: an order's `emails_due`, {kind#movement: lease}. What is due is announced, claimed, struck out."""

import json
import logging
import time
from dataclasses import dataclass

from pynamodb.exceptions import PynamoDBException

from chalicelib import clock
from chalicelib.aws import client, queue_url
from chalicelib.config import settings
from chalicelib.errors import Busy
from chalicelib.orders.changing import change
from chalicelib.orders.models import Order
from chalicelib.storage import Transaction

QUEUE = "order-emails"
MOST_A_BATCH = 10
LEASE_SECONDS = 5 * 60  # longer than the sender may run, shorter than its queue hides a message
PAUSES = (0.2, 1.0, 3.0)  # seconds between attempts to strike out what was sent
STORAGE_FAILURES = (PynamoDBException, Busy)
log = logging.getLogger("awning")


class Leased(Exception):
    """Say that somebody else is sending this mail now, or was and has not said how it ended."""


@dataclass(frozen=True)
class Claim:
    """The right to send one mail, once, until its lease ends; and the order as it was then."""

    order: Order
    entry: str
    lease: float


def announce(order: Order) -> None:
    """Tell the sender what an order owes, after the commit. Never raises: the reconciler announces again."""
    now = clock.timestamp()
    due = [entry for entry, lease in order.emails_due.items() if lease < now]
    try:
        for start in range(0, len(due), MOST_A_BATCH):
            _announce(order.id, due[start : start + MOST_A_BATCH])
    except Exception:  # the order is committed: nothing here may turn that into a failure
        log.exception("mail could not be announced; the reconciler will")


def claim(order_id: str, entry: str) -> Claim | None:
    """Take the lease of a mail; None where it is not due. Raises Leased, NotFound, Busy."""
    lease = _new_lease()

    def take(order: Order, _: Transaction) -> bool:
        held = order.emails_due.get(entry)
        if held is None or held >= clock.timestamp():
            return False
        order.emails_due = {**order.emails_due, entry: lease}
        return True

    order = change(order_id, take)
    held = order.emails_due.get(entry)
    if held is None:
        return None
    if held != lease:
        raise Leased(entry)
    return Claim(order, entry, lease)


def give_back(claim: Claim) -> None:
    """End the lease of a mail that has surely not been sent. Where that fails, it ends by itself."""

    def free(order: Order, _: Transaction) -> bool:
        if order.emails_due.get(claim.entry) != claim.lease:
            return False
        order.emails_due = {**order.emails_due, claim.entry: 0}
        return True

    try:
        change(claim.order.id, free)
    except STORAGE_FAILURES:
        log.warning("the lease of a mail could not be given back", exc_info=True)


def strike_out(claim: Claim, event: str) -> None:
    """Note what became of a mail, so that it is never sent again; insists, since it may have gone out."""
    for pause in (*PAUSES, None):
        try:
            _strike_out(claim, event)
            return
        except STORAGE_FAILURES:
            if pause is None:
                raise
            log.warning("a mail could not be struck out of the outbox yet", exc_info=True)
            time.sleep(pause)


def _strike_out(claim: Claim, event: str) -> None:
    def remove(order: Order, _: Transaction) -> bool:
        if claim.entry not in order.emails_due:
            return False
        others = {entry: lease for entry, lease in order.emails_due.items() if entry != claim.entry}
        order.emails_due = others
        order.emails_sent = {**order.emails_sent, claim.entry: clock.moment()}
        order.note(event, claim.entry)
        return True

    change(claim.order.id, remove)


def _announce(order_id: str, entries: list[str]) -> None:
    answer = client("sqs").send_message_batch(
        QueueUrl=queue_url(settings.table_prefix + QUEUE),
        Entries=[
            {"Id": str(number), "MessageBody": json.dumps({"order": order_id, "entry": entry})}
            for number, entry in enumerate(entries)
        ],
    )
    for failure in answer.get("Failed", []):
        log.error("a mail could not be announced (%s); the reconciler will", failure["Code"])


def _new_lease() -> float:
    # Its fraction is random, so that a claim whose answer was lost is recognised as ours when it is read again.
    fraction = int(clock.new_id()[:4], 16) / 0x10000
    return clock.timestamp() + LEASE_SECONDS + fraction
