"""Accounts: made, changed and removed together with the list of all; never told apart from those that do not exist."""

import logging
from typing import Any

from pynamodb.exceptions import UpdateError

from chalicelib import clock
from chalicelib.database.connection import is_refused
from chalicelib.database.reads import get, read_many
from chalicelib.database.transactions import Refused, Transaction, Witness, unseen
from chalicelib.errors import Conflict, NotFound
from chalicelib.mail import addresses
from chalicelib.staff.auth import passwords
from chalicelib.staff.models import Member, Roster

MERCHANT = "merchant"
FINANCE = "finance"
ROLES = {MERCHANT: "Merchant", FINANCE: "Finance"}
MOST_MEMBERS = 100
ROUNDS = 5
MOVED_ON = "Somebody changed the staff accounts at the same moment. Please look again."
log = logging.getLogger("awning")


class LastMerchant(Conflict):
    """Nobody would be left who may change anything."""


def canonical(text: str) -> str:
    """Write an e-mail address the one way that accounts are kept under. Raises BadAddress."""
    return addresses.bare(text).lower()


def find(email: str) -> Member | None:
    """Read an account; what cannot be an address, such as the key of the list of all, finds none."""
    return get(Member, email) if "@" in email and len(email) <= addresses.LONGEST_ADDRESS else None


def check_password(email: str, password: str) -> Member | None:
    """Find the account that an address and a password open; None where they do not, after the same work."""
    member = find(email)
    if not passwords.is_right(password, member.password if member else ""):
        return None
    if member is not None and passwords.is_outdated(member.password):
        _hash_anew(member, password)
    return member


def _hash_anew(member: Member, password: str) -> None:
    kept = Member.password == member.password
    try:
        member.update([Member.password.set(passwords.hashed(password))], condition=kept)
    except UpdateError as error:
        if not is_refused(error):
            raise
        log.info("a password was changed while it was hashed anew")


# -- making and changing ----------------------------------------------------------------------------------


def make_member(email: str, role: str, password: str | None, witness: Witness = unseen) -> Member:
    """Make an account, or give a known one a new role and password, which ends its sessions.

    Without a password the account is new, and nobody gets in before one is set by a mailed link. Raises Conflict.
    """
    hashed = passwords.hashed(password) if password is not None else None
    for _ in range(ROUNDS):
        known = find(email)
        if known and hashed is None:
            raise Conflict("This address has an account already.")
        made = Member(
            email,
            role=role,
            password=hashed or "",
            epoch=_next_epoch(known),
            made_at=known.made_at if known else clock.now().isoformat(timespec="seconds"),
        )
        transaction = Transaction()
        _change_roster(transaction, {email: role})
        transaction.put("member", made, _as_read(known))
        witness(transaction, _subject(made), _told(known), _told(made))
        if _committed(transaction):
            return made
    raise Conflict(MOVED_ON)


def change_role(email: str, role: str, witness: Witness) -> None:
    """Give an account another role, at once. Raises NotFound, LastMerchant, Conflict."""
    for _ in range(ROUNDS):
        member = existing(email)
        if member.role == role:
            return
        transaction = Transaction()
        _change_roster(transaction, {email: role})
        transaction.update("member", member, [Member.role.set(role)], _as_read(member))
        witness(transaction, _subject(member), {"role": member.role}, {"role": role})
        if _committed(transaction):
            return
    raise Conflict(MOVED_ON)


def remove(email: str, witness: Witness) -> None:
    """Remove an account, which ends its sessions. Raises NotFound, LastMerchant, Conflict."""
    for _ in range(ROUNDS):
        member = existing(email)
        transaction = Transaction()
        _change_roster(transaction, {email: None})
        transaction.delete("member", member, _as_read(member))
        witness(transaction, _subject(member), _told(member), {})
        if _committed(transaction):
            return
    raise Conflict(MOVED_ON)


def set_password(transaction: Transaction, member: Member, password: str, witness: Witness) -> int:
    """Add a new password to a transaction, on condition that nothing ended the sessions meanwhile; they end now.

    Returns the account's new epoch, for a session that goes on.
    """
    epoch = _next_epoch(member)
    actions = [Member.password.set(passwords.hashed(password)), Member.epoch.set(epoch)]
    transaction.update("member", member, actions, _as_read(member))
    witness(transaction, _subject(member), {}, {"password": "a new one"})
    return epoch


def end_sessions(member: Member, witness: Witness) -> None:
    """End every session of an account, in all browsers, and every link that was mailed. Raises Conflict."""
    transaction = Transaction()
    transaction.update("member", member, [Member.epoch.set(_next_epoch(member))], _as_read(member))
    witness(transaction, _subject(member), {}, {"sessions": "ended everywhere"})
    try:
        transaction.commit()
    except Refused as refusal:
        raise Conflict(MOVED_ON) from refusal


# -- looking ----------------------------------------------------------------------------------------------


def existing(email: str) -> Member:
    """Read an account that must exist. Raises NotFound."""
    member = find(email)
    if member is None:
        raise NotFound("There is no such account, or no longer.")
    return member


def everybody() -> list[Member]:
    """Read all accounts, by their address: two reads, however many there are."""
    roster = get(Roster, "everybody")
    emails = sorted(roster.roles) if roster else []
    found: dict[str, Member] = read_many({Member: emails})[Member] if emails else {}
    return [found[email] for email in emails if email in found]


# -- inside -----------------------------------------------------------------------------------------------


def _change_roster(transaction: Transaction, changes: dict[str, str | None]) -> None:
    """Add the changed list of all to a transaction. Raises LastMerchant, Conflict."""
    before = get(Roster, "everybody")
    known: dict[str, str] = dict(before.roles) if before else {}
    roles = {email: role for email, role in {**known, **changes}.items() if role is not None}
    if any(known.get(email) == MERCHANT and roles.get(email) != MERCHANT for email in changes):
        _require_a_merchant(roles)
    if len(roles) > MOST_MEMBERS:
        raise Conflict(f"There are {MOST_MEMBERS} accounts already. Please remove one first.")
    unchanged: Any = Roster.version == before.version if before else Roster.email.does_not_exist()
    after = Roster("everybody", roles=roles, version=(before.version if before else 0) + 1)
    transaction.put("roster", after, unchanged)


def _require_a_merchant(roles: dict[str, str]) -> None:
    """Raise LastMerchant unless a merchant is left who can log in: who never accepted an invitation has no password.

    It holds until the list of all is written: roles change only with its version, and no password is ever taken away.
    """
    merchants = [email for email, role in roles.items() if role == MERCHANT]
    found = read_many({Member: merchants})[Member] if merchants else {}
    if not any(member.password for member in found.values()):
        raise LastMerchant(
            "This is the last account that may change anything. Make another merchant first, and have them choose a password."
        )


def _committed(transaction: Transaction) -> bool:
    try:
        transaction.commit()
    except Refused:
        return False
    return True


def _as_read(member: Member | None) -> Any:
    if member is None:
        return Member.email.does_not_exist()
    return (Member.epoch == member.epoch) & (Member.role == member.role)


def _next_epoch(member: Member | None) -> int:
    # By the clock, so that an account made anew never takes over the sessions of one that was removed.
    now = int(clock.now().timestamp() * 1000)
    return max(now, int(member.epoch) + 1) if member else now


def _subject(member: Member) -> str:
    return f"account {member.email}"


def _told(member: Member | None) -> dict[str, str]:
    return {"role": member.role} if member else {}
