"""Accounts: created, changed and removed together with the list of all. Responses never show whether one exists."""

import logging
from typing import Any

from pynamodb.exceptions import UpdateError

from chalicelib import clock
from chalicelib.database.connection import is_condition_failure
from chalicelib.database.reads import batch_get, get
from chalicelib.database.transactions import AuditWriter, ConditionFailed, Transaction, no_audit
from chalicelib.errors import Conflict, NotFound
from chalicelib.staff.auth import passwords
from chalicelib.staff.models import StaffIndex, StaffMember

MERCHANT = "merchant"
FINANCE = "finance"
ROLES = {MERCHANT: "Merchant", FINANCE: "Finance"}
MAX_MEMBERS = 100
ROUNDS = 5
MOVED_ON = "Someone else changed the staff accounts at the same time. Please check them and try again."
log = logging.getLogger("awning")


class LastMerchant(Conflict):
    """No merchant would be left who can change anything."""

    title = "The shop needs a merchant"
    back = "/staff/members"


def normalize_email(text: str) -> str:
    """Return an email address as accounts store it. Raises BadAddress."""
    from chalicelib.mail import addresses  # a shopper's first page does without

    return addresses.normalize_address(text).lower()


def find(email: str) -> StaffMember | None:
    """Return an account; None for anything that cannot be an address, such as the key of the list of all."""
    from chalicelib.mail import addresses

    return get(StaffMember, email) if "@" in email and len(email) <= addresses.MAX_ADDRESS_LENGTH else None


def check_password(email: str, password: str) -> StaffMember | None:
    """Return the account of an address and password; None if they are wrong, after the same work."""
    member = find(email)
    if not passwords.verify(password, member.password if member else ""):
        return None
    if member is not None and passwords.is_outdated(member.password):
        _hash_anew(member, password)
    return member


def _hash_anew(member: StaffMember, password: str) -> None:
    kept = StaffMember.password == member.password
    try:
        member.update([StaffMember.password.set(passwords.hash_password(password))], condition=kept)
    except UpdateError as error:
        if not is_condition_failure(error):
            raise
        log.info("password was changed while being rehashed")


# -- making and changing ----------------------------------------------------------------------------------


def make_member(
    email: str, role: str, password: str | None, write_audit: AuditWriter = no_audit
) -> StaffMember:
    """Create an account, or give an existing one a new role and password, which ends its sessions.

    Without a password the account is new, and nobody can log in before one is set by an emailed link. Raises
    Conflict.
    """
    hashed = passwords.hash_password(password) if password is not None else None
    for _ in range(ROUNDS):
        known = find(email)
        if known and hashed is None:
            raise Conflict("This address already has an account.")
        made = StaffMember(
            email,
            role=role,
            password=hashed or "",
            session_version=_next_session_version(known),
            created_at=known.created_at if known else clock.iso_now(),
        )
        transaction = Transaction()
        _change_roster(transaction, {email: role})
        transaction.put("member", made, _as_read(known))
        write_audit(transaction, _subject(made), _audit_fields(known), _audit_fields(made))
        if _committed(transaction):
            return made
    raise Conflict(MOVED_ON)


def change_role(email: str, role: str, write_audit: AuditWriter) -> None:
    """Change an account's role immediately. Raises NotFound, LastMerchant, Conflict."""
    for _ in range(ROUNDS):
        member = get_account(email)
        if member.role == role:
            return
        transaction = Transaction()
        _change_roster(transaction, {email: role})
        transaction.update("member", member, [StaffMember.role.set(role)], _as_read(member))
        write_audit(transaction, _subject(member), {"role": member.role}, {"role": role})
        if _committed(transaction):
            return
    raise Conflict(MOVED_ON)


def remove(email: str, write_audit: AuditWriter) -> None:
    """Remove an account, which ends its sessions. Raises NotFound, LastMerchant, Conflict."""
    for _ in range(ROUNDS):
        member = get_account(email)
        transaction = Transaction()
        _change_roster(transaction, {email: None})
        transaction.delete("member", member, _as_read(member))
        write_audit(transaction, _subject(member), _audit_fields(member), {})
        if _committed(transaction):
            return
    raise Conflict(MOVED_ON)


