"""Emailed links that set a password: each works once and for a short time, and only its hash is stored."""

import hashlib
import logging

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import clock, ids
from chalicelib.database.reads import get
from chalicelib.database.transactions import AuditWriter, ConditionFailed, Transaction
from chalicelib.errors import Conflict
from chalicelib.staff.auth import accounts
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import StaffMember, StaffSession

FORGOTTEN, INVITED, CHANGED = "forgotten", "invited", "changed"  # kinds of emails, account_emails.py
LASTS = {FORGOTTEN: 30 * 60, INVITED: 3 * 24 * 60 * 60}  # seconds
OVER = "This link has already been used or has expired. Please request a new one."
log = logging.getLogger("awning")


class TokenExpired(Conflict):
    """The link was used, has expired, or never existed."""

    title = "This link no longer works"


def enqueue_account_email(kind: str, email: str) -> None:
    """Have an email sent by the function that alone checks whether the account exists."""
    job_queue.send({"account_email": kind, "email": email})


def create_token(member: StaffMember, kind: str) -> str:
    """Return a link's secret; a change of the password, the sessions or the account invalidates it."""
    secret = ids.new_id() + ids.new_id()
    expires = clock.timestamp() + LASTS[kind]
    StaffSession(
        _key(secret), email=member.email, session_version=member.session_version, expires=expires
    ).save()
    return secret


def member_of(secret: str) -> StaffMember:
    """Return the account whose password a link may set; changes nothing. Raises TokenExpired."""
    link = get(StaffSession, _key(secret))
    member = accounts.find(link.email) if link is not None and link.email else None
    if (
        link is None
        or member is None
        or link.session_version != member.session_version
        or link.expires <= clock.timestamp()
    ):
        raise TokenExpired(OVER)
    return member


def redeem_token(secret: str, password: str, write_audit: AuditWriter) -> StaffMember:
    """Set a password once, which ends all sessions and other links of the account. Raises TokenExpired."""
    member = member_of(secret)
    transaction = Transaction()
    alive = StaffSession.key.exists() & (StaffSession.expires > clock.timestamp())
    transaction.delete("link", StaffSession(_key(secret)), alive)
    accounts.set_password(transaction, member, password, write_audit)
    try:
        transaction.commit()
    except ConditionFailed as refusal:
        raise TokenExpired(OVER) from refusal
    tell_of_change(member)
    return member


def tell_of_change(member: StaffMember) -> None:
    """Email the owner that the password was changed; if the queue does not answer, the change is still valid."""
    try:
        enqueue_account_email(CHANGED, member.email)
    except (ClientError, BotoCoreError):
        log.exception("password-change email not queued")


def _key(secret: str) -> str:
    return f"link#{hashlib.sha256(secret.encode()).hexdigest()}"
