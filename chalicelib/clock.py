"""The one seam for time and randomness: tests replace these functions."""

import re
import secrets
from datetime import UTC, datetime

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def timestamp() -> int:
    """Tell the time as whole seconds since 1970, the unit of every due time, lease and expiry."""
    return int(now().timestamp())


def moment() -> str:
    """Tell the time as rows keep it: ISO 8601 in UTC, to the millisecond."""
    return now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
