"""Each day's totals, counted once, so that no page adds up a day's movements again.

Each partition of the ledger has a row in ledger-totals: the sums of its entries up to a cursor,
`counted_until`. Entries after the cursor are read and added. An entry's position in its partition is its
booking time, which our clock gives at each attempt of the transaction. An attempt lasts seconds, so nothing can
be inserted before what is five minutes old. Only older entries are counted into the row, so that the cursor
skips nothing. A row is written on condition that it is still the one that was read: if two processes count at
the same time, one is refused, and nothing is counted twice.

The hourly run counts all closed days, and today so far. Rows of closed days that were read to their end are
`complete` and are not counted again, just as the books of a closed day do not change.
"""

import json
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain, islice
from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, is_condition_failure, table_name
from chalicelib.database.reads import batch_get, get
from chalicelib.ledger import daily_reports
from chalicelib.ledger.ledger_record import LedgerRecord, ledger_pages
from chalicelib.ledger.models import SALE, LedgerEntry, TotalsProgress, partitions_of
from chalicelib.ledger.totals import Totals, sums_of

SETTLED = timedelta(minutes=5)
ROWS_PER_QUERY = 1000
QUERIES_PER_PAGE = 60  # then a page says what is not counted yet
# Movements; a page view that finds fewer leaves them to the next, or to the hourly run.
MIN_ENTRIES_TO_WRITE = 50
QUERIES_PER_WRITE = 20
UPDATE_SECONDS = 300
MAX_SOLD_BYTES = 300_000  # DynamoDB takes rows of 400 kB
DAY = timedelta(days=1)


class PartitionTotals(Table):
    """The sums of one partition of the ledger, up to `counted_until`."""

    class Meta(TableMeta):
        table_name = table_name("ledger-totals")

    partition = UnicodeAttribute(hash_key=True)  # like the ledger's: 2026-11-22#3
    counted_until = UnicodeAttribute(null=True)  # the last entry that was counted
    complete = BooleanAttribute(default=False)
    version = NumberAttribute(default=0)
    # {"14 sale EUR": [count, amount, fee, net, without_fee, orders paid]}: by hour of the shop's day
    sums: JSONAttribute = JSONAttribute(default=dict)
    sold: JSONAttribute = JSONAttribute(default=dict)  # {"TEA-50 EUR": [name, units, amount]}


@dataclass
class Tally:
    """Sums of movements by hour, kind and currency, and the units sold by SKU and currency."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    sold: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, ledger_entry: LedgerRecord) -> None:
        """Add a movement."""
        hour = datetime.fromisoformat(ledger_entry.booked_at).astimezone(settings.timezone).hour
        orders = int(ledger_entry.kind == SALE and bool(ledger_entry.order_lines))
        self._add_sums(
            f"{hour:02} {ledger_entry.kind} {ledger_entry.currency}", [*sums_of(ledger_entry), orders]
        )
        for sku, name, quantity, amount in ledger_entry.order_lines:
            self._add_sold(f"{sku} {ledger_entry.currency}", name, quantity, amount)

    def merge(self, other: "Tally") -> None:
        """Add another tally."""
        for key, sums in other.sums.items():
            self._add_sums(key, sums)
        for key, (name, quantity, amount) in other.sold.items():
            self._add_sold(key, name, quantity, amount)

    def totals(self, hour: int | None = None) -> Totals:
        """Return the sums by kind and currency; of one hour of the day, or of all."""
        totals = Totals()
        for key, sums in self.sums.items():
            at, kind, currency = key.split()
            if hour in (None, int(at)):
                totals.add_sums(kind, currency, sums[:5])
        return totals

    def orders(self, currency: str, hour: int | None = None) -> int:
        """Count the orders that were paid in a currency."""
        keys = (key.split() for key in self.sums)
        return sum(
            self.sums[" ".join((at, kind, each))][5]
            for at, kind, each in keys
            if each == currency and hour in (None, int(at))
        )

    def best_sellers(self, most: int) -> list["SoldProduct"]:
        """List the best-selling SKUs, by units; refunds are not subtracted."""
        sold = []
        for key, (name, quantity, amount) in self.sold.items():
            sku, _, currency = key.rpartition(" ")
            sold.append(SoldProduct(sku, currency, name, quantity, amount))
        return sorted(sold, key=lambda one: (-one.units, -one.amount, one.name))[:most]

    def units_sold(self, one: "SoldProduct") -> int:
        """Return how many units of a product were sold."""
        return int(self.sold.get(f"{one.sku} {one.currency}", ["", 0, 0])[1])

    def _add_sums(self, key: str, sums: list[int]) -> None:
        known = self.sums.get(key, [0] * 6)
        self.sums[key] = [one + other for one, other in zip(known, sums, strict=True)]

    def _add_sold(self, key: str, name: str, quantity: int, amount: int) -> None:
        _, quantity_before, amount_before = self.sold.get(key, ["", 0, 0])
        self.sold[key] = [name, quantity_before + quantity, amount_before + amount]


@dataclass(frozen=True)
class SoldProduct:
    """A SKU and what was sold of it."""

    sku: str
    currency: str
    name: str
    units: int
    amount: int


@dataclass
class DayTotals:
    """A day's totals. If it is not `whole`, the rest is counted by a later call."""

    tally: Tally
    whole: bool = True


