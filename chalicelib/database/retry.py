"""Reading and writing again where somebody else was quicker."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown
from chalicelib.errors import ServiceUnavailable

MAX_ATTEMPTS = 5
T = TypeVar("T")


def retry_contended(read_and_write: Callable[[], T], message: str) -> T:
    """Return what `read_and_write` returns, called anew where its transaction was refused or not answered.

    It reads again what it changes, so that a write that took effect without an answer is found done. Raises
    ServiceUnavailable with the message where others keep changing the same.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            return read_and_write()
        except (ConditionFailed, OutcomeUnknown):
            continue
    raise ServiceUnavailable(message)
