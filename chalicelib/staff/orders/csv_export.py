"""Orders as CSV: the books' columns, then what is packed and where it goes. Few are answered at once, many by a job."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date

from chalice.app import Request, Response

from chalicelib import clock, money
from chalicelib.database.reads import batch_get
from chalicelib.ledger.report_columns import ORDERS, ReportFormat, Row, order_row, safe_cell
from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list, order_search, search_index
from chalicelib.orders.search.order_list import OrderFilter
from chalicelib.staff import layout
from chalicelib.staff.csv_response import TooLarge, csv_answer
from chalicelib.staff.jobs import job_progress, job_queue
from chalicelib.staff.models import Job, StaffMember
from chalicelib.staff.orders.order_filter import OrderListQuery, read_question, selected_order_ids
from chalicelib.web import http_request

MAX_DIRECT = 500  # five reads, some 100 kB: far from API Gateway's 29 s and 10 MB
KIND = "orders-csv"
ADDRESS = ("address", "address2", "postal_code", "city", "region", "phone")
SHEET = ReportFormat(
    "orders",
    (*ORDERS.columns, *ADDRESS, "line_items", "carrier", "tracking_number", "state", "refunded", "reversed"),
)
_INTERNATIONAL = re.compile(r"\+[0-9][0-9 ()/.-]*", re.ASCII)
TELL_EVERY = 1000  # orders


def export(request: Request, member: StaffMember) -> Response:
    """Answer with the file, or lead to the page of the job that makes it."""
    ticked = selected_order_ids(request)
    if ticked:
        found = batch_get({Order: ticked})[Order].values()
        return _file(sorted(found, key=lambda order: str(order.placed_at), reverse=True))
    question = read_question(request)
    if question.errors:
        return layout.redirect_with_notice("/staff/orders", next(iter(question.errors.values())))
    if question.text:
        return _found(request, member, question)
    if order_list.count_up_to(question.selection, MAX_DIRECT + 1) <= MAX_DIRECT:
        with suppress(TooLarge):
            return _file(order for step in order_list.all_orders(question.selection) for order in step)
    return _later(request, member, question)


def _found(request: Request, member: StaffMember, question: OrderListQuery) -> Response:
    found = order_search.search_orders(question.text, question.selection, most=search_index.MAX_ROWS)
    if not found.has_more:  # a file that silently lacks some would be believed
        with suppress(TooLarge):
            return _file(found.orders)
    return _later(request, member, question)


def _later(request: Request, member: StaffMember, question: OrderListQuery) -> Response:
    """Have the file made: it changes nothing in the shop, so that finance may ask for it too."""
    if http_request.is_prefetch(request):
        return layout.redirect_with_notice("/staff/orders")
    asked = _arguments(question.selection)
    if question.text:
        # Mostly somebody's name or address: not for the trail, and no part of an id, which the trail keeps.
        job = job_queue.start(member, KIND, asked, private={"text": question.text})
    else:
        job = job_queue.start(member, KIND, asked, _job_id(member, asked))
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


def run(job: Job) -> None:
    """Write the file of a job: a hundred orders at a time, streamed to S3. Run again, it writes the same."""
    from chalicelib.ledger.report_files import ReportWriter

    selection, before = _selection_of(job.arguments)
    is_wanted = order_search.matches(job.private_arguments["text"]) if job.private_arguments else None
    total = order_list.count_all(selection, before)
    done = 0
    with ReportWriter(f"exports/{job.id}/orders.csv", SHEET, once=False) as upload:
        for step in order_list.all_orders(selection, before):
            upload.add(map(row_of, filter(is_wanted, step)))
            done += len(step)
            if done % TELL_EVERY < len(step):
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


def _file(orders: Iterable[Order]) -> Response:
    return csv_answer("orders", SHEET.columns, map(row_of, orders))


def row_of(order: Order) -> Row:
    """Make an order's row. Several items or parcels share a cell: “2 × TEA-50 Green tea; 1 × MUG Pebble mug”."""
    items = (f"{line.quantity} × {line.sku} {line.name}" for line in order.lines)
    carriers, numbers = (
        "; ".join(parcel[part] for parcel in order.parcels) for part in ("carrier", "tracking")
    )
    *address, phone = (order.customer.get(field) or "" for field in ADDRESS)
    packed = map(safe_cell, ("; ".join(items), carriers, numbers))
    went_back = (
        money.to_decimal_string(int(sum_), order.currency) for sum_ in (order.refunded, order.reversed)
    )
    return [
        *order_row(order),
        *map(safe_cell, address),
        phone_cell(phone),
        *packed,
        str(order.state),
        *went_back,
    ]


def phone_cell(phone: str) -> str:
    """Write +49 (30) 123-45 as E.123 does, +49 30 123 45: a carrier's import reads it, no spreadsheet computes it."""
    if not _INTERNATIONAL.fullmatch(phone):
        return safe_cell(phone)
    return "+" + " ".join(re.findall("[0-9]+", phone.replace("(0)", " ")))  # not dialled from abroad
