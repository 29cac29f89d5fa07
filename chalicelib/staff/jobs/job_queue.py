"""Start background jobs: a page creates one and invokes the function that runs it.

A job runs at least once, so each kind may find its own work half done, and must be right when it is run again.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import clock, ids
from chalicelib.aws import call_later
from chalicelib.database.reads import get
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs.job_kinds import KINDS
from chalicelib.staff.models import Job, StaffMember

QUEUE = "background-jobs"
WEEK = 7 * 24 * 60 * 60
log = logging.getLogger("awning")


def start(
    member: StaffMember,
    kind: str,
    arguments: Mapping[str, Any],
    job_id: str | None = None,
    *,
    private: Mapping[str, Any] | None = None,
) -> Job:
    """Start a background job; with a `job_id` derived from a form's ID, pressing twice starts one job.

    The audit log, which is kept forever, gets the ID and the arguments, but not `private`, which the job
    deletes when it ends. If the function cannot be invoked, the job stays waiting, and its page offers to start
    it again.
    """
    job_id = job_id or ids.new_id()
    transaction = Transaction()
    audit_log.writer_for(member, f"requested {KINDS[kind].description}")(
        transaction, f"job {job_id}", {}, arguments
    )
    job = Job(
        job_id,
        kind=kind,
        actor=member.email,
        created_at=clock.iso_now(),  # not before the entry, so that its result's entry is behind it
        arguments=dict(arguments),
        private_arguments=dict(private) if private else None,
        problems=[],
        updated_at=clock.timestamp(),
        expires=clock.timestamp() + WEEK,
    )
    transaction.put("job", job, Job.id.does_not_exist())
    try:
        transaction.commit()
    except ConditionFailed:
        return get(Job, job.id) or job  # pressed twice
    enqueue(job)
    return job


def send(message: Mapping[str, str]) -> None:
    """Send a message to the function that runs jobs. Raises boto3's errors if it cannot be invoked."""
    call_later(QUEUE, json.dumps(message))


def enqueue(job: Job) -> None:
    try:
        send({"job": job.id})
    except (ClientError, BotoCoreError):
        log.exception("job %s not queued", job.id)
