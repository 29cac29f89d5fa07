"""Retry a read-modify-write cycle when another process was faster."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown
from chalicelib.errors import ServiceUnavailable

MAX_ATTEMPTS = 5
T = TypeVar("T")


def retry_contended(read_and_write: Callable[[], T], message: str) -> T:
    """Return what `read_and_write` returns; it is called again if a condition failed or the outcome is unknown.

    It must read again what it changes, so that it finds a write that took effect without an answer. Raises
    ServiceUnavailable with the message if others keep changing the same items.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            return read_and_write()
        except (ConditionFailed, OutcomeUnknown):
            continue
    raise ServiceUnavailable(message)
