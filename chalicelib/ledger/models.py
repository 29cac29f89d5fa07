"""The ledger: one row per movement of money, written in the settling transaction, never updated."""

import zlib
from collections.abc import Sequence
from datetime import datetime

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from chalicelib import clock
from chalicelib.database.connection import Table, TableMeta, table_name

SHARDS = 4  # a partition takes 1,000 writes a second; a day's sales are spread over these
SALE, REFUND, REVERSAL = "sale", "refund", "reversal"
# What a bank or PayPal had taken back was returned: a dispute was won.
REVERSAL_CANCELLED = "reversal_cancelled"
SoldLine = tuple[str, str, int, int]  # SKU, name, units, amount in minor units


class LedgerEntry(Table):
    """Money that moved at PayPal.

    Amounts in minor units; refunds and reversals are negative, returns of reversals positive.
    """

    class Meta(TableMeta):
        table_name = table_name("ledger")

    partition = UnicodeAttribute(hash_key=True)  # booking day # shard, such as 2026-11-22#3
    entry = UnicodeAttribute(range_key=True)  # booked_at # paypal_id
    kind = UnicodeAttribute()
    booked_at = UnicodeAttribute()  # our clock, ISO 8601 in UTC
    paypal_at = UnicodeAttribute()  # PayPal's clock, ISO 8601 in UTC
    order_id = UnicodeAttribute()
    order_number = UnicodeAttribute()
    amount = NumberAttribute()
    fee = NumberAttribute(null=True)  # PayPal's, if reported in the shop's currency
    currency = UnicodeAttribute()
    paypal_id = UnicodeAttribute()
    order_lines: JSONAttribute = JSONAttribute()  # what the money paid for; empty if it paid no order
    # {"scheme", "territory", "region", "sums": [{"tax_class", "rate", "net", "tax"}], "supply_period", "corrects_period"}: sums
    # as signed as the amount; None if the money paid no order, or its order was placed without an assessment
    taxes: JSONAttribute = JSONAttribute(null=True)


class TotalsProgress(Table):
    """How far the ledger is counted: one row in the table ledger-totals."""

    class Meta(TableMeta):
        table_name = table_name("ledger-totals")

    partition = UnicodeAttribute(hash_key=True, default="progress")
    first_day = UnicodeAttribute()  # the first day of the books
    complete_through = UnicodeAttribute()  # this day and all before it are complete


def booking_day(moment: datetime) -> str:
    """Return the shop's calendar day of a moment, such as "2026-11-22"."""
    return clock.today(moment).isoformat()


def partition_of(day: str, paypal_id: str) -> str:
    """Return the partition of a day that a movement is written to."""
    return f"{day}#{zlib.crc32(paypal_id.encode()) % SHARDS}"


def partitions_of(day: str) -> list[str]:
    """Return all partitions of a day."""
    return [f"{day}#{shard}" for shard in range(SHARDS)]


def new_ledger_entry(
    kind: str,
    *,
    order: str,
    order_number: str,
    amount: int,
    currency: str,
    paypal_id: str,
    paypal_at: str,
    fee: int | None,
    sold: Sequence[SoldLine] = (),
) -> LedgerEntry:
    """Return the row of a movement that is booked now; `sold` is what a sale paid for."""
    now = clock.now()
    booked_at = clock.iso_now(now)
    return LedgerEntry(
        partition_of(booking_day(now), paypal_id),
        f"{booked_at}#{paypal_id}",
        kind=kind,
        booked_at=booked_at,
        paypal_at=paypal_at,
        order_id=order,
        order_number=order_number,
        amount=amount,
        fee=fee,
        currency=currency,
        paypal_id=paypal_id,
        order_lines=[list(line) for line in sold],
    )