def count(days: Collection[date], now: datetime) -> dict[date, DayTotals]:
    """Return days' totals, up to this moment, by a bounded number of calls; the latest days are counted first."""
    rows = _rows(partition for day in days for partition in partitions_of(str(day)))
    queries = QUERIES_PER_PAGE
    counts = {}
    for day in sorted(days, reverse=True):
        counts[day] = DayTotals(Tally())
        for partition in partitions_of(str(day)):
            reading = _Reading(rows.get(partition) or PartitionTotals(partition))
            if not reading.row.complete:
                queries -= reading.read_on(now, queries)
                if reading.worth_writing:
                    reading.write()
            counts[day].tally.merge(reading.tally)
            counts[day].whole &= reading.ended
    return counts


def update_totals(now: datetime) -> None:
    """Count what was booked since the last run: today, then every closed day that is not complete."""
    deadline = time.monotonic() + UPDATE_SECONDS
    today = clock.today(now)
    _update_day(today, now, deadline)
    known = get(TotalsProgress, "progress")
    first = daily_reports.first_day(now)
    through = first - DAY
    if known is not None and known.first_day <= str(first):
        first, through = date.fromisoformat(known.first_day), date.fromisoformat(known.complete_through)
    while through + DAY < today and _update_day(through + DAY, now, deadline):
        through += DAY
    TotalsProgress(first_day=str(first), complete_through=str(through)).save()


def first_day(now: datetime) -> date:
    """Return the first day of the books: before it, no money moved."""
    progress = get(TotalsProgress, "progress", consistent=False)
    if progress is None:  # a shop in its first hour: looking it up takes many calls, so it is stored
        first = daily_reports.first_day(now)
        progress = TotalsProgress(first_day=str(first), complete_through=str(first - DAY))
        progress.save()
    return date.fromisoformat(progress.first_day)


class _Reading:
    """Reads a partition from its row's cursor on."""

    def __init__(self, row: PartitionTotals) -> None:
        self.row = row
        self.ended = bool(row.complete)
        self.found = 0  # movements that the row did not include
        self.learnt = False  # whether there is anything to write
        self._counted = Tally(row.sums, row.sold)
        self._fresh = Tally()  # too recent to be counted into the row

    @property
    def tally(self) -> Tally:
        """All that was read, including the most recent."""
        whole = Tally(dict(self._counted.sums), dict(self._counted.sold))
        whole.merge(self._fresh)
        return whole

    @property
    def worth_writing(self) -> bool:
        """Return whether writing the row saves the next reader more than it costs."""
        much = self.found >= MIN_ENTRIES_TO_WRITE or bool(self.row.complete) or not self.ended
        return self.learnt and much

    def read_on(self, now: datetime, most: int) -> int:
        """Read to the end, by at most `most` queries; return how many it took."""
        old = clock.iso_now(now - SETTLED)
        after = self.row.counted_until
        for taken in range(1, most + 1):
            movements = _movements(self.row.partition, after)
            for ledger_entry in movements:
                self._take(ledger_entry, settled=ledger_entry.entry < old)
                after = ledger_entry.entry
            if len(movements) < ROWS_PER_QUERY:
                self.ended = True
                closed = now >= daily_reports.closes_at(date.fromisoformat(self.row.partition[:10]))
                self.row.complete = closed and not self._fresh.sums
                self.learnt |= self.row.complete
                return taken
        return max(most, 0)

    def write(self) -> bool:
        """Write the row; False if another process has written it since it was read."""
        read = int(self.row.version)
        self.row.version = read + 1
        self.row.sums, self.row.sold = self._counted.sums, _fitting(self._counted)
        try:
            self.row.save(
                condition=PartitionTotals.version == read
                if read
                else PartitionTotals.partition.does_not_exist()
            )
        except PutError as error:
            if not is_condition_failure(error):
                raise
            return False
        return True

    def _take(self, ledger_entry: LedgerRecord, *, settled: bool) -> None:
        (self._counted if settled else self._fresh).add(ledger_entry)
        self.found += 1
        if settled:
            self.row.counted_until, self.learnt = ledger_entry.entry, True


def _update_day(day: date, now: datetime, deadline: float) -> bool:
    """Count a day as far as time allows; return whether it is complete."""
    rows = _rows(partitions_of(str(day)))
    complete = [
        _update_partition(rows.get(partition) or PartitionTotals(partition), now, deadline)
        for partition in partitions_of(str(day))
    ]
    return all(complete)


def _update_partition(row: PartitionTotals, now: datetime, deadline: float) -> bool:
    while not row.complete and time.monotonic() < deadline:
        reading = _Reading(row)
        reading.read_on(now, QUERIES_PER_WRITE)
        if not (reading.learnt and reading.write()):
            return False  # nothing to count yet, or another process is counting
        if reading.ended:
            break
    return bool(row.complete)


def _rows(pages: Iterable[str]) -> dict[str, PartitionTotals]:
    found: dict[str, PartitionTotals] = batch_get({PartitionTotals: pages}, consistent=False)[PartitionTotals]
    return found


def _movements(partition: str, after: str | None) -> list[LedgerRecord]:
    # Consistent: a movement that a replica does not know yet would be passed by for ever.
    behind = LedgerEntry.entry > after if after else None
    pages = ledger_pages(partition, behind, page_size=ROWS_PER_QUERY)
    return list(islice(chain.from_iterable(pages), ROWS_PER_QUERY))  # a page has a megabyte at most


def _fitting(tally: Tally) -> dict[str, list[Any]]:
    """Keep only the best-selling SKUs if a row cannot hold all: thousands of different SKUs in a quarter of a day."""
    if len(json.dumps(tally.sold)) <= MAX_SOLD_BYTES:
        return tally.sold
    kept, room = {}, MAX_SOLD_BYTES
    for one in tally.best_sellers(len(tally.sold)):
        entry = {f"{one.sku} {one.currency}": [one.name, one.units, one.amount]}
        room -= len(json.dumps(entry))
        if room < 0:
            break
        kept.update(entry)
    return kept
