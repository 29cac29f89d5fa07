"""The pages where the merchant exports the catalog as a CSV file, and imports one."""

import re
from typing import TYPE_CHECKING, Any

from chalice.app import Request, Response

from chalicelib import aws, ids
from chalicelib.catalog.editing.product_editing import StockMode
from chalicelib.catalog.import_export import exporter
from chalicelib.catalog.import_export.csv_reader import COLUMNS
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff import layout
from chalicelib.staff.csv_response import TooLarge, csv_answer
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request, urls
from chalicelib.web.forms import read_form

if TYPE_CHECKING:
    from chalicelib.catalog.import_export.preview import Preview

PATH = "/staff/catalog"
MAX_DIRECT = 200  # products that fit into a response; more are written by a job
MAX_FILE_SIZE = 10 * 1024 * 1024
MAX_PREVIEW_BYTES = (
    512 * 1024
)  # bytes of a file that is compared immediately; a larger one is compared by a job
FORM_SECONDS = 60 * 60  # how long the upload form is valid
KEY = re.compile(r"imports/[0-9a-f]{32}", re.ASCII)


def show(request: Request, member: StaffMember) -> Response:
    """Offer the catalog as a file, and a form that uploads one directly to S3."""
    return _show(member)


def _show(member: StaffMember, status: int = 200, problem: str | None = None) -> Response:
    form = _form_to_s3()
    return layout.render_page(
        member,
        "staff/products/import_export.html",
        status,
        uploads_to=form["url"],
        upload=form,
        form=layout.new_form_token(),
        problem=problem,
        columns=COLUMNS,
        largest=MAX_FILE_SIZE,
    )


def _form_to_s3() -> Any:
    back = urls.absolute_url(f"{PATH}/sent")
    return aws.client("s3").generate_presigned_post(
        Bucket=settings.books_bucket,
        Key=f"imports/{ids.new_id()}",
        Fields={"success_action_redirect": back},
        Conditions=[{"success_action_redirect": back}, ["content-length-range", 1, MAX_FILE_SIZE]],
        ExpiresIn=FORM_SECONDS,
    )


# -- out --------------------------------------------------------------------------------------------------


def export(request: Request, member: StaffMember) -> Response:
    """Return the file; for a large shop, redirect to the job that writes it."""
    form_token = layout.read_form_token(read_form(request))
    if not exporter.has_more_than(MAX_DIRECT):
        rows = (row for _, step in exporter.catalog_rows() for row in step)
        try:
            return csv_answer("catalog", COLUMNS, rows)
        except TooLarge:
            pass
    job = job_queue.start(member, "catalog-export", {}, form_token)
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


# -- in ---------------------------------------------------------------------------------------------------


def confirm_import(request: Request, member: StaffMember) -> Response:
    """Show what an uploaded file would change, and a button to import it; for a large one, a button to compare it."""
    from chalicelib.catalog.import_export import importer, preview  # no other page needs them

    key = _key(http_request.query(request, "key") or "")
    size = size_of(key)
    if size is None:
        return _show(
            member, 404, "The file wasn’t found, or was uploaded too long ago. Please upload it again."
        )
    if size > MAX_PREVIEW_BYTES:
        return _confirmation(member, key, size)
    try:
        return _confirmation(member, key, size, preview.preview_of(importer.check_csv(read_upload(key))))
    except importer.CatalogErrors as error:
        return _confirmation(member, key, size, faults=str(error).split("\n"), count=len(error.faults))


def _confirmation(
    member: StaffMember,
    key: str,
    size: int,
    preview: "Preview | None" = None,
    *,
    faults: list[str] | None = None,
    count: int = 0,
) -> Response:
    return layout.render_page(
        member,
        "staff/products/confirm_import.html",
        key=key,
        size=size,
        preview=preview,
        faults=faults or [],
        count=count,
        form=layout.new_form_token(),
    )


def check_file(request: Request, member: StaffMember) -> Response:
    """Start a job that compares a large file with the catalog; its page offers to import it."""
    form_data = read_form(request)
    key, form_token = _key(form_data.text("key")), layout.read_form_token(form_data)
    job = job_queue.start(member, "catalog-check", {"key": key}, form_token)
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


def start_import(request: Request, member: StaffMember) -> Response:
    """Start a job that checks and imports a file; pressed twice, it is imported once."""
    form_data = read_form(request)
    key, form_token = _key(form_data.text("key")), layout.read_form_token(form_data)
    stock = form_data.text("stock") or StockMode.IGNORE.value
    if stock not in [mode.value for mode in StockMode]:
        raise BadInput("Please choose what to do with the stock.")
    job = job_queue.start(member, "catalog-import", {"key": key, "stock": stock}, form_token)
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


def read_upload(key: str) -> bytes:
    """Read an uploaded file."""
    return aws.client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()


def _key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise BadInput("The link to this file is incomplete. Please upload the file again.")
    return key


def size_of(key: str) -> int | None:
    """Return the size of an uploaded file in bytes; None if there is none."""
    return aws.object_size(settings.books_bucket, key)
