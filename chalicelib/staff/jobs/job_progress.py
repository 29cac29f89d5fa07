"""How a job reports its progress, its end and its failure."""

from collections.abc import Sequence

from chalicelib import clock
from chalicelib.staff.models import Job

# A fault may quote a whole cell of a file, a letter may take twelve bytes, and a row of DynamoDB has 400 kB.
MOST_PROBLEMS, LONGEST_PROBLEM = 100, 300


class JobFailed(Exception):
    """Say in words for staff why a job cannot be done, and what is wrong where. It is not tried again."""

    def __init__(self, words: str, problems: Sequence[str] = ()) -> None:
        super().__init__(words)
        self.words = words
        self.problems = list(problems)


class GoesOn(Exception):
    """Say that a job has done a part, told how far it is, and is to be run again for the rest."""


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
    end(job, "done", words)


def end(job: Job, state: str, words: str) -> None:
    job.state, job.words, job.private = state, words, None
    job.save()