def set_password(
    transaction: Transaction, member: StaffMember, password: str, write_audit: AuditWriter
) -> int:
    """Add a new password to a transaction, which ends all sessions, unless another change has ended them meanwhile.

    Returns the account's new session version, for a session that continues.
    """
    epoch = _next_session_version(member)
    actions = [
        StaffMember.password.set(passwords.hash_password(password)),
        StaffMember.session_version.set(epoch),
    ]
    transaction.update("member", member, actions, _as_read(member))
    write_audit(transaction, _subject(member), {}, {"password": "a new one"})
    return epoch


def end_sessions(member: StaffMember, write_audit: AuditWriter) -> None:
    """End every session of an account, in all browsers, and every emailed link. Raises Conflict."""
    transaction = Transaction()
    transaction.update(
        "member", member, [StaffMember.session_version.set(_next_session_version(member))], _as_read(member)
    )
    write_audit(transaction, _subject(member), {}, {"sessions": "ended everywhere"})
    try:
        transaction.commit()
    except ConditionFailed as refusal:
        raise Conflict(MOVED_ON) from refusal


# -- looking ----------------------------------------------------------------------------------------------


def get_account(email: str) -> StaffMember:
    """Return an account that must exist. Raises NotFound."""
    member = find(email)
    if member is None:
        raise NotFound("This account doesn’t exist or has been removed.")
    return member


def list_accounts() -> list[StaffMember]:
    """Return all accounts, by address: two reads, however many there are."""
    roster = get(StaffIndex, "everybody")
    emails = sorted(roster.roles) if roster else []
    found: dict[str, StaffMember] = batch_get({StaffMember: emails})[StaffMember] if emails else {}
    return [found[email] for email in emails if email in found]


# -- inside -----------------------------------------------------------------------------------------------


def _change_roster(transaction: Transaction, changes: dict[str, str | None]) -> None:
    """Add the changed list of all accounts to a transaction. Raises LastMerchant, Conflict."""
    before = get(StaffIndex, "everybody")
    known: dict[str, str] = dict(before.roles) if before else {}
    roles = {email: role for email, role in {**known, **changes}.items() if role is not None}
    if any(known.get(email) == MERCHANT and roles.get(email) != MERCHANT for email in changes):
        _require_a_merchant(roles)
    if len(roles) > MAX_MEMBERS:
        raise Conflict(f"There are already {MAX_MEMBERS} accounts. Please remove one first.")
    unchanged: Any = StaffIndex.version == before.version if before else StaffIndex.email.does_not_exist()
    after = StaffIndex("everybody", roles=roles, version=(before.version if before else 0) + 1)
    transaction.put("roster", after, unchanged)


def _require_a_merchant(roles: dict[str, str]) -> None:
    """Raise LastMerchant unless a merchant is left who can log in: one who never accepted an invitation has no password.

    This holds until the list of all is written: roles change only with its version, and no password is ever
    removed.
    """
    merchants = [email for email, role in roles.items() if role == MERCHANT]
    found = batch_get({StaffMember: merchants})[StaffMember] if merchants else {}
    if not any(member.password for member in found.values()):
        raise LastMerchant(
            "This is the last merchant account. First add another merchant and have them choose a password."
        )


def _committed(transaction: Transaction) -> bool:
    try:
        transaction.commit()
    except ConditionFailed:
        return False
    return True


def _as_read(member: StaffMember | None) -> Any:
    if member is None:
        return StaffMember.email.does_not_exist()
    return (StaffMember.session_version == member.session_version) & (StaffMember.role == member.role)


def _next_session_version(member: StaffMember | None) -> int:
    # By the clock, so that a new account with the same address never accepts the sessions of the removed one.
    now = int(clock.now().timestamp() * 1000)
    return max(now, int(member.session_version) + 1) if member else now


def _subject(member: StaffMember) -> str:
    return f"account {member.email}"


def _audit_fields(member: StaffMember | None) -> dict[str, str]:
    return {"role": member.role} if member else {}
