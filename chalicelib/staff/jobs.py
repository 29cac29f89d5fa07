"""Long work: asked for on a page, done by a function that is called for it, watched on a page of its own.

A job runs at least once, so each kind may find its own work half done, and must be right when it is run again.
"""

import importlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Request, Response

from chalicelib import clock, telemetry
from chalicelib.aws import call_later, client
from chalicelib.config import settings
from chalicelib.errors import NotFound
from chalicelib.staff import audit, desk
from chalicelib.staff.models import Job, Member
from chalicelib.storage import Refused, Transaction, get
from chalicelib.web import pages

QUEUE = "staff-jobs"
FUNCTION_SECONDS = 15 * 60  # the longest that the function may run
WEEK = 7 * 24 * 60 * 60
LINK_SECONDS = 5 * 60
# A fault may quote a whole cell of a file, a letter may take twelve bytes, and a row of DynamoDB has 400 kB.
MOST_PROBLEMS, LONGEST_PROBLEM = 100, 300
log = logging.getLogger("awning")


class Work(NamedTuple):
    """A kind of long work: what does it, imported only there; what staff ask for, in words; on which page, and its name."""

    module: str
    function: str
    wish: str
    page: str
    page_name: str


KINDS = {
    "picture": Work(
        "chalicelib.staff.pictures", "prepare", "a picture to be made ready", "/staff/products", "Products"
    ),
    "orders-csv": Work("chalicelib.staff.orders_csv", "run", "a file of orders", "/staff/orders", "Orders"),
    "books": Work("chalicelib.staff.books", "write_day", "a day's books", "/staff/books", "Books"),
    "month": Work(
        "chalicelib.staff.books", "pack_month", "a month's books as one file", "/staff/books", "Books"
    ),
    "catalog-csv": Work(
        "chalicelib.staff.catalog_jobs",
        "write",
        "the catalog as a file",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-look": Work(
        "chalicelib.staff.catalog_jobs",
        "look",
        "a catalog file to be compared",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-in": Work(
        "chalicelib.staff.catalog_jobs",
        "load",
        "a catalog file to be loaded",
        "/staff/catalog",
        "The catalog as a file",
    ),
}


class JobFailed(Exception):
    """Say in words for staff why a job cannot be done, and what is wrong where. It is not tried again."""

    def __init__(self, words: str, problems: Sequence[str] = ()) -> None:
        super().__init__(words)
        self.words = words
        self.problems = list(problems)


class GoesOn(Exception):
    """Say that a job has done a part, told how far it is, and is to be run again for the rest."""


# -- asking -----------------------------------------------------------------------------------------------


def start(
    member: Member,
    kind: str,
    arguments: Mapping[str, Any],
    job_id: str | None = None,
    *,
    private: Mapping[str, Any] | None = None,
) -> Job:
    """Ask for long work; a `job_id` made of a form's id makes pressing twice one job.

    The audit trail, which is kept for ever, is told the id and the arguments. What is `private` it is not told, and
    the job forgets it as it ends. Where nobody takes it the job stays waiting, and its page offers to ask again.
    """
    job = Job(
        job_id or clock.new_id(),
        kind=kind,
        by=member.email,
        at=clock.now().isoformat(timespec="seconds"),
        arguments=dict(arguments),
        private=dict(private) if private else None,
        problems=[],
        moved=clock.timestamp(),
        expires=clock.timestamp() + WEEK,
    )
    transaction = Transaction()
    transaction.put("job", job, Job.id.does_not_exist())
    audit.witness(member, f"asked for {KINDS[kind].wish}")(transaction, f"job {job.id}", {}, arguments)
    try:
        transaction.commit()
    except Refused:
        return get(Job, job.id) or job  # pressed twice
    _ask(job)
    return job


def send(message: Mapping[str, str]) -> None:
    """Have a message worked on by the jobs' function. Raises what boto3 raises where nobody takes it."""
    call_later(QUEUE, json.dumps(message))


