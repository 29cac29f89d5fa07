"""Random identifiers and order numbers."""

import re
import secrets

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_id(text: str) -> bool:
    """Return whether a text has the shape of what `new_id` makes: what may be looked up, and nothing else."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """Make an unguessable identifier: 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def new_order_number() -> str:
    """Make an order's number, such as 48219-30476: digits alone are understood on any telephone, in any language."""
    digits = f"{secrets.randbelow(10**10):010d}"
    return f"{digits[:5]}-{digits[5:]}"
