"""The pages where the merchant takes the whole catalog out as a CSV file, and sends one to be loaded."""

import csv
import io
import re
from typing import Any

from chalice.app import Request, Response

from chalicelib import aws, clock
from chalicelib.catalog import exporter
from chalicelib.catalog.files import COLUMNS
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff import desk, jobs
from chalicelib.staff.models import Member
from chalicelib.web import pages, requests
from chalicelib.web.forms import read_form

PATH = "/staff/catalog"
MOST_AT_ONCE = 200  # products that are answered directly; more are written by a job
MOST_BYTES_AT_ONCE = 4 * 1024 * 1024  # Lambda answers with 6 MB at most
LARGEST_FILE = 10 * 1024 * 1024
FORM_SECONDS = 60 * 60  # that the form to send a file with may lie open
KEY = re.compile(r"imports/[0-9a-f]{32}", re.ASCII)
FORM_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def show(request: Request, member: Member) -> Response:
    """Offer the catalog as a file, and a form that sends one straight to S3."""
    return _show(member)


def _show(member: Member, status: int = 200, problem: str | None = None) -> Response:
    form = _form_to_s3()
    return desk.show(
        member,
        "staff/catalog.html",
        status,
        uploads_to=form["url"],
        upload=form,
        form=desk.form_id(),
        problem=problem,
        columns=COLUMNS,
        largest=LARGEST_FILE,
    )


def _form_to_s3() -> Any:
    back = pages.absolute_url(f"{PATH}/sent")
    return aws.client("s3").generate_presigned_post(
        Bucket=settings.books_bucket,
        Key=f"imports/{clock.new_id()}",
        Fields={"success_action_redirect": back},
        Conditions=[{"success_action_redirect": back}, ["content-length-range", 1, LARGEST_FILE]],
        ExpiresIn=FORM_SECONDS,
    )


# -- out --------------------------------------------------------------------------------------------------


def take_out(request: Request, member: Member) -> Response:
    """Answer with the file; for a large shop, lead to the job that writes it."""
    form = read_form(request).text("form")
    if not FORM_ID.fullmatch(form):
        raise BadInput("This form is incomplete. Please open the page again.")
    text = None if exporter.has_more_than(MOST_AT_ONCE) else _whole_file()
    if text is None:
        job = jobs.start(member, "catalog-csv", {}, form)
        return desk.go(f"/staff/jobs/{job.id}")
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{file_name()}"',
        "Cache-Control": "private, no-store",
    }
    return Response(text, headers, 200)


def _whole_file() -> str | None:
    """Write all of it; None where it is too large to answer with."""
    text = io.StringIO(newline="")
    text.write("\ufeff")  # without it, Excel takes the file for Latin-1
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for _, rows in exporter.catalog_rows():
        writer.writerows(rows)
        if text.tell() > MOST_BYTES_AT_ONCE:
            return None
    whole = text.getvalue()
    return whole if len(whole.encode()) <= MOST_BYTES_AT_ONCE else None


def file_name() -> str:
    """Name a file of the catalog as of today."""
    return f"catalog-{clock.now().astimezone(settings.timezone).date().isoformat()}.csv"


# -- in ---------------------------------------------------------------------------------------------------


def sent(request: Request, member: Member) -> Response:
    """Show the file that S3 has taken, and a button to check and load it."""
    key = _key(requests.query(request, "key") or "")
    size = size_of(key)
    if size is None:
        return _show(member, 404, "The file is not here, or was sent too long ago. Please send it again.")
    return desk.show(member, "staff/catalog_sent.html", key=key, size=size, form=desk.form_id())


def take_in(request: Request, member: Member) -> Response:
    """Have a file checked and loaded; pressed twice, it is loaded once."""
    typed = read_form(request)
    key, form = _key(typed.text("key")), typed.text("form")
    if not FORM_ID.fullmatch(form):
        raise BadInput("This form is incomplete. Please open the page again.")
    job = jobs.start(member, "catalog-in", {"key": key}, form)
    return desk.go(f"/staff/jobs/{job.id}")


def _key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise BadInput("The address of this file is incomplete. Please send the file again.")
    return key


def size_of(key: str) -> int | None:
    """Tell the bytes of a file that was sent; None where there is none."""
    return aws.size_of(settings.books_bucket, key)
