"""The books' background jobs: write a day's books, and pack a month's."""

from datetime import date
from typing import TYPE_CHECKING

from chalicelib import clock
from chalicelib.staff.dashboard.periods import DateRange, format_date, parse_month
from chalicelib.staff.jobs import job_progress

if TYPE_CHECKING:
    from chalicelib.ledger.monthly_archive import Month
    from chalicelib.staff.models import Job


def write_day(job: "Job") -> None:
    """Write a day's books, or compare them if they exist."""
    from chalicelib.ledger import daily_reports

    day = date.fromisoformat(job.arguments["day"])
    provisional = clock.now() < daily_reports.closes_at(day)
    try:
        export = daily_reports.export_day(day, provisional=provisional)
    except daily_reports.ReportError as error:
        raise job_progress.JobFailed(
            f"The books for {format_date(day)} couldn’t be created.", [str(error)]
        ) from error
    orders, movements = (export.files[name].rows for name in ("orders", "ledger"))
    what = "Provisional books" if provisional else "The books"
    counted = f"{_count(orders, 'order')}, {_count(movements, 'transaction')}"
    job_progress.finish(job, f"{what} for {format_date(day)} have been created: {counted}.")


def pack_month(job: "Job") -> None:
    """Pack a month's books into one file."""
    from chalicelib.ledger import daily_reports
    from chalicelib.ledger.monthly_archive import read_month, write_archive
    from chalicelib.ledger.report_columns import SHEETS

    name = job.arguments["month"]
    span = parse_month(name, clock.today())
    month = read_month(span.first)
    key = f"exports/{month.mark}/books-{name}.zip"
    total = len(SHEETS) * len(month.days)

    def report(read: int) -> None:
        if read % len(SHEETS) == 0:
            job_progress.report_progress(job, progress=read, total=total, message="Combining the days …")

    try:
        write_archive(month, name, key, report)
    except (daily_reports.ReportError, IndexError) as error:
        raise job_progress.JobFailed(
            f"The books for {span.first:%B %Y} couldn’t be combined.", [str(error)]
        ) from error
    job_progress.finish(job, _what_is_in(month, span), key)


def _what_is_in(month: "Month", span: DateRange) -> str:
    there = {booked.day for booked in month.days}
    missing = [day for day in span.days if month.days[0].day < day < month.days[-1].day and day not in there]
    message = f"The books for {_count(len(there), 'day')}, {format_date(month.days[0].day)} to {format_date(month.days[-1].day)}."
    if missing:
        message += f" Not included, because they have no books: {', '.join(map(format_date, missing))}."
    return message


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
