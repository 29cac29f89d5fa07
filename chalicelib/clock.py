"""The one seam for time and randomness: tests replace these functions."""

import secrets
from datetime import UTC, datetime

# No 0/O, 1/I/L, 2/Z, 5/S, 8/B, U/V: what is said on the telephone is understood.
SPOKEN_LETTERS = "34679ACDEFGHJKMNPQRTWXY"


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def timestamp() -> int:
    """Tell the time as whole seconds since 1970, the unit of every due time, lease and expiry."""
    return int(now().timestamp())


def new_id() -> str:
    """Make an unguessable identifier: 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def new_number() -> str:
    """Make a short number that can be read out, such as K7M3-Q4PD; about 36 random bits."""
    letters = [secrets.choice(SPOKEN_LETTERS) for _ in range(8)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])
