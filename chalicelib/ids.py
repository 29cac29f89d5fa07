"""Random identifiers and order numbers."""

import re
import secrets

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_id(text: str) -> bool:
    """Return whether a text has the format of `new_id`; only such a text may be looked up."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """Return an unguessable ID: 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def new_order_number() -> str:
    """Return a new order number, such as 48219-30476: only digits, which are easy to say in any language."""
    digits = f"{secrets.randbelow(10**10):010d}"
    return f"{digits[:5]}-{digits[5:]}"
