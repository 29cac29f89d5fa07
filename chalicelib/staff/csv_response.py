"""CSV files that are small enough for a response; a job writes the others."""

import csv
import io
from collections.abc import Iterable, Sequence

from chalice.app import Response

from chalicelib import clock, errors
from chalicelib.config import settings
from chalicelib.ledger.report_files import BOM, CSV
from chalicelib.web.responses import MAX_SENT_BYTES, sent_bytes

MAX_CHARACTERS = 4 * 1024 * 1024  # more never fit


class TooLarge(errors.PayloadTooLarge):
    """Raised if a file does not fit into a response."""

    def __init__(self) -> None:
        super().__init__("This file is too large to download at once. Please choose fewer rows.")


def csv_answer(what: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """Return rows as a file named after its content and today's date. Raises TooLarge."""
    text = io.StringIO(newline="")
    text.write(BOM)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if text.tell() > MAX_CHARACTERS:
            raise TooLarge
    whole = text.getvalue()
    if sent_bytes(whole) > MAX_SENT_BYTES:
        raise TooLarge
    headers: dict[str, str | list[str]] = {
        "Content-Type": CSV,
        "Content-Disposition": f'attachment; filename="{file_name(what)}"',
        "Cache-Control": "private, no-store",
    }
    return Response(whole, headers)


def file_name(what: str) -> str:
    """Return a file name from its content and the shop's current date."""
    return f"{what}-{clock.now().astimezone(settings.timezone).date().isoformat()}.csv"
