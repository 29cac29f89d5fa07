"""Accounts: made, checked, never told apart from those that do not exist."""

from typing import TYPE_CHECKING

from chalicelib import clock
from chalicelib.staff.models import Member
from chalicelib.storage import get

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MERCHANT = "merchant"
FINANCE = "finance"


def make_member(email: str, role: str, password: str) -> Member:
    """Make an account, or give a known one a new password and role, which ends its sessions."""
    known = get(Member, email)
    member = Member(
        email,
        role=role,
        password=_hasher().hash(password),
        epoch=known.epoch + 1 if known else 0,
        made_at=known.made_at if known else clock.now().isoformat(timespec="seconds"),
    )
    member.save()
    return member


def check_password(email: str, password: str) -> Member | None:
    """Find the account that an address and a password open; None where they do not."""
    from argon2.exceptions import VerificationError

    member = get(Member, email)
    hasher = _hasher()
    try:
        hasher.verify(member.password if member else hasher.hash("nobody"), password)
    except VerificationError:
        return None
    return member


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # where a password is checked, and nowhere else

    return PasswordHasher()
