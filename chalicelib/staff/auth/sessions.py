"""Staff sessions: the cookie holds a secret, the table its hash. Idle ones end, and old ones."""

import hashlib
from datetime import UTC, datetime

from chalice.app import Request
from pynamodb.exceptions import UpdateError

from chalicelib import clock, ids
from chalicelib.database.connection import is_refused
from chalicelib.database.reads import get
from chalicelib.staff.models import Member, StaffSession
from chalicelib.web import http_request, responses

COOKIE = "staff"
PATH = "/staff"
IDLE_SECONDS = 2 * 60 * 60
LONGEST_SECONDS = 12 * 60 * 60
SEEN_EVERY = 5 * 60  # what is written of being seen may be so old: reading a page is not a write each time


def start(member: Member) -> str:
    """Begin a session under a new ID, never one that a browser brought; return the cookie that carries it."""
    secret = ids.new_id() + ids.new_id()
    now = clock.timestamp()
    StaffSession(
        key_of(secret), email=member.email, epoch=member.epoch, seen=now, expires=now + LONGEST_SECONDS
    ).save()
    return responses.cookie(COOKIE, secret, max_age=LONGEST_SECONDS, path=PATH, same_site="Strict")


def member_of(request: Request) -> Member | None:
    """Tell who sent a request; None for nobody, and for a session that is over."""
    session = current(request)
    if session is None or session.email is None:
        return None
    member = get(Member, session.email)
    if member is None or member.epoch != session.epoch or not _kept_awake(session):
        return None
    return member


def was_begun(request: Request) -> bool:
    """Tell whether a request's session is, or was, one of ours; it may be over."""
    return _find(request) is not None


def _find(request: Request) -> StaffSession | None:
    secret = http_request.cookies(request).get(COOKIE)
    return get(StaffSession, key_of(secret)) if secret else None


def current(request: Request) -> StaffSession | None:
    """Read a request's session, if it is alive."""
    session = _find(request)
    if session is None:
        return None
    now = clock.timestamp()
    return session if now < session.expires and now - session.seen < IDLE_SECONDS else None


def end(request: Request) -> str:
    """End a request's session; return the cookie that removes it from the browser."""
    session = current(request)
    if session is not None:
        session.delete()
    return responses.cookie(COOKIE, "", max_age=0, path=PATH, same_site="Strict")


def ends_at(session: StaffSession) -> str:
    """Tell when a session ends however much it is used, as ISO 8601."""
    return datetime.fromtimestamp(int(session.expires), UTC).isoformat()


def key_of(secret: str) -> str:
    """Tell under which key a session is kept."""
    return f"session#{hashlib.sha256(secret.encode()).hexdigest()}"


def _kept_awake(session: StaffSession) -> bool:
    """Write down that a session is used; tell whether it is still there."""
    now = clock.timestamp()
    if now - session.seen < SEEN_EVERY:
        return True
    try:
        session.update([StaffSession.seen.set(now)], condition=StaffSession.key.exists())
    except UpdateError as error:
        if not is_refused(error):
            raise
        return False  # logged out at this moment
    return True
