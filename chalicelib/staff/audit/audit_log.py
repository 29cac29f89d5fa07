"""The audit log: who changed what, when, before and after; written in the change's transaction."""

from collections.abc import Mapping
from typing import Any

from chalicelib import clock, ids
from chalicelib.database.transactions import AuditWriter, Transaction
from chalicelib.staff.models import AuditEntry, Job, StaffMember


def writer_for(member: StaffMember, what: str) -> AuditWriter:
    """Return an audit writer for a member's change."""
    return writer_as(member.email, what)


def writer_as(who: str, what: str) -> AuditWriter:
    """Return an audit writer for a change without a logged-in member: a command's, or a job's."""

    def write(
        transaction: Transaction, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        entry = _entry(who, what, subject, before, after)
        transaction.put(f"audit#{entry.entry}", entry, AuditEntry.month.does_not_exist())

    return write


def write_result(
    transaction: Transaction, job: Job, what: str, after: Mapping[str, Any] | None = None
) -> None:
    """Add the entry of a job's result, whose key is the job's: a job that is run again writes it once, behind its request.

    The transaction is refused by the name "result" if the entry is there.
    """
    entry = _entry(job.actor, what, f"job {job.id}", {}, after or {})
    entry.month, entry.entry = job.created_at[:7], f"{job.created_at}~{job.id[:8]}"  # ~ sorts behind #
    transaction.put("result", entry, AuditEntry.month.does_not_exist())


def record(
    who: str,
    what: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record what has no transaction: a login, a job that was started."""
    _entry(who, what, subject, before or {}, after or {}).save()


def _entry(
    who: str, what: str, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> AuditEntry:
    at = clock.iso_now()
    return AuditEntry(
        at[:7],
        f"{at}#{ids.new_id()[:8]}",
        at=at,
        actor=who,
        action=what,
        subject=subject,
        before=dict(before),
        after=dict(after),
    )
