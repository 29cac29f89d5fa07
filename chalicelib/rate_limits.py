"""What bots do to a shop in numbers: orders placed, payments declined. Counted by the hour, in rows that expire.

Who is counted is a session and a source address, each in a row of its own for each hour. An order is counted in the
transaction that places it, so what was refused counts for nothing; the rows are read first, so that who is beyond a
limit costs one read. A payment that is begun anew asks PayPal, and is counted before: one conditional write both counts
and refuses, and the count is taken back where the payment cannot begin. So that nobody asks PayPal without end by having
it fail, tries have a bound of their own. Where a count cannot be written, the payment goes on.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, is_refused, table_name
from chalicelib.database.reads import read_many
from chalicelib.database.transactions import Transaction
from chalicelib.errors import TooMany

AN_HOUR = 60 * 60
TRIES_PER_PAYMENT = 5  # for each payment that may begin in an hour: PayPal may be away
MAX_VERIFICATIONS = (
    30  # an hour and order: PayPal sends a handful, and who knows an order's id could send thousands
)
NOBODYS = {"", "127.0.0.1", "::/64"}  # an address that is not known, and one's own machine
log = logging.getLogger("awning")


class Count(Table):
    """What came from one session or address, or about one order, within one hour; its key is a hash."""

    class Meta(TableMeta):
        table_name = table_name("limits")

    TTL = "expires"

    key = UnicodeAttribute(hash_key=True)
    placed = NumberAttribute(default=0)
    tried = NumberAttribute(default=0)  # payments begun anew, those that could not begin, too
    declined = NumberAttribute(default=0)
    verified = NumberAttribute(default=0)
    expires = NumberAttribute()


def check_order(session: str, address: str) -> None:
    """Refuse whoever has placed too many orders already, for the cost of one read. Raises TooMany.

    `session` names whose cart it is; `address` is where the request comes from, "" where nobody knows.
    """
    counters = _counters(session, address)
    rows = read_many({Count: [counter.row.key for counter in counters]}, consistent=False)[Count]
    for counter in counters:
        row = rows.get(counter.row.key)
        if row is not None and (row.placed >= counter.most_placed or row.declined >= counter.most_declined):
            raise too_many()


def count_order(transaction: Transaction, session: str, address: str) -> None:
    """Count an order in the transaction that places it; refused as `limit#…` beyond the limits."""
    for counter in _counters(session, address):
        transaction.update(f"limit#{counter.row.key}", counter.row, counter.actions(), counter.condition())


@contextmanager
def counted_payment(session: str, address: str) -> Iterator[None]:
    """Count a payment that is to be begun anew, before anything is done; not, if it then fails. Raises TooMany."""
    counted: list[Count] = []
    try:
        for counter in _counters(session, address):
            counted += _count_try(counter)
        yield
    except Exception:
        for row in counted:
            _take_back(row)
        raise


def _count_try(counter: "_Counter") -> list[Count]:
    """Count a payment for a session or an address; return the row, if that is known to have taken effect."""
    try:
        counter.row.update([Count.tried.add(1), *counter.actions()], counter.condition_of_a_try())
    except UpdateError as error:
        if is_refused(error):
            raise too_many() from error
        log.warning("a payment was not counted", exc_info=True)
        return []
    return [counter.row]


def _take_back(row: Count) -> None:
    try:
        row.update([Count.placed.add(-1)], Count.placed >= 1)
    except PynamoDBException:  # it counts for the rest of the hour: too much, never too little
        log.warning("the count of a payment that could not begin was not taken back", exc_info=True)


def count_decline(session: str, address: str) -> None:
    """Count a payment that PayPal declined. Never refuses, never raises: the shopper is on the way back."""
    for who in {session, address} - NOBODYS:
        row = _row(who)
        try:
            row.update([Count.declined.add(1), Count.expires.set(row.expires)])
        except PynamoDBException:
            log.warning("a declined payment was not counted", exc_info=True)


def count_verification(order: str) -> None:
    """Count a notification about an order, before PayPal is asked whether it is its own. Raises TooMany."""
    row = _row(f"notifications {order}")
    try:
        row.update(
            [Count.verified.add(1), Count.expires.set(row.expires)], _fewer(Count.verified, MAX_VERIFICATIONS)
        )
    except UpdateError as error:
        if is_refused(error):
            words = "Too many notifications about one order within an hour."
            raise TooMany(words, _seconds_left()) from error
        log.warning("a notification was not counted", exc_info=True)


@dataclass(frozen=True)
class _Counter:
    row: Count
    most_placed: int
    most_declined: int

    def actions(self) -> list[Action]:
        return [Count.placed.add(1), Count.expires.set(self.row.expires)]

    def condition(self) -> Condition:
        fewer: Condition = _fewer(Count.placed, self.most_placed) & _fewer(Count.declined, self.most_declined)
        return fewer

    def condition_of_a_try(self) -> Condition:
        fewer: Condition = self.condition() & _fewer(Count.tried, self.most_placed * TRIES_PER_PAYMENT)
        return fewer


def _counters(session: str, address: str) -> list[_Counter]:
    limits = settings.shop.limits
    counters = [_Counter(_row(session), limits.orders_a_session, limits.declined_a_session)]
    if address not in NOBODYS:
        counters.append(_Counter(_row(address), limits.orders_an_address, limits.declined_an_address))
    return counters


def _fewer(count: NumberAttribute, most: int) -> Condition:
    fewer: Condition = count.does_not_exist() | (count < most)
    return fewer


def _row(who: str) -> Count:
    hour = clock.timestamp() // AN_HOUR
    key = hashlib.sha256(f"{who}\0{hour}".encode()).hexdigest()
    return Count(key, expires=(hour + 1) * AN_HOUR)


def too_many() -> TooMany:
    """Return what tells whoever is beyond a limit to wait until the hour is over."""
    seconds = _seconds_left()
    minutes = -(-seconds // 60)
    return TooMany(
        "There have been too many orders or payments from your device or network in the past hour. "
        "Nothing was ordered or charged this time, and nothing is lost. "
        f"Please try again in {minutes} minute{'s' if minutes > 1 else ''}, or email us at {settings.shop.email}.",
        seconds,
    )


def _seconds_left() -> int:
    return AN_HOUR - clock.timestamp() % AN_HOUR
