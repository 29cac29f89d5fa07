"""Detect missing notifications: orders are paid, but for hours no notification of them was confirmed.

The shop sells without notifications, so nothing else would show it; but refunds made at PayPal, reversals and
disputes are reported only by notifications.
"""

import logging
from datetime import UTC, datetime, timedelta

from chalicelib import clock, scheduled_runs, telemetry
from chalicelib.ledger.models import SALE, LedgerEntry, booking_day, partitions_of
from chalicelib.payments.webhook_events import CONFIRMED_EVENTS
from chalicelib.telemetry import Metric

SILENT_AFTER = timedelta(hours=3)
LOOK_BACK = timedelta(hours=24)
# A sale is booked about when PayPal notifies the shop: one that was booked just after a notification is the one
# it reported.
CONFIRMATION_SLACK = timedelta(minutes=10)
log = logging.getLogger("awning")


def watch_notifications() -> None:
    """Count an hour in which a sale from three hours ago or more has no notification after it. Never raises."""
    try:
        until = clock.now() - SILENT_AFTER
        since = max(until - LOOK_BACK, _last_confirmed() + CONFIRMATION_SLACK)
        if since < until and _was_sold(since, until):
            telemetry.count(Metric.NOTIFICATIONS_MISSING)
            log.warning(
                "orders were paid, but there have been no PayPal notifications since %s",
                since.isoformat(timespec="minutes"),
            )
    except Exception:
        log.exception("missing notifications could not be checked")


def _last_confirmed() -> datetime:
    run = scheduled_runs.last_runs([CONFIRMED_EVENTS]).get(CONFIRMED_EVENTS)
    return datetime.fromtimestamp(float(run.ran_at) if run else 0, UTC)


def _was_sold(since: datetime, until: datetime) -> bool:
    within = LedgerEntry.entry.between(clock.iso_now(since), clock.iso_now(until))
    partitions = [
        partition
        for day in sorted({booking_day(since), booking_day(until)})
        for partition in partitions_of(day)
    ]
    # All are read, though the first may suffice: which one does is random, and the crash tests count calls.
    found = [
        list(LedgerEntry.query(partition, within, LedgerEntry.kind == SALE, limit=1, page_size=100))
        for partition in partitions
    ]
    return any(found)
