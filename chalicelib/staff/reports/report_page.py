"""Books: the days of a month with their files and control totals; downloads of a day's file or a month's archive."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from chalice.app import Request, Response

from chalicelib import aws, clock
from chalicelib.config import settings
from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.staff import layout
from chalicelib.staff.dashboard.periods import (
    ONE,
    DateRange,
    end_of_month,
    format_date,
    parse_day,
    parse_month,
)
from chalicelib.staff.jobs import job_page, job_queue
from chalicelib.staff.models import StaffMember
from chalicelib.web import responses
from chalicelib.web.http_request import is_prefetch, query

if TYPE_CHECKING:
    from chalicelib.ledger.monthly_archive import ClosedDay, Month
    from chalicelib.ledger.totals import Summary, Totals


FILES = {
    "orders": "Orders",
    "order-lines": "Lines",
    "ledger": "Ledger",
    "taxes": "Taxes",
    "manifest": "Manifest",
}
WRITTEN, OPEN_DAY, DUE, LATE, BROKEN = "written", "open", "due", "late", "broken"


class BeforeFirstDay(Conflict):
    """No books exist for a day before the shop's first."""

    title = "There are no books of this day"
    back = "/staff/books"


@dataclass(frozen=True)
class Entry:
    """A day of the list.

    Its figures are those of the books, or what was counted so far; the shop's currency first.
    """

    day: date
    state: str
    figures: "list[Summary]"
    rows: dict[str, int]
    problem: str = ""
    provisional: str = ""  # when the provisional files of the current day were written


def show(request: Request, member: StaffMember) -> Response:
    """Show a month's days and what their manifests vouch for."""
    from chalicelib.ledger.monthly_archive import read_month

    now = clock.now()
    today = clock.today(now)
    asked = query(request, "month") or f"{today:%Y-%m}"
    try:
        span, problem = parse_month(asked, today), None
    except BadInput as refusal:
        span, problem = parse_month(f"{today:%Y-%m}", today), refusal.message
    month, begins = read_month(span.first), _first_day(now)
    entries = _entries(span, month, begins, now)
    return layout.render_page(
        member,
        "staff/reports/reports.html",
        400 if problem else 200,
        problem=problem,
        typed=asked if problem else f"{span.first:%Y-%m}",
        this_month=f"{today:%Y-%m}",
        month=span.first,
        earlier=span.first - ONE if span.first > begins else None,
        later=end_of_month(span.first) + ONE if end_of_month(span.first) < today else None,
        begins=begins if begins > span.first else None,
        entries=entries,
        late=[entry for entry in entries if entry.state in (LATE, BROKEN)],
        written=len(month.days),
        sums=_figures(month.totals),
        rows={name: month.rows(name) for name in FILES if name != "manifest"},
        files=FILES,
        format_date=format_date,
    )


def fetch_month(request: Request, member: StaffMember, when: str) -> Response:
    """Start packing a month's books into one file; if that is done or in progress, redirect to its job."""
    from chalicelib.ledger.monthly_archive import read_month

    span = parse_month(when, clock.today())
    month = read_month(span.first)
    if not month.days:
        raise NotFound(f"There are no books for {span.first:%B %Y} yet.")
    if is_prefetch(request):
        return layout.redirect_with_notice(f"/staff/books?month={when}")
    # One job per member, version of the books and hour, however often the link is followed.
    asked = f"{member.email} {when} {month.mark} {clock.timestamp() // 3600}"
    job_id = hashlib.sha256(asked.encode()).hexdigest()[:32]
    return layout.redirect_with_notice(
        f"/staff/jobs/{job_queue.start(member, 'month', {'month': when}, job_id).id}"
    )


def fetch_file(request: Request, member: StaffMember, when: str, name: str) -> Response:
    """Redirect to a day's file, by a link that is valid for some minutes: the final one, or else the provisional one."""
    from chalicelib.ledger.daily_reports import closes_at, key_of

    now = clock.now()
    day = parse_day(when, clock.today(now))
    if name not in FILES:
        raise NotFound("This file doesn’t exist.")
    key = key_of(name, day, provisional=now < closes_at(day))
    if aws.object_size(settings.books_bucket, key) is None:
        raise NotFound(f"This file for {format_date(day)} hasn’t been created yet.")
    name = key.rsplit("/", 1)[-1]
    return responses.redirect(
        job_page.download_link(key, f"provisional-{name}" if now < closes_at(day) else name)
    )


def write_now(request: Request, member: StaffMember, when: str) -> Response:
    """Have a day's books written now: the final ones of a closed day, else provisional ones."""
    day = parse_day(when, clock.today())
    if day < _first_day(clock.now()):
        raise BeforeFirstDay("The books begin later: there were no transactions on that day.")
    return layout.redirect_with_notice(
        f"/staff/jobs/{job_queue.start(member, 'books', {'day': str(day)}).id}"
    )


def _entries(span: DateRange, month: "Month", begins: date, now: datetime) -> list[Entry]:
    """List the month's days since the books began, the latest first."""
    from chalicelib.ledger import daily_reports, daily_totals

    written = {booked.day: booked for booked in month.days}
    listed = [day for day in reversed(span.days) if day >= begins or day in written]
    going_on = [day for day in listed if now < daily_reports.closes_at(day)]
    counts = daily_totals.count(going_on, now)
    entries = []
    for day in listed:
        if day in written:
            entries.append(_written(written[day]))
        elif day in counts:
            entries.append(_going_on(day, counts[day].tally.totals()))
        else:
            entries.append(Entry(day, LATE if daily_reports.should_be_written(day, now) else DUE, [], {}))
    return entries


def _written(booked: "ClosedDay") -> Entry:
    state = BROKEN if booked.problem else WRITTEN
    return Entry(booked.day, state, _figures(booked.totals), booked.rows, booked.problem)


def _going_on(day: date, totals: "Totals") -> Entry:
    from chalicelib.ledger.monthly_archive import provisional_since

    since = provisional_since(day)
    return Entry(day, OPEN_DAY, _figures(totals), {}, provisional=since.isoformat() if since else "")


def _figures(totals: "Totals") -> "list[Summary]":
    others = [currency for currency in totals.currencies if currency != settings.currency]
    return [totals.summary(currency) for currency in (settings.currency, *others)]


def _first_day(now: datetime) -> date:
    from chalicelib.ledger import daily_totals

    return daily_totals.first_day(now)
