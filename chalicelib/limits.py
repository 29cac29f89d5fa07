"""What bots do to a shop in numbers: orders placed, payments declined. Counted by the hour, in rows that expire.

Who is counted is a session and a source address, each in a row of its own for each hour. One conditional write both
counts and refuses, so nothing is read and nobody waits for another. Counts are approximate, to the shopper's favour:
where one cannot be written, the order goes on.
"""

import hashlib
import logging

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.errors import TooMany
from chalicelib.storage import Table, TableMeta, is_refused, table_name

AN_HOUR = 60 * 60
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
    declined = NumberAttribute(default=0)
    verified = NumberAttribute(default=0)
    expires = NumberAttribute()


def count_placing(session: str, address: str) -> None:
    """Count an order that is to be placed, or a payment begun anew, before anything is done. Raises TooMany.

    `session` names whose cart it is; `address` is where the request comes from, "" where nobody knows.
    """
    limits = settings.shop.limits
    _place(session, limits.orders_a_session, limits.declined_a_session)
    if address not in NOBODYS:
        _place(address, limits.orders_an_address, limits.declined_an_address)


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
            seconds = AN_HOUR - clock.timestamp() % AN_HOUR
            raise TooMany("Very many notifications came about one order within an hour.", seconds) from error
        log.warning("a notification was not counted", exc_info=True)


def _place(who: str, most_placed: int, most_declined: int) -> None:
    row = _row(who)
    try:
        row.update(
            [Count.placed.add(1), Count.expires.set(row.expires)],
            _fewer(Count.placed, most_placed) & _fewer(Count.declined, most_declined),
        )
    except UpdateError as error:
        if is_refused(error):
            raise TooMany(*_until_the_hour()) from error
        log.warning("an order was not counted", exc_info=True)


def _fewer(count: NumberAttribute, most: int) -> Condition:
    fewer: Condition = count.does_not_exist() | (count < most)
    return fewer


def _row(who: str) -> Count:
    hour = clock.timestamp() // AN_HOUR
    key = hashlib.sha256(f"{who}\0{hour}".encode()).hexdigest()
    return Count(key, expires=(hour + 1) * AN_HOUR)


def _until_the_hour() -> tuple[str, int]:
    seconds = AN_HOUR - clock.timestamp() % AN_HOUR
    minutes = -(-seconds // 60)
    return (
        "Very many orders or declined payments came from here within an hour. Nothing was ordered or charged just now, "
        "and nothing of yours is lost. "
        f"Please try again in {minutes} minute{'s' if minutes > 1 else ''}, or write to {settings.shop.email}.",
        seconds,
    )
