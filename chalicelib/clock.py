"""The only source of the time: tests replace these functions."""

import time
from datetime import UTC, date, datetime

from chalicelib.config import settings


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def today(at: datetime | None = None) -> date:
    """Return the date of a moment, by default now, in the shop's time zone."""
    return (at or now()).astimezone(settings.timezone).date()


def timestamp() -> int:
    """Return the time as whole seconds since 1970, the unit of every due time, lease and expiry."""
    return int(now().timestamp())


def iso_now(at: datetime | None = None) -> str:
    """Format a moment, by default now, as rows store it: ISO 8601 in UTC, with milliseconds."""
    return (at or now()).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def system_time() -> float:
    """Return the seconds since 1970 by the machine's clock, which tests do not move: for uses outside the shop."""
    return time.time()
