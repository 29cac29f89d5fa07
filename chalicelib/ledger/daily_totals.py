"""What each day came to, counted once: no page adds up a day's movements again.

Each partition of the ledger has a row in `days`: the sums of its movements up to a cursor, `until`. What was booked
after the cursor is read and added. A movement's place in its partition is its booking time, which our clock gives at
each attempt of the transaction; an attempt lasts seconds, so nothing can come to stand before what is five minutes
old. Only what is older is counted into the row, so that the cursor passes nothing by. A row is written on condition
that it is still the one that was read: of two who count at once, one is refused, and nothing counts twice.

The hourly run counts all closed days, and today as far as it has come. Rows of closed days that were read to their
end are `complete` and are not counted again, just as the books of a closed day do not change.
"""

import json
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, is_refused, table_name
from chalicelib.database.reads import get, read_many
from chalicelib.ledger import daily_reports
from chalicelib.ledger.models import SALE, Movement, Progress, book_day, pages_of
from chalicelib.ledger.totals import Totals, sums_of

SETTLED = timedelta(minutes=5)
ROWS_A_QUERY = 1000
QUERIES_A_VIEW = 60  # then a page says what is not counted yet
WORTH_WRITING = 50  # movements; a view that finds fewer leaves them to the next, or to the hourly run
QUERIES_A_WRITE = 20
FOLDING_SECONDS = 300
SOLD_BYTES = 300_000  # DynamoDB takes rows of 400 kB
DAY = timedelta(days=1)


class Day(Table):
    """The sums of one partition of the ledger, up to `until`."""

    class Meta(TableMeta):
        table_name = table_name("days")

    page = UnicodeAttribute(hash_key=True)  # as the ledger's: 2026-11-22#3
    until = UnicodeAttribute(null=True)  # the last entry that is counted
    complete = BooleanAttribute(default=False)
    version = NumberAttribute(default=0)
    # {"14 sale EUR": [count, amount, fee, net, without_fee, orders paid]}: by hour of the shop's day
    sums: JSONAttribute = JSONAttribute(default=dict)
    sold: JSONAttribute = JSONAttribute(default=dict)  # {"TEA-50 EUR": [name, pieces, amount]}


@dataclass
class Tally:
    """What movements add up to: sums by hour, kind and currency, and the pieces sold by SKU and currency."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    sold: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, movement: Movement) -> None:
        """Add a movement."""
        hour = datetime.fromisoformat(movement.booked_at).astimezone(settings.timezone).hour
        # What a sale paid for was not kept once: such a sale counts as an order.
        orders = int(movement.kind == SALE and (movement.sold is None or bool(movement.sold)))
        self._add_sums(f"{hour:02} {movement.kind} {movement.currency}", [*sums_of(movement), orders])
        for sku, name, pieces, amount in movement.sold or ():
            self._add_sold(f"{sku} {movement.currency}", name, pieces, amount)

    def merge(self, other: "Tally") -> None:
        """Add what was counted elsewhere."""
        for key, sums in other.sums.items():
            self._add_sums(key, sums)
        for key, (name, pieces, amount) in other.sold.items():
            self._add_sold(key, name, pieces, amount)

    def totals(self, hour: int | None = None) -> Totals:
        """Sum up by kind and currency; of one hour of the day, or of all."""
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
            self.sums[" ".join((at, kind, told))][5]
            for at, kind, told in keys
            if told == currency and hour in (None, int(at))
        )

    def best(self, most: int) -> list["Sold"]:
        """List what was sold most, by pieces; refunds take nothing away."""
        sold = []
        for key, (name, pieces, amount) in self.sold.items():
            sku, _, currency = key.rpartition(" ")
            sold.append(Sold(sku, currency, name, pieces, amount))
        return sorted(sold, key=lambda one: (-one.pieces, -one.amount, one.name))[:most]

    def pieces_of(self, one: "Sold") -> int:
        """Tell how many pieces of something were sold."""
        return int(self.sold.get(f"{one.sku} {one.currency}", ["", 0, 0])[1])

    def _add_sums(self, key: str, sums: list[int]) -> None:
        known = self.sums.get(key, [0] * 6)
        self.sums[key] = [one + other for one, other in zip(known, sums, strict=True)]

    def _add_sold(self, key: str, name: str, pieces: int, amount: int) -> None:
        _, pieces_before, amount_before = self.sold.get(key, ["", 0, 0])
        self.sold[key] = [name, pieces_before + pieces, amount_before + amount]


@dataclass(frozen=True)
class Sold:
    """A SKU and what was sold of it."""

    sku: str
    currency: str
    name: str
    pieces: int
    amount: int


@dataclass
class Count:
    """What a day came to. Where it is not `whole`, the rest will be counted when it is asked for again."""

    tally: Tally
    whole: bool = True


def count(days: Collection[date], now: datetime) -> dict[date, Count]:
    """Tell what days came to, up to this moment, by a bounded number of calls; the latest are counted first."""
    rows = _rows(page for day in days for page in pages_of(str(day)))
    queries = QUERIES_A_VIEW
    counts = {}
    for day in sorted(days, reverse=True):
        counts[day] = Count(Tally())
        for page in pages_of(str(day)):
            reading = _Reading(rows.get(page) or Day(page))
            if not reading.row.complete:
                queries -= reading.read_on(now, queries)
                if reading.worth_writing:
                    reading.write()
            counts[day].tally.merge(reading.tally)
            counts[day].whole &= reading.ended
    return counts


def fold(now: datetime) -> None:
    """Count what was booked since the last time: today's, then that of every closed day that is not complete."""
    deadline = time.monotonic() + FOLDING_SECONDS
    today = date.fromisoformat(book_day(now))
    _fold_day(today, now, deadline)
    known = get(Progress, "progress")
    first = daily_reports.first_day(now)
    through = first - DAY
    if known is not None and known.first <= str(first):
        first, through = date.fromisoformat(known.first), date.fromisoformat(known.through)
    while through + DAY < today and _fold_day(through + DAY, now, deadline):
        through += DAY
    Progress(first=str(first), through=str(through)).save()


