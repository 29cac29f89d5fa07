"""The one seam for time and randomness: tests replace these functions."""

import math
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ends: ContextVar[float] = ContextVar("ends", default=math.inf)
_last_moment: ContextVar[float] = ContextVar("last_moment", default=math.inf)


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def timestamp() -> int:
    """Tell the time as whole seconds since 1970, the unit of every due time, lease and expiry."""
    return int(now().timestamp())


def moment(at: datetime | None = None) -> str:
    """Write a time, the present one by default, as rows keep it: ISO 8601 in UTC, to the millisecond."""
    return (at or now()).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all that is tried again inside a common time. Inside another, the shorter one counts."""
    token = _ends.set(ends(seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def ends(seconds: float) -> float:
    """Tell when so many seconds are over, or earlier the time that `within` gave; as time.monotonic tells it."""
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


def is_late() -> bool:
    """Tell whether the time that `within` gave is over."""
    return time.monotonic() > _ends.get()


def is_id(text: str) -> bool:
    """Tell whether a text has the shape of what `new_id` makes: what may be looked up, and nothing else."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """Make an unguessable identifier: 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def new_number() -> str:
    """Make an order's number, such as 48219-30476: digits alone are understood on any telephone, in any language."""
    digits = f"{secrets.randbelow(10**10):010d}"
    return f"{digits[:5]}-{digits[5:]}"
