"""The books: what money moved on a day, as CSV files that never change once the day is closed.

A day is the shop's calendar day, as the ledger's rows name it when they are booked; it is closed an hour after its
end, when no transaction that began in it can still be on its way. One pass over the ledger's partitions, in order
of time, feeds all sheets, so that they agree even while a provisional day is still going on.

Exporting a closed day writes what is missing and compares what is there, so a run that broke off is completed by
the next one, and running it again proves that nothing has changed. The manifest comes last: a day with a manifest
is complete, and then a missing file is an error, as is any difference. One thing may change after the close: a
customer's e-mail, name and country may be erased from the order. These three columns are written as they were
and are not compared again; everything else in `orders` is, and the manifest's SHA-256 still covers every byte.

`orders` and `order-lines` have the orders whose paying capture was booked that day. A capture of a wrong amount, or
a second one, is money, so it is in the ledger, but it paid no order.
"""

import heapq
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

from chalicelib import clock, telemetry
from chalicelib.config import settings
from chalicelib.database.reads import batch_get_items, get
from chalicelib.database.streams import page_ahead, rare_collections, read_ahead
from chalicelib.ledger import report_files
from chalicelib.ledger.ledger_record import LedgerRecord, ledger_pages
from chalicelib.ledger.models import SALE, TotalsProgress, partitions_of
from chalicelib.ledger.report_columns import (
    FORMAT,
    LEDGER,
    ORDER_LINES,
    ORDERS,
    SHEETS,
    TAXES,
    ReportFormat,
    Row,
    ledger_row,
    line_rows,
    order_row,
    sheets_of,
    tax_rows,
)
from chalicelib.ledger.report_files import File, ReportError, ReportVerifier, ReportWriter
from chalicelib.ledger.totals import Totals
from chalicelib.orders.models import Order
from chalicelib.orders.views.order_record import OrderRecord
from chalicelib.telemetry import Metric

__all__ = ["Export", "ReportError", "closes_at", "export_closed_days", "export_day", "first_day"]

logger = logging.getLogger(__name__)
GRACE = timedelta(hours=1)
DAY = timedelta(days=1)
ALARM_AFTER = timedelta(hours=3)  # then a day without books raises the alarm
WITHIN = timedelta(hours=2)  # after its close a day has its books: the hourly run, and one more
LOOK_BACK = timedelta(days=366)  # days that failed are tried again for so long: two pages of S3's listing
LOOK_FOR_FIRST = timedelta(days=31)  # where there are no books at all: four Queries a day
SALES_PER_BATCH = 100  # one BatchGetItem of orders
MAX_ROWS_PER_BATCH = 500
BATCHES_AHEAD = 3  # of the writer
MANIFEST = re.compile(r"/manifest-([0-9]{4}-[0-9]{2}-[0-9]{2})\.json$")
ROWS_PER_PAGE = 500  # keeps what the four partitions hold in memory small; they are read a page ahead


@dataclass(frozen=True)
class Export:
    """A day's books as they lie in S3: the sheets by name, and the key of the manifest that vouches for them."""

    day: date
    files: dict[str, File]
    manifest_key: str
    totals: dict[str, dict[str, dict[str, Any]]]
    format: int


def export_day(day: date, *, provisional: bool = False) -> Export:
    """Write the books of a day, or compare them where they are written; provisional ones are overwritten.

    Raises ReportError where the day is not closed, or where something differs from what was written before.
    """
    if not provisional and clock.now() < closes_at(day):
        raise ReportError(f"The books for {day} can’t be closed before {closes_at(day):%Y-%m-%d %H:%M} UTC.")
    return _export(day, provisional=provisional)


def export_closed_days(now: datetime) -> list[Export]:
    """Write the books of every closed day that has none. Raises ReportError at the end where days failed."""
    exports, failed = [], list[date]()
    for day in days_due(now):
        try:
            exports.append(_export(day, provisional=False))
        except Exception:  # whatever keeps one day from being closed must not keep the others
            logger.exception("The books for %s could not be created.", day)
            failed.append(day)
    late = [day for day in failed if now >= closes_at(day) + ALARM_AFTER]
    if late:
        telemetry.count(Metric.DAYS_WITHOUT_BOOKS, len(late))
    if failed:
        raise ReportError(f"The books could not be created for {', '.join(map(str, failed))}.")
    return exports


