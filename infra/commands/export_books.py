"""Write one day's books now: `python -m infra.commands.export_books 2026-11-22`, which `make export DAY=2026-11-22` runs.

A closed day gets its final books, or is compared if it has them; a day that is not closed gets provisional ones.
Prints a line for each file: its key, its rows and a link. Exits 1 with one line if that was not possible.
"""

import sys
from datetime import date

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import aws, clock
from chalicelib.config import settings
from chalicelib.errors import ShopError
from chalicelib.ledger import daily_reports
from chalicelib.ledger.models import booking_day

LINK_SECONDS = 7 * 24 * 60 * 60  # the maximum in S3; it ends sooner with the credentials of a session


def main(arguments: list[str]) -> int:
    """Write the books of the given day; return the process's exit status."""
    try:
        day = parse_day(arguments)
        export = daily_reports.export_day(day, provisional=clock.now() < daily_reports.closes_at(day))
        for line in report(export):
            print(line)
    except (daily_reports.ReportError, ShopError, BotoCoreError, ClientError, PynamoDBException) as error:
        print("The books could not be created:", *str(error).split(), file=sys.stderr)
        return 1
    except BadDay as error:
        print(error, file=sys.stderr)
        return 2
    return 0


class BadDay(Exception):
    """Raised where the given day is wrong."""


def parse_day(arguments: list[str]) -> date:
    """Return the given day, which must have begun. Raises BadDay."""
    text = " ".join(arguments)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text:  # fromisoformat takes week dates too
        raise BadDay(f"Name a day such as DAY=2026-11-22, not {text!r}.")
    if text > booking_day(clock.now()):
        raise BadDay(f"{day} is in the future: there are no books to create.")
    return day


def report(export: daily_reports.Export) -> list[str]:
    """Return the lines to print: key, rows, link; the manifest's rows are all rows of the ledger."""
    rows = {file.key: file.rows for file in export.files.values()}
    rows[export.manifest_key] = export.files["ledger"].rows
    return [
        f"{key}  {count} rows  {aws.download_link(settings.books_bucket, key, LINK_SECONDS)}"
        for key, count in rows.items()
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
