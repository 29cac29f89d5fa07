"""Staff in a test's hands."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock

from tests.client import Gateway, Shopper

if TYPE_CHECKING:
    from chalicelib.staff.models import AuditEntry, StaffMember

PASSWORD = "linen awning at noon"


def member(role: str, email: str | None = None) -> "StaffMember":
    """Read the member of a role; their account is made where it is missing."""
    from chalicelib.database.reads import get
    from chalicelib.staff.auth.accounts import make_member
    from chalicelib.staff.models import StaffMember

    address = email or f"{role}@shop.example"
    return get(StaffMember, address) or make_member(address, role, PASSWORD)


def logged_in(gateway: Gateway, role: str, email: str | None = None) -> Shopper:
    """Let a member in, through the entrance."""
    account = member(role, email)
    visitor = Shopper(gateway)
    answer = visitor.post("/staff/login", {"email": account.email, "password": PASSWORD})
    assert answer.status == 303, answer.text
    return visitor


def trail() -> "list[AuditEntry]":
    """Read the audit trail, oldest first."""
    from chalicelib.staff.models import AuditEntry

    return sorted(AuditEntry.scan(), key=lambda entry: str(entry.entry))


@contextmanager
def later(**span: float) -> Iterator[None]:
    """Move the shop's clock on: `later(minutes=31)`."""
    from chalicelib import clock

    moment = clock.now() + timedelta(**span)
    offset = moment - datetime.now(UTC)
    with mock.patch.object(clock, "now", side_effect=lambda: datetime.now(UTC) + offset):
        yield