def closes_at(day: date) -> datetime:
    """Return when a day is closed: an hour after the midnight that ends it, in the shop's time zone."""
    midnight = datetime.combine(day + DAY, time(), settings.timezone)
    # If clocks go back at midnight, it occurs twice: the day ends at the second.
    return max(midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1)) + GRACE


def should_be_written(day: date, now: datetime) -> bool:
    """Return whether a day was closed so long ago that it has its books, unless something is wrong."""
    return now >= closes_at(day) + WITHIN


def days_due(now: datetime) -> list[date]:
    """List the closed days without books: all since the latest manifest, and those that failed before it."""
    today = clock.today(now)
    done = _days_with_books(today, since=today - LOOK_BACK) or _days_with_books(today)[-1:]
    day = _begin(today, done)
    due = []
    while now >= closes_at(day):
        if day not in done:
            due.append(day)
        day += DAY
    return due


def first_day(now: datetime) -> date:
    """Return the day the books begin with: that of the first manifest, else of the first movement, else today."""
    names = (MANIFEST.search(key) for key in report_files.keys_after("books/"))
    written = next((date.fromisoformat(name[1]) for name in names if name), None)
    today = clock.today(now)
    return written or _first_movement(today) or today


def key_of(name: str, day: date, *, provisional: bool = False) -> str:
    """Return the key of a day's file in the books' bucket."""
    folder = "books/provisional" if provisional else "books"
    ending = "json" if name == "manifest" else "csv"
    return f"{folder}/{day:%Y/%m/%d}/{name}-{day}.{ending}"


def movements_of(day: date) -> Iterator[LedgerRecord]:
    """Read a day's ledger consistently, from all its partitions side by side, in order of time."""
    partitions = [ledger_pages(partition, page_size=ROWS_PER_PAGE) for partition in partitions_of(str(day))]
    read = [chain.from_iterable(page_ahead(pages)) for pages in partitions]
    return heapq.merge(*read, key=attrgetter("entry"))


@rare_collections()
def _export(day: date, *, provisional: bool) -> Export:
    manifest_key = key_of("manifest", day, provisional=provisional)
    manifest = None if provisional else _read_manifest(manifest_key)
    number = FORMAT if provisional else _find_format(day, manifest)
    sheets = sheets_of(number)
    totals = Totals()
    with ExitStack() as stack:
        sinks: dict[str, ReportWriter | ReportVerifier] = {}
        for sheet in sheets:
            sink = _sink(sheet, day, provisional=provisional, complete=manifest is not None)
            stack.enter_context(sink)
            sinks[sheet.name] = sink
        earlier = {sheet.name: len(sheet.columns) for sheet in sheets if sheet not in SHEETS}
        _fill(sinks, earlier, totals, movements_of(day))
        written = {name: sink.finish() for name, sink in sinks.items()}
    export = Export(day, written, manifest_key, totals.as_json(), number)
    _write_manifest(export, manifest, once=not provisional)
    return export


def _find_format(day: date, manifest: bytes | None) -> int:
    """Return the format of a day's books: of those that are there, even where a run broke off, else today's."""
    if manifest is not None:
        with suppress(ValueError, KeyError, TypeError):  # no manifest of ours: it will differ
            content = json.loads(manifest)
            return int(content.get("format", 1)) if content["files"] else FORMAT
        return FORMAT
    stored = report_files.open_file(key_of(ORDERS.name, day))
    if stored is None:
        return FORMAT
    with stored:
        header = next(stored.iter_lines(), b"").decode("utf-8-sig", "replace")
    return 1 if header == ",".join(ORDERS.in_format(1).columns) else FORMAT


def _sink(
    sheet: ReportFormat, day: date, *, provisional: bool, complete: bool
) -> ReportWriter | ReportVerifier:
    key = key_of(sheet.name, day, provisional=provisional)
    stored = None if provisional else report_files.open_file(key)
    if stored is not None:
        return ReportVerifier(key, sheet, stored)
    if complete:
        raise ReportError(f"{key} is missing, although the day’s manifest lists it.")
    return ReportWriter(key, sheet, once=not provisional)


