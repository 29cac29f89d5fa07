"""Run background jobs, one message at a time."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from chalicelib import clock, telemetry
from chalicelib.database.reads import get
from chalicelib.staff.jobs.job_progress import (
    MAX_PROBLEM_LENGTH,
    MAX_PROBLEMS,
    JobContinues,
    JobFailed,
    end,
    finish,
)
from chalicelib.staff.jobs.job_queue import send
from chalicelib.staff.models import Job
from chalicelib.web.lazy_imports import LazyModule

if TYPE_CHECKING:
    from chalicelib.staff.auth import account_emails
    from chalicelib.staff.orders import csv_export
    from chalicelib.staff.products import image_job, import_export_jobs
    from chalicelib.staff.reports import report_jobs
else:
    account_emails = LazyModule("chalicelib.staff.auth.account_emails")
    csv_export = LazyModule("chalicelib.staff.orders.csv_export")
    image_job = LazyModule("chalicelib.staff.products.image_job")
    import_export_jobs = LazyModule("chalicelib.staff.products.import_export_jobs")
    report_jobs = LazyModule("chalicelib.staff.reports.report_jobs")

HANDLERS: dict[str, Callable[[Job], None]] = {
    "image": image_job.process_image_job,
    "orders-export": csv_export.run,
    "books": report_jobs.write_day,
    "month": report_jobs.pack_month,
    "catalog-export": import_export_jobs.export,
    "catalog-check": import_export_jobs.check,
    "catalog-import": import_export_jobs.import_file,
}


def run_staff_job(message: Mapping[str, str]) -> None:
    """Run the job that a message names.

    Any error is raised: Lambda retries it, then moves it to the dead-letter queue.
    """
    if "account_email" in message:
        account_emails.send(message)
        return
    telemetry.add_log_context(job=message["job"])
    job = get(Job, message["job"])
    if job is None or job.state in ("done", "failed"):
        return
    job.state, job.updated_at = "running", clock.timestamp()
    job.save()
    try:
        HANDLERS[job.kind](job)
    except JobFailed as failure:
        job.problems = [problem[:MAX_PROBLEM_LENGTH] for problem in failure.problems[:MAX_PROBLEMS]]
        end(job, "failed", failure.words)
    except JobContinues:
        send({"job": job.id})
    else:
        if job.state != "done":
            finish(job, "Done.")