def _ask(job: Job) -> None:
    try:
        send({"job": job.id})
    except (ClientError, BotoCoreError):
        log.exception("job %s waits: nobody took it", job.id)


# -- doing ------------------------------------------------------------------------------------------------


def run_staff_job(message: Mapping[str, str]) -> None:
    """Do the job that a message names. Raises whatever breaks it off: Lambda calls again, or it rests where it is seen."""
    if "letter" in message:
        from chalicelib.staff import letters  # which needs this module

        letters.send(message)
        return
    telemetry.note(job=message["job"])
    job = get(Job, message["job"])
    if job is None or job.state in ("done", "failed"):
        return
    job.state, job.moved = "running", clock.timestamp()
    job.save()
    work = KINDS[job.kind]
    try:
        getattr(importlib.import_module(work.module), work.function)(job)
    except JobFailed as failure:
        job.problems = [problem[:LONGEST_PROBLEM] for problem in failure.problems[:MOST_PROBLEMS]]
        _end(job, "failed", failure.words)
    except GoesOn:
        send({"job": job.id})
    else:
        if job.state != "done":
            finish(job, "Done.")


def tell(
    job: Job, *, progress: int | None = None, total: int | None = None, words: str | None = None
) -> None:
    """Say how far a job has come."""
    job.progress = job.progress if progress is None else progress
    job.total = job.total if total is None else total
    job.words = job.words if words is None else words
    job.moved = clock.timestamp()
    job.save()


def finish(job: Job, words: str, result_key: str | None = None) -> None:
    """End a job well; `result_key` is a file in the books' bucket that its page offers."""
    job.result_key = result_key
    _end(job, "done", words)


def _end(job: Job, state: str, words: str) -> None:
    job.state, job.words, job.private = state, words, None
    job.save()


# -- watching ---------------------------------------------------------------------------------------------


def watch(request: Request, member: Member, job_id: str) -> Response:
    """Show how far a member's own job is, and what came of it."""
    job = _own(member, job_id)
    under_way = job.state in ("waiting", "running")
    return desk.show(
        member,
        "staff/job.html",
        job=job,
        under_way=under_way,
        stopped=has_stopped(job),
        back=KINDS[job.kind],
        form=desk.form_id(),
    )


def ask_again(request: Request, member: Member, job_id: str) -> Response:
    """Ask once more for a job that does not move: its message, or the function that ran it, may have been lost."""
    job = _own(member, job_id)
    if has_stopped(job):
        audit.record(member.email, f"asked again for {KINDS[job.kind].wish}", f"job {job.id}")
        _ask(job)
    return desk.go(f"/staff/jobs/{job.id}")


def fetch(request: Request, member: Member, job_id: str) -> Response:
    """Lead to the file that a job made, by a link that holds for some minutes."""
    job = _own(member, job_id)
    if job.result_key is None:
        raise NotFound("This work has made no file.")
    return pages.redirect(link_to(job.result_key, job.result_key.rsplit("/", 1)[-1]))


def link_to(key: str, name: str) -> str:
    """Make a link that holds for some minutes to a file in the books' bucket, to be saved under a name."""
    return client("s3").generate_presigned_url(
        "get_object",
        Params={
            "Bucket": settings.books_bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{name}"',
        },
        ExpiresIn=LINK_SECONDS,
    )


def has_stopped(job: Job) -> bool:
    """Tell whether asking again may help: no message has come, or the function that ran it is surely gone."""
    silent = clock.timestamp() - job.moved
    return job.state == "waiting" or (job.state == "running" and silent > FUNCTION_SECONDS)


def _own(member: Member, job_id: str) -> Job:
    job = get(Job, job_id) if clock.is_id(job_id) else None
    if job is None or job.by != member.email:
        raise NotFound("There is no such work of yours; what was made is kept for a week.")
    return job
