"""The catalog's background jobs: export to a file in S3, compare and import a file from S3."""

import time

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.catalog.editing.product_editing import SaveResult, StockMode, StockUpdate
from chalicelib.catalog.import_export import exporter, importer
from chalicelib.catalog.import_export.catalog_parser import CheckedCatalog
from chalicelib.catalog.import_export.csv_reader import COLUMNS
from chalicelib.catalog.import_export.importer import CatalogErrors, ImportReport
from chalicelib.catalog.import_export.preview import preview_of
from chalicelib.database.reads import get
from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown, Transaction
from chalicelib.errors import ShopError
from chalicelib.ledger.report_columns import ReportFormat
from chalicelib.ledger.report_files import ReportWriter
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts
from chalicelib.staff.csv_response import file_name
from chalicelib.staff.jobs import job_progress
from chalicelib.staff.jobs.job_progress import JobContinues, JobFailed
from chalicelib.staff.models import Job, StaffMember
from chalicelib.staff.products.import_export import MAX_FILE_SIZE, read_upload, size_of

TURN_SECONDS = 10 * 60  # of the function's 15 minutes: the next turn continues from there
REPORT_EVERY = 100  # products: as many as are read together


def export(job: Job) -> None:
    """Write the catalog to S3, a hundred products at a time; if run again, it writes a new file."""
    total, done = exporter.count_products(), 0
    key = f"exports/{job.id}/{file_name('catalog')}"
    with ReportWriter(key, ReportFormat("catalog", COLUMNS), once=False) as upload:
        for count, rows in exporter.catalog_rows():
            upload.add(rows)
            done += count
            job_progress.report_progress(
                job, progress=done, total=max(total, done), message="Exporting products …"
            )
        upload.finish()
    job_progress.finish(job, f"Catalog exported: {done:,} products.", key)


def import_file(job: Job) -> None:
    """Check a whole file, then import it. If run again, it continues after the product that was last reported."""
    member = get(StaffMember, job.actor)
    if member is None or member.role != accounts.MERCHANT:
        raise JobFailed("Your account is no longer allowed to change the catalog. Nothing has been changed.")
    try:
        checked = importer.check_csv(_file(str(job.arguments["key"])))
        report = _load(job, member, checked)
    except CatalogErrors as error:
        count = len(error.faults)
        so_far = (
            f"{int(job.progress):,} products had already been imported"
            if job.progress
            else "Nothing has been changed"
        )
        message = f"{count} error{'s' if count > 1 else ''} in the file. {so_far}."
        raise JobFailed(message, str(error).split("\n")) from error
    except (
        ShopError,
        ConditionFailed,
        OutcomeUnknown,
        PynamoDBException,
        ClientError,
        BotoCoreError,
    ) as error:
        message = error.message if isinstance(error, ShopError) else "The database didn’t respond."
        raise JobFailed(
            f"{message} {int(job.progress):,} products were imported. Upload the file again to continue from there."
        ) from error
    counts = {name: count for name, count in vars(report).items() if count or not name.startswith("stock")}
    transaction = Transaction()
    audit_log.write_result(transaction, job, "imported a catalog file", counts)
    job_progress.finish_with(job, f"{report}.", transaction)


def _file(key: str) -> bytes:
    size = size_of(key)
    if size is None:
        raise JobFailed("The file is no longer available. Please upload it again.")
    if size > MAX_FILE_SIZE:
        raise JobFailed(
            f"The file is larger than {MAX_FILE_SIZE // 1024 // 1024} MB. Nothing has been changed."
        )
    return read_upload(key)


def _load(job: Job, member: StaffMember, checked: CheckedCatalog) -> ImportReport:
    """Import the products after those that are done, and count them with those.

    Raises JobContinues when its time is up.
    """
    stock = checked.stock_update(StockMode(job.arguments.get("stock", "ignore")), job.id)
    before = {"added": 0, "changed": 0, "same": 0, **job.arguments.get("outcomes", {})}
    outcomes: dict[str, int] = dict(before)
    began, done = time.monotonic(), int(job.progress)
    total = len(checked.products)
    job_progress.report_progress(job, total=total, message="The file is valid. Importing products …")
    for outcome in importer.load(
        checked, audit_log.writer_for(member, "imported a catalog file"), done, stock
    ):
        done += 1
        if isinstance(outcome, SaveResult):
            outcomes[outcome.name.lower()] += 1
            outcomes |= _counted(stock, before)
        time_is_up = time.monotonic() - began > TURN_SECONDS
        if done % REPORT_EVERY == 0 or time_is_up or done == total:
            job.arguments = {**job.arguments, "outcomes": outcomes}
            job_progress.report_progress(job, progress=done)
        if time_is_up and done < total:
            raise JobContinues
    return ImportReport(**outcomes)


def _counted(stock: StockUpdate, before: dict[str, int]) -> dict[str, int]:
    """Return the changes to stock of this run and of those before it."""
    counts = {
        "stock_changed": stock.changed,
        "stock_ignored": stock.ignored,
        "stock_repeated": stock.repeated,
    }
    return {name: before.get(name, 0) + count for name, count in counts.items()}


def check(job: Job) -> None:
    """Check a whole file and compare it with the catalog; the job's page shows what it would change."""
    try:
        preview = preview_of(importer.check_csv(_file(str(job.arguments["key"]))))
    except CatalogErrors as error:
        count = len(error.faults)
        message = f"{count} error{'s' if count > 1 else ''} in the file. Nothing has been changed."
        raise JobFailed(message, str(error).split("\n")) from error
    lines = [*preview.warnings, *preview.lines(), *preview.stock_lines()]
    job.problems = [line[: job_progress.MAX_PROBLEM_LENGTH] for line in lines]
    job_progress.finish(
        job, " ".join(part for part in (preview.source, preview.summary, preview.stock) if part)
    )
