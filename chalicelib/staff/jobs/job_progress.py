"""How a job reports progress, completion and failure."""

from collections.abc import Sequence

from chalicelib import clock
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.staff.models import Job

# A problem may quote a whole cell of a file, a letter may take twelve bytes, and a row of DynamoDB has 400 kB.
MAX_PROBLEMS, MAX_PROBLEM_LENGTH = 100, 300


class JobFailed(Exception):
    """Raised with a message for staff if a job cannot be done. It is not retried."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.words = message
        self.problems = list(problems)


class JobContinues(Exception):
    """Raised if a job has done a part, reported its progress, and is to be run again for the rest."""


def report_progress(
    job: Job, *, progress: int | None = None, total: int | None = None, message: str | None = None
) -> None:
    """Record how far a job has come."""
    job.progress = job.progress if progress is None else progress
    job.total = job.total if total is None else total
    job.message = job.message if message is None else message
    job.updated_at = clock.timestamp()
    job.save()


def finish(job: Job, message: str, result_key: str | None = None) -> None:
    """Mark a job as done; `result_key` is a file in the books' bucket that its page offers."""
    job.result_key = result_key
    end(job, "done", message)


def finish_with(job: Job, message: str, transaction: Transaction) -> None:
    """Mark a job as done in the transaction that writes its result, unless an earlier run has written that."""
    job.state, job.message, job.private_arguments = "done", message, None
    transaction.put("job", job)
    try:
        transaction.commit()
    except ConditionFailed:
        job.save()


def end(job: Job, state: str, message: str) -> None:
    job.state, job.message, job.private_arguments = state, message, None
    job.save()
