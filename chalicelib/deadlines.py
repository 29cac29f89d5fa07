"""The time that a request has: for what is tried again, and for each call that leaves the process."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float] = ContextVar("ends", default=math.inf)
_last_moment: ContextVar[float] = ContextVar("last_moment", default=math.inf)


@contextmanager
def time_budget(seconds: float) -> Iterator[None]:
    """Give all that is tried again inside a common time. Inside another, the shorter one counts."""
    token = _ends.set(deadline_in(seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def deadline_in(seconds: float) -> float:
    """Return when so many seconds are over, or earlier the time that `within` gave; as time.monotonic tells it."""
    return min(_ends.get(), time.monotonic() + seconds)


@contextmanager
def answering_within(seconds: float) -> Iterator[None]:
    """Let no call that leaves the process last longer than this. Inside another, the shorter one counts.

    `within` ends earlier: who stops trying again still has to read what to say.
    """
    token = _last_moment.set(min(_last_moment.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _last_moment.reset(token)


def remaining() -> float:
    """Return the seconds left of the time that `answering_within` gave; infinite outside of it."""
    return _last_moment.get() - time.monotonic()


def is_expired() -> bool:
    """Return whether the time that `within` gave is over."""
    return time.monotonic() > _ends.get()