def first_day(now: datetime) -> date:
    """Tell the day the books begin with: before it, no money moved."""
    progress = get(Progress, "progress", consistent=False)
    if progress is None:  # a shop in its first hour: looking it up takes many calls, so it is kept
        first = daily_reports.first_day(now)
        progress = Progress(first=str(first), through=str(first - DAY))
        progress.save()
    return date.fromisoformat(progress.first)


class _Reading:
    """Read a partition on from where its row has come to."""

    def __init__(self, row: Day) -> None:
        self.row = row
        self.ended = bool(row.complete)
        self.found = 0  # movements that the row did not know
        self.learnt = False  # whether there is anything to write
        self._counted = Tally(row.sums, row.sold)
        self._fresh = Tally()  # too young to be counted into the row

    @property
    def tally(self) -> Tally:
        """All that was read, the youngest too."""
        whole = Tally(dict(self._counted.sums), dict(self._counted.sold))
        whole.merge(self._fresh)
        return whole

    @property
    def worth_writing(self) -> bool:
        """Tell whether keeping what was counted saves the next reader more than it costs."""
        much = self.found >= WORTH_WRITING or bool(self.row.complete) or not self.ended
        return self.learnt and much

    def read_on(self, now: datetime, most: int) -> int:
        """Read until the end, by at most so many queries; return how many it took."""
        old = clock.moment(now - SETTLED)
        after = self.row.until
        for taken in range(1, most + 1):
            movements = list(_movements(self.row.page, after))
            for movement in movements:
                self._take(movement, settled=movement.entry < old)
                after = movement.entry
            if len(movements) < ROWS_A_QUERY:
                self.ended = True
                closed = now >= daily_reports.closes_at(date.fromisoformat(self.row.page[:10]))
                self.row.complete = closed and not self._fresh.sums
                self.learnt |= self.row.complete
                return taken
        return max(most, 0)

    def write(self) -> bool:
        """Keep what was counted; False where somebody else has written the row since it was read."""
        read = int(self.row.version)
        self.row.version = read + 1
        self.row.sums, self.row.sold = self._counted.sums, _fitting(self._counted)
        try:
            self.row.save(condition=Day.version == read if read else Day.page.does_not_exist())
        except PutError as error:
            if not is_refused(error):
                raise
            return False
        return True

    def _take(self, movement: Movement, *, settled: bool) -> None:
        (self._counted if settled else self._fresh).add(movement)
        self.found += 1
        if settled:
            self.row.until, self.learnt = movement.entry, True


def _fold_day(day: date, now: datetime, deadline: float) -> bool:
    """Count a day as far as time allows; tell whether it is complete."""
    rows = _rows(pages_of(str(day)))
    complete = [_fold_page(rows.get(page) or Day(page), now, deadline) for page in pages_of(str(day))]
    return all(complete)


def _fold_page(row: Day, now: datetime, deadline: float) -> bool:
    while not row.complete and time.monotonic() < deadline:
        reading = _Reading(row)
        reading.read_on(now, QUERIES_A_WRITE)
        if not (reading.learnt and reading.write()):
            return False  # nothing to count yet, or somebody else is counting
        if reading.ended:
            break
    return bool(row.complete)


def _rows(pages: Iterable[str]) -> dict[str, Day]:
    found: dict[str, Day] = read_many({Day: pages}, consistent=False)[Day]
    return found


def _movements(page: str, after: str | None) -> Iterator[Movement]:
    # Consistent: a movement that a replica does not know yet would be passed by for ever.
    behind = Movement.entry > after if after else None
    return iter(
        Movement.query(page, behind, consistent_read=True, limit=ROWS_A_QUERY, page_size=ROWS_A_QUERY)
    )


def _fitting(tally: Tally) -> dict[str, list[Any]]:
    """Keep what was sold most, where a row cannot hold it all: thousands of different SKUs, in a quarter of a day."""
    if len(json.dumps(tally.sold)) <= SOLD_BYTES:
        return tally.sold
    kept, room = {}, SOLD_BYTES
    for one in tally.best(len(tally.sold)):
        entry = {f"{one.sku} {one.currency}": [one.name, one.pieces, one.amount]}
        room -= len(json.dumps(entry))
        if room < 0:
            break
        kept.update(entry)
    return kept
