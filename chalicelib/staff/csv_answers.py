"""CSV files that are small enough to be answered with at once; a job writes the others."""

import csv
import io
from collections.abc import Iterable, Sequence

from chalice.app import Response

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.ledger.files import BOM, CSV

MOST_BYTES = 4 * 1024 * 1024  # Lambda answers with 6 MB at most


class TooLarge(Exception):
    """Say that a file does not fit into an answer."""


def csv_answer(what: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """Answer with rows as a file named after what it holds and today. Raises TooLarge."""
    text = io.StringIO(newline="")
    text.write(BOM)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if text.tell() > MOST_BYTES:
            raise TooLarge
    whole = text.getvalue()
    if len(whole.encode()) > MOST_BYTES:
        raise TooLarge
    headers: dict[str, str | list[str]] = {
        "Content-Type": CSV,
        "Content-Disposition": f'attachment; filename="{file_name(what)}"',
        "Cache-Control": "private, no-store",
    }
    return Response(whole, headers)


def file_name(what: str) -> str:
    """Name a file after what it holds as of the shop's today."""
    return f"{what}-{clock.now().astimezone(settings.timezone).date().isoformat()}.csv"
