"""The catalog's long work: all of it written to a file in S3, and a file from there checked and loaded."""

import time

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.aws import client
from chalicelib.catalog import exporter, importer
from chalicelib.catalog.editing import Saved
from chalicelib.catalog.files import COLUMNS
from chalicelib.catalog.importer import BadCatalog, Checked, Report
from chalicelib.config import settings
from chalicelib.errors import ShopError
from chalicelib.ledger.files import Upload
from chalicelib.ledger.sheets import Sheet
from chalicelib.staff import accounts, audit, jobs
from chalicelib.staff.catalog_files import LARGEST_FILE, size_of
from chalicelib.staff.csv_answers import file_name
from chalicelib.staff.jobs import GoesOn, JobFailed
from chalicelib.staff.models import Job, Member
from chalicelib.storage import Refused, Unknown, get

TURN_SECONDS = 10 * 60  # of the function's 15 minutes: the next turn goes on from there
TELL_EVERY = 25  # products


def write(job: Job) -> None:
    """Write the catalog to S3, a hundred products at a time; run again, it writes the file anew."""
    total, done = exporter.count_products(), 0
    key = f"exports/{job.id}/{file_name('catalog')}"
    with Upload(key, Sheet("catalog", COLUMNS), once=False) as upload:
        for count, rows in exporter.catalog_rows():
            upload.add(rows)
            done += count
            jobs.tell(job, progress=done, total=max(total, done), words="Writing the products.")
        upload.finish()
    jobs.finish(job, f"The catalog is written: {done:,} products.", key)


def load(job: Job) -> None:
    """Check a whole file, then load it. Run again, it goes on behind the product that was told last."""
    member = get(Member, job.by)
    if member is None or member.role != accounts.MERCHANT:
        raise JobFailed("Your account may not change the catalog any more. Nothing was changed.")
    try:
        checked = importer.check_csv(_file(str(job.arguments["key"])))
        report = _load(job, member, checked)
    except BadCatalog as error:
        count = len(error.faults)
        so_far = (
            f"{int(job.progress):,} products were loaded before" if job.progress else "Nothing was changed"
        )
        words = f"{count} fault{'s' if count > 1 else ''} in the file. {so_far}."
        raise JobFailed(words, str(error).split("\n")) from error
    except (ShopError, Refused, Unknown, PynamoDBException, ClientError, BotoCoreError) as error:
        said = error.message if isinstance(error, ShopError) else "The shop's database did not answer."
        raise JobFailed(
            f"{said} {int(job.progress):,} products were loaded. Send the file again: it goes on from there."
        ) from error
    audit.record(job.by, "loaded a catalog file", f"job {job.id}", {}, vars(report))
    jobs.finish(job, f"{report}.")


def _file(key: str) -> bytes:
    size = size_of(key)
    if size is None:
        raise JobFailed("The file is not here any more. Please send it again.")
    if size > LARGEST_FILE:
        raise JobFailed(f"The file is larger than {LARGEST_FILE // 1024 // 1024} MB. Nothing was changed.")
    return client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()


def _load(job: Job, member: Member, checked: Checked) -> Report:
    """Load the products behind those that are done, and count them with those. Raises GoesOn when its time is up."""
    outcomes: dict[str, int] = {"added": 0, "changed": 0, "same": 0, **job.arguments.get("outcomes", {})}
    began, done = time.monotonic(), int(job.progress)
    total = len(checked.products)
    jobs.tell(job, total=total, words="The file is right. Loading the products.")
    for outcome in importer.load(checked, audit.witness(member, "loaded a catalog file"), done):
        done += 1
        if isinstance(outcome, Saved):
            outcomes[outcome.name.lower()] += 1
        time_is_up = time.monotonic() - began > TURN_SECONDS
        if done % TELL_EVERY == 0 or time_is_up or done == total:
            job.arguments = {**job.arguments, "outcomes": outcomes}
            jobs.tell(job, progress=done)
        if time_is_up and done < total:
            raise GoesOn
    return Report(**outcomes)
