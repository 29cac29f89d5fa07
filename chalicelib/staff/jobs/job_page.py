"""A job's page: its progress, its result, and the button that starts it again."""

from chalice.app import Request, Response

from chalicelib import aws, clock, ids
from chalicelib.config import settings
from chalicelib.database.reads import get
from chalicelib.errors import NotFound
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs.job_kinds import KINDS
from chalicelib.staff.jobs.job_queue import enqueue
from chalicelib.staff.models import Job, StaffMember
from chalicelib.web import responses

FUNCTION_SECONDS = 15 * 60  # the longest that the function may run
LINK_SECONDS = 5 * 60


def show_job(request: Request, member: StaffMember, job_id: str) -> Response:
    """Show the progress and the result of a member's own job."""
    job = _own(member, job_id)
    under_way = job.state in ("waiting", "running")
    return layout.render_page(
        member,
        "staff/jobs/job.html",
        job=job,
        under_way=under_way,
        stopped=is_stalled(job),
        back=KINDS[job.kind],
        form=layout.new_form_token(),
    )


def retry_job(request: Request, member: StaffMember, job_id: str) -> Response:
    """Start a stalled job again: its message, or the function that ran it, may have been lost."""
    job = _own(member, job_id)
    if is_stalled(job):
        audit_log.record(member.email, f"restarted {KINDS[job.kind].description}", f"job {job.id}")
        enqueue(job)
    return layout.redirect_with_notice(f"/staff/jobs/{job.id}")


def download_result(request: Request, member: StaffMember, job_id: str) -> Response:
    """Redirect to the file that a job made, by a link that is valid for some minutes."""
    job = _own(member, job_id)
    if job.result_key is None:
        raise NotFound("This job has no file.")
    return responses.redirect(download_link(job.result_key))


def download_link(key: str, save_as: str = "") -> str:
    """Return a link to a file in the books' bucket, valid for some minutes."""
    name = save_as or key.rsplit("/", 1)[-1]
    return aws.download_link(settings.books_bucket, key, LINK_SECONDS, save_as=name)


def is_stalled(job: Job) -> bool:
    """Return whether starting again may help: no message has arrived, or the function that ran it has surely ended."""
    silent = clock.timestamp() - job.updated_at
    return job.state == "waiting" or (job.state == "running" and silent > FUNCTION_SECONDS)


def _own(member: StaffMember, job_id: str) -> Job:
    job = get(Job, job_id) if ids.is_id(job_id) else None
    if job is None or job.actor != member.email:
        raise NotFound("This job doesn’t exist or has expired (files are kept for 7 days).")
    return job
