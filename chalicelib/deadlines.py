"""The time that a request has: for its retries, and for each call that leaves the process."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float] = ContextVar("ends", default=math.inf)
_last_moment: ContextVar[float] = ContextVar("last_moment", default=math.inf)


@contextmanager
def time_budget(seconds: float) -> Iterator[None]:
    """Limit the retries inside to a common time. If nested, the shorter time counts."""
    token = _ends.set(deadline_in(seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def deadline_in(seconds: float) -> float:
    """Return when `seconds` are over, or the time of `time_budget` if that ends earlier; in time.monotonic()'s seconds."""
    return min(_ends.get(), time.monotonic() + seconds)


@contextmanager
def answering_within(seconds: float) -> Iterator[None]:
    """Limit each call that leaves the process to this time. If nested, the shorter time counts.

    `time_budget` ends earlier: after the last retry, the outcome still has to be read.
    """
    token = _last_moment.set(min(_last_moment.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _last_moment.reset(token)


def remaining() -> float:
    """Return the seconds left of the time that `answering_within` gave; infinite outside it."""
    return _last_moment.get() - time.monotonic()


def is_expired() -> bool:
    """Return whether the time that `time_budget` gave is over."""
    return time.monotonic() > _ends.get()
