"""Mailed links that set a password: each works once and not for long, and only its hash is kept."""

import hashlib
import logging

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import clock, ids
from chalicelib.database.reads import get
from chalicelib.database.transactions import Refused, Transaction, Witness
from chalicelib.errors import Conflict
from chalicelib.staff.auth import accounts
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import Member, StaffSession

FORGOTTEN, INVITED, CHANGED = "forgotten", "invited", "changed"  # kinds of letters, account_emails.py
LASTS = {FORGOTTEN: 30 * 60, INVITED: 3 * 24 * 60 * 60}  # seconds
OVER = "This link was used already, or its time is over. Please ask for a new one."
log = logging.getLogger("awning")


class LinkOver(Conflict):
    """The link was used, has expired, or never was one."""

    title = "This link no longer works"


def ask_for_letter(kind: str, email: str) -> None:
    """Have a letter written by the function behind the queue, which alone looks whether there is such an account."""
    job_queue.send({"letter": kind, "email": email})


def make(member: Member, kind: str) -> str:
    """Make a link's secret; it dies with the password, the sessions and the account that it was made for."""
    secret = ids.new_id() + ids.new_id()
    expires = clock.timestamp() + LASTS[kind]
    StaffSession(_key(secret), email=member.email, epoch=member.epoch, expires=expires).save()
    return secret


def member_of(secret: str) -> Member:
    """Find whose password a link may set; changes nothing. Raises LinkOver."""
    link = get(StaffSession, _key(secret))
    member = accounts.find(link.email) if link is not None and link.email else None
    if link is None or member is None or link.epoch != member.epoch or link.expires <= clock.timestamp():
        raise LinkOver(OVER)
    return member


def use(secret: str, password: str, witness: Witness) -> Member:
    """Set a password once, which ends all sessions and other links of the account. Raises LinkOver."""
    member = member_of(secret)
    transaction = Transaction()
    alive = StaffSession.key.exists() & (StaffSession.expires > clock.timestamp())
    transaction.delete("link", StaffSession(_key(secret)), alive)
    accounts.set_password(transaction, member, password, witness)
    try:
        transaction.commit()
    except Refused as refusal:
        raise LinkOver(OVER) from refusal
    tell_of_change(member)
    return member


def tell_of_change(member: Member) -> None:
    """Write to the owner that the password was changed; where the queue does not answer, the change stands all the same."""
    try:
        ask_for_letter(CHANGED, member.email)
    except (ClientError, BotoCoreError):
        log.exception("nobody was told that a password was changed")


def _key(secret: str) -> str:
    return f"link#{hashlib.sha256(secret.encode()).hexdigest()}"
