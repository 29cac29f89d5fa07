"""The audit log's page: who changed what, newest first, a month per page."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.errors import BadInput
from chalicelib.staff import layout
from chalicelib.staff.models import AuditEntry, StaffMember
from chalicelib.web.http_request import query

A_PAGE = 50
MIN_MONTH = "2026-01"
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)
_ENTRY = re.compile(r"[0-9TZ:.-]{10,40}[#~][0-9a-f]{8}", re.ASCII)


def show(request: Request, member: StaffMember) -> Response:
    """Show a page of a month's entries: one Query, however many there are."""
    now = clock.now().strftime("%Y-%m")
    month = query(request, "month") or now
    before = query(request, "before")
    if not _MONTH.fullmatch(month) or (before is not None and not _ENTRY.fullmatch(before)):
        raise BadInput("Please choose a month such as 2026-11.")
    earlier_in_month = AuditEntry.entry < before if before else None
    found = list(
        AuditEntry.query(
            month, earlier_in_month, scan_index_forward=False, limit=A_PAGE + 1, page_size=A_PAGE + 1
        )
    )
    entries = found[:A_PAGE]
    return layout.render_page(
        member,
        "staff/audit/audit_log.html",
        month=month,
        name=name_of(month),
        entries=[(entry, changes(entry.before, entry.after)) for entry in entries],
        further=entries[-1].entry if len(found) > A_PAGE else None,
        is_first_page=before is None,
        months=[(each, name_of(each)) for each in _beside(month) if MIN_MONTH <= each <= now],
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the differences as text: name, before, after; "" if there was or is no value."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        (words(name), format_value(before.get(name)), format_value(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def format_value(value: Any) -> str:
    """Return a value that was stored as JSON as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {format_value(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(format_value(each) for each in value)
    return str(value)


def words(name: str) -> str:
    """Return a field's name as words."""
    return name.replace("_", " ")


def name_of(month: str) -> str:
    """Return a month's name: November 2026."""
    return f"{date.fromisoformat(month + '-01'):%B %Y}"


def _beside(month: str) -> list[str]:
    first = date.fromisoformat(month + "-01")
    return [f"{day:%Y-%m}" for day in (first - timedelta(days=1), first + timedelta(days=32))]
