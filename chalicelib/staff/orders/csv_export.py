"""Orders as CSV: the books' columns, then what is packed and where it goes. Few are returned directly, many by a background job."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from itertools import chain

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.database.reads import batch_get_items
from chalicelib.database.streams import rare_collections
from chalicelib.ledger.report_columns import ORDERS, ReportFormat, Row, decimals_of, order_row, safe_cell
from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list, order_search, search_index
from chalicelib.orders.search.order_list import OrderFilter
from chalicelib.orders.views.order_record import OrderRecord
from chalicelib.staff import layout
from chalicelib.staff.csv_response import TooLarge, csv_answer
from chalicelib.staff.jobs import job_progress, job_queue
from chalicelib.staff.models import Job, StaffMember
from chalicelib.staff.orders.order_filter import OrderListQuery, read_question, selected_order_ids
from chalicelib.web import http_request

MAX_DIRECT = 500  # five reads, some 100 kB: far from API Gateway's 29 s and 10 MB
KIND = "orders-export"
ADDRESS = ("address", "address2", "postal_code", "city", "region", "phone")
BOOKED = ORDERS.in_format(1).columns  # what the books added later comes last here, too
SHEET = ReportFormat(
    "orders",
    (
        *BOOKED,
        *ADDRESS,
        "line_items",
        "carrier",
        "tracking_number",
        "state",
        "refunded",
        "reversed",
        *ORDERS.columns[len(BOOKED) :],
    ),
)
_INTERNATIONAL = re.compile(r"\+[0-9][0-9 ()/.-]*", re.ASCII)
REPORT_EVERY = 1000  # orders


def export(request: Request, member: StaffMember) -> Response:
    """Answer with the file, or lead to the page of the job that makes it."""
    ticked = selected_order_ids(request)
    if ticked:
        found = map(OrderRecord, batch_get_items(Order, ticked).values())
        return _file(sorted(found, key=lambda order: order.placed_at, reverse=True))
    question = read_question(request)
    if question.errors:
        return layout.redirect_with_notice("/staff/orders", next(iter(question.errors.values())))
    if question.text:
        return _found(request, member, question)
    if order_list.count_up_to(question.selection, MAX_DIRECT + 1) <= MAX_DIRECT:
        with suppress(TooLarge):
            steps = order_list.all_orders(question.selection, None, _rows_of)
            return csv_answer("orders", SHEET.columns, chain.from_iterable(steps))
    return _later(request, member, question)


def _found(request: Request, member: StaffMember, question: OrderListQuery) -> Response:
    found = order_search.search_orders(question.text, question.selection, most=search_index.MAX_ROWS)
    if not found.has_more:  # a file that silently lacks some would be believed
        with suppress(TooLarge):
            return _file(map(OrderRecord.of, found.orders))
    return _later(request, member, question)


def _later(request: Request, member: StaffMember, question: OrderListQuery) -> Response:
    """Start a job that makes the file. It changes nothing in the shop, so finance may start it too."""
    if http_request.is_prefetch(request):
        return layout.redirect_with_notice("/staff/orders")
    asked = _arguments(question.selection)
    if question.text:
        # Mostly a name or address: personal data, which the audit log never contains, nor an ID, which it keeps.
        job = job_queue.start(member, KIND, asked, private={"text": question.text})
    else:
        job = job_queue.start(member, KIND, asked, _job_id(member, asked))
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


@rare_collections()
def run(job: Job) -> None:
    """Write a job's file, a hundred orders at a time, streamed to S3. Repeated, it writes the same."""
    from chalicelib.ledger.report_files import ReportWriter

    selection, before = _selection_of(job.arguments)
    is_wanted = order_search.matches(job.private_arguments["text"]) if job.private_arguments else None
    total = order_list.count_all(selection, before)
    done = 0

    def take(orders: list[OrderRecord]) -> tuple[int, list[Row]]:
        return len(orders), _rows_of(filter(is_wanted, orders))

    with ReportWriter(f"exports/{job.id}/orders.csv", SHEET, once=False) as upload:
        for count, made in order_list.all_orders(selection, before, take):
            upload.add(made)
            done += count
            if done % REPORT_EVERY < count:
                job_progress.report_progress(job, progress=done, total=total, message="Creating the file …")
        file = upload.finish()
    job_progress.report_progress(job, progress=done, total=done)
    job_progress.finish(
        job, f"The file contains {file.rows} {'order' if file.rows == 1 else 'orders'}.", file.key
    )


def _arguments(selection: OrderFilter) -> dict[str, str]:
    days = {"first": selection.first, "last": selection.last}
    asked = {name: day.isoformat() for name, day in days.items() if day}
    # Orders that come while the file is made are not in it.
    return {**asked, "state": selection.state or "", "before": f"{clock.iso_now()}~"}


def _job_id(member: StaffMember, asked: Mapping[str, str]) -> str:
    """Make one job of a button that is pressed twice within a minute."""
    same = {**asked, "before": asked["before"][: len("2026-11-22T10:00")], "by": member.email}
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]


def _selection_of(arguments: Mapping[str, str]) -> tuple[OrderFilter, str]:
    first, last = (
        date.fromisoformat(arguments[day]) if day in arguments else None for day in ("first", "last")
    )
    return OrderFilter(arguments["state"] or None, first, last), arguments["before"]


def _file(orders: Iterable[OrderRecord]) -> Response:
    return csv_answer("orders", SHEET.columns, map(row_of, orders))


def _rows_of(orders: Iterable[OrderRecord]) -> list[Row]:
    return list(map(row_of, orders))


def row_of(order: OrderRecord) -> Row:
    """Make an order's row. Several items or parcels share a cell: “2 × TEA-50 Green tea; 1 × MUG Pebble mug”."""
    # Each begins with a number, so a cell that is safe alone is also safe after another.
    items = [safe_cell(f"{line['quantity']} × {line['sku']} {line['name']}") for line in order.lines]
    parcels = order.parcels
    carriers, numbers = ("; ".join([each[part] for each in parcels]) for part in ("carrier", "tracking"))
    *address, phone = [order.customer.get(field) or "" for field in ADDRESS]
    booked = order_row(order)
    return [
        *booked[: len(BOOKED)],
        *map(safe_cell, address),
        phone_cell(phone),
        "; ".join(items),
        safe_cell(carriers),
        safe_cell(numbers),
        order.text("state"),
        *decimals_of(order, ("refunded", "reversed")),
        *booked[len(BOOKED) :],
    ]


def phone_cell(phone: str) -> str:
    """Write +49 (30) 123-45 as E.123 does, +49 30 123 45: a carrier's import reads it, no spreadsheet computes it."""
    if not _INTERNATIONAL.fullmatch(phone):
        return safe_cell(phone)
    return "+" + " ".join(re.findall("[0-9]+", phone.replace("(0)", " ")))  # not dialled from abroad
