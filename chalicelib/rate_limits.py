"""Limits on what bots do in bulk: orders placed, payments declined. Counted by the hour, in rows that expire.

Sessions and IP addresses are counted, in one row each per hour. An order is counted in the transaction that places it,
so refused ones do not count; the rows are read first, so that a visitor beyond a limit costs one read. Paying again calls
PayPal, so it is counted before: one conditional write counts or refuses, and the count is undone if the payment cannot
start. Attempts have a limit of their own, so that failing ones cannot call PayPal without end. If a count cannot be
written, the payment continues.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, is_condition_failure, table_name
from chalicelib.database.reads import batch_get
from chalicelib.database.streams import read_ahead
from chalicelib.database.transactions import Transaction
from chalicelib.errors import TooManyRequests

HOUR_SECONDS = 60 * 60
TRIES_PER_PAYMENT = 5  # for each payment that may begin in an hour: PayPal may be away
MAX_VERIFICATIONS_PER_ORDER = (
    30  # per hour and order: PayPal sends a handful, but anyone who knows an order's ID could send thousands
)
EXEMPT_SOURCES = {"", "127.0.0.1", "::/64"}  # an unknown address, and the local machine
log = logging.getLogger("awning")


class RateLimitCounter(Table):
    """What came from one session or address, or about one order, within one hour; its key is a hash."""

    class Meta(TableMeta):
        table_name = table_name("rate-limits")

    TTL = "expires"

    key = UnicodeAttribute(hash_key=True)
    placed = NumberAttribute(default=0)
    tried = NumberAttribute(default=0)  # attempts to pay again, with those that failed
    declined = NumberAttribute(default=0)
    verified = NumberAttribute(default=0)
    expires = NumberAttribute()


def check_order_rate(session: str, address: str) -> None:
    """Raise TooManyRequests if too many orders have been placed already; costs one read.

    `session` is the session's key; `address` the client's IP address, "" if unknown.
    """
    counters = _counters(session, address)
    rows = batch_get({RateLimitCounter: [counter.row.key for counter in counters]}, consistent=False)[
        RateLimitCounter
    ]
    for counter in counters:
        row = rows.get(counter.row.key)
        if row is not None and (row.placed >= counter.most_placed or row.declined >= counter.most_declined):
            raise too_many()


def count_order(transaction: Transaction, session: str, address: str) -> None:
    """Count an order in the transaction that places it; refused as `limit#…` beyond the limits."""
    for counter in _counters(session, address):
        transaction.update(f"limit#{counter.row.key}", counter.row, counter.actions(), counter.condition())


@contextmanager
def count_payment(session: str, address: str) -> Iterator[None]:
    """Count another attempt to pay an order before it starts, and subtract it if it fails. Raises TooManyRequests.

    Session and address are counted concurrently, but not in one transaction: an office shares an address's row.
    """
    counters = _counters(session, address)
    outcomes = list(read_ahead((partial(_count_try, counter) for counter in counters), len(counters)))
    counted = [counter.row for counter, is_counted in zip(counters, outcomes, strict=True) if is_counted]
    if False in outcomes:
        for row in counted:
            _undo(
                row, RateLimitCounter.placed.add(-1), RateLimitCounter.tried.add(-1)
            )  # PayPal was not tried
        raise too_many()
    try:
        yield
    except Exception:
        for row in counted:
            _undo(row, RateLimitCounter.placed.add(-1))
        raise


def _count_try(counter: "_Counter") -> bool | None:
    """Count a payment for a session or an address; False beyond its limit, None if it is unknown whether it was counted."""
    try:
        counter.row.update([RateLimitCounter.tried.add(1), *counter.actions()], counter.condition_of_a_try())
    except UpdateError as error:
        if is_condition_failure(error):
            return False
        log.warning("payment not counted", exc_info=True)
        return None
    return True


def _undo(row: RateLimitCounter, *actions: Action) -> None:
    try:
        row.update(list(actions), RateLimitCounter.placed >= 1)
    except PynamoDBException:  # it counts for the rest of the hour: too much, never too little
        log.warning("count of a payment that did not start could not be reverted", exc_info=True)


def count_declined_payment(session: str, address: str) -> None:
    """Count a payment that PayPal declined. Never refuses, never raises: the shopper is on the way back."""
    for who in {session, address} - EXEMPT_SOURCES:
        row = _row(who)
        try:
            row.update([RateLimitCounter.declined.add(1), RateLimitCounter.expires.set(row.expires)])
        except PynamoDBException:
            log.warning("declined payment not counted", exc_info=True)


def check_verification_rate(order: str) -> None:
    """Count a notification about an order, before PayPal is asked whether it is its own. Raises TooManyRequests."""
    row = _row(f"notifications {order}")
    try:
        row.update(
            [RateLimitCounter.verified.add(1), RateLimitCounter.expires.set(row.expires)],
            _is_below(RateLimitCounter.verified, MAX_VERIFICATIONS_PER_ORDER),
        )
    except UpdateError as error:
        if is_condition_failure(error):
            message = "Too many notifications about one order within an hour."
            raise TooManyRequests(message, _seconds_left()) from error
        log.warning("notification not counted", exc_info=True)


@dataclass(frozen=True)
class _Counter:
    row: RateLimitCounter
    most_placed: int
    most_declined: int

    def actions(self) -> list[Action]:
        return [RateLimitCounter.placed.add(1), RateLimitCounter.expires.set(self.row.expires)]

    def condition(self) -> Condition:
        fewer: Condition = _is_below(RateLimitCounter.placed, self.most_placed) & _is_below(
            RateLimitCounter.declined, self.most_declined
        )
        return fewer

    def condition_of_a_try(self) -> Condition:
        fewer: Condition = self.condition() & _is_below(
            RateLimitCounter.tried, self.most_placed * TRIES_PER_PAYMENT
        )
        return fewer


def _counters(session: str, address: str) -> list[_Counter]:
    limits = settings.shop.limits
    counters = [_Counter(_row(session), limits.orders_per_session, limits.declined_per_session)]
    if address not in EXEMPT_SOURCES:
        counters.append(_Counter(_row(address), limits.orders_per_address, limits.declined_per_address))
    return counters


def _is_below(count: NumberAttribute, most: int) -> Condition:
    fewer: Condition = count.does_not_exist() | (count < most)
    return fewer


def _row(who: str) -> RateLimitCounter:
    hour = clock.timestamp() // HOUR_SECONDS
    key = hashlib.sha256(f"{who}\0{hour}".encode()).hexdigest()
    return RateLimitCounter(key, expires=(hour + 1) * HOUR_SECONDS)


def too_many() -> TooManyRequests:
    """Return the error that asks to wait until the hour is over."""
    seconds = _seconds_left()
    minutes = -(-seconds // 60)
    return TooManyRequests(
        "There have been too many orders or payments from your device or network in the past hour. "
        "Nothing was ordered or charged this time, and nothing is lost. "
        f"Please try again in {minutes} minute{'s' if minutes > 1 else ''}, or email us at {settings.shop.email}.",
        seconds,
    )


def _seconds_left() -> int:
    return HOUR_SECONDS - clock.timestamp() % HOUR_SECONDS