def _fill(
    sinks: dict[str, ReportWriter | ReportVerifier],
    earlier: Mapping[str, int],
    totals: Totals,
    movements: Iterator[LedgerRecord],
) -> None:
    """Add movements to the sheets and the totals. `earlier`: how many columns a sheet has that had fewer in its format."""
    calls = (partial(_read_rows, step) for step in _steps(movements))
    with closing(read_ahead(calls, BATCHES_AHEAD)) as read:
        for step, rows in read:
            for ledger_entry in step:
                totals.add(ledger_entry)
            for name, sink in sinks.items():
                sink.add([row[: earlier[name]] for row in rows[name]] if name in earlier else rows[name])


def _steps(movements: Iterable[LedgerRecord]) -> Iterator[list[LedgerRecord]]:
    """Split movements where the orders of their sales fill a BatchGetItem."""
    step, sales = list[LedgerRecord](), 0
    for ledger_entry in movements:
        step.append(ledger_entry)
        sales += ledger_entry.kind == SALE
        if sales == SALES_PER_BATCH or len(step) == MAX_ROWS_PER_BATCH:
            yield step
            step, sales = [], 0
    if step:
        yield step


def _read_rows(movements: list[LedgerRecord]) -> tuple[list[LedgerRecord], dict[str, list[Row]]]:
    """Make each sheet's rows of some movements and of the orders that they paid."""
    orders = _paid_by(movements)
    return movements, {
        ORDERS.name: list(map(order_row, orders)),
        ORDER_LINES.name: list(chain.from_iterable(map(line_rows, orders))),
        LEDGER.name: list(map(ledger_row, movements)),
        TAXES.name: list(chain.from_iterable(map(tax_rows, movements))),
    }


def _paid_by(movements: list[LedgerRecord]) -> list[OrderRecord]:
    """Read the orders that movements have paid. Raises ReportError where one is missing."""
    sales = [ledger_entry for ledger_entry in movements if ledger_entry.kind == SALE]
    found = batch_get_items(Order, [sale.order_id for sale in sales])
    missing = [sale.order_number for sale in sales if sale.order_id not in found]
    if missing:
        raise ReportError(f"The ledger refers to orders that don’t exist: {', '.join(missing)}.")
    orders = [(sale, OrderRecord(found[sale.order_id])) for sale in sales]
    return [
        order
        for sale, order in orders
        if order.text("paid_at") and order.text("capture_id") == sale.paypal_id
    ]


def _read_manifest(key: str) -> bytes | None:
    stored = report_files.open_file(key)
    return stored.read() if stored is not None else None


def _write_manifest(export: Export, before: bytes | None, *, once: bool) -> None:
    content: dict[str, Any] = {
        "day": str(export.day),
        "timezone": _time_zone(before),
        "currencies": sorted({currency for totals in export.totals.values() for currency in totals}),
        "files": {
            name: {"key": file.key, "rows": file.rows, "bytes": file.size, "sha256": file.sha256}
            for name, file in export.files.items()
        },
        "totals": export.totals,
    }
    if export.format > 1:  # the first named none
        content["format"] = export.format
    body = (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
    if before is None:
        report_files.write(export.manifest_key, body, report_files.JSON, once=once)
    elif before != body:
        raise ReportError(f"{export.manifest_key} differs from the current files and ledger.")


def _time_zone(before: bytes | None) -> str:
    # The zone that the day was booked in: a later change of the setting does not change that.
    if before is not None:
        with suppress(ValueError, KeyError, TypeError):  # no manifest of ours: it will differ
            return str(json.loads(before)["timezone"])
    return settings.timezone.key


def _days_with_books(before: date, since: date | None = None) -> list[date]:
    start = f"books/{since:%Y/%m/%d}" if since else "books/"
    names = (MANIFEST.search(key) for key in report_files.keys_after(start))
    return [day for name in names if name and (day := date.fromisoformat(name[1])) < before]


def _begin(today: date, done: list[date]) -> date:
    if not done:
        return _first_movement(today) or today - DAY
    # The very first days may have failed while later ones did not.
    progress = get(TotalsProgress, "progress")
    return (
        min(done[0], max(date.fromisoformat(progress.first_day), today - LOOK_BACK)) if progress else done[0]
    )


def _first_movement(today: date) -> date | None:
    # No manifest at all: a new shop, or one whose exports have failed since it opened.
    days = (today - DAY * back for back in range(LOOK_FOR_FIRST.days, 0, -1))
    return next((day for day in days if _has_movements(day)), None)


def _has_movements(day: date) -> bool:
    return any(next(ledger_pages(partition, page_size=1)) for partition in partitions_of(str(day)))
