"""Staff sessions: the cookie holds a secret, the table its hash. Idle ones end, and old ones."""

import hashlib
from datetime import UTC, datetime

from chalice.app import Request
from pynamodb.exceptions import UpdateError

from chalicelib import clock, ids
from chalicelib.database.connection import is_condition_failure
from chalicelib.database.reads import get
from chalicelib.staff.models import StaffMember, StaffSession
from chalicelib.web import http_request, responses

COOKIE = "staff"
PATH = "/staff"
IDLE_SECONDS = 2 * 60 * 60
MAX_SESSION_SECONDS = 12 * 60 * 60
SEEN_EVERY = 5 * 60  # what is written of being seen may be so old: reading a page is not a write each time


def start(member: StaffMember) -> str:
    """Begin a session under a new ID, never one that a browser brought; return the cookie that carries it."""
    secret = ids.new_id() + ids.new_id()
    now = clock.timestamp()
    StaffSession(
        key_of(secret),
        email=member.email,
        session_version=member.session_version,
        last_seen_at=now,
        expires=now + MAX_SESSION_SECONDS,
    ).save()
    return responses.set_cookie_header(
        COOKIE, secret, max_age=MAX_SESSION_SECONDS, path=PATH, same_site="Strict"
    )


def member_of(request: Request) -> StaffMember | None:
    """Return who sent a request; None for nobody, and for a session that is over."""
    session = current(request)
    if session is None or session.email is None:
        return None
    member = get(StaffMember, session.email)
    if member is None or member.session_version != session.session_version or not _touch(session):
        return None
    return member


def was_begun(request: Request) -> bool:
    """Return whether a request's session is, or was, one of ours; it may be over."""
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
    return session if now < session.expires and now - session.last_seen_at < IDLE_SECONDS else None


def end(request: Request) -> str:
    """End a request's session; return the cookie that removes it from the browser."""
    session = current(request)
    if session is not None:
        session.delete()
    return responses.set_cookie_header(COOKIE, "", max_age=0, path=PATH, same_site="Strict")


def ends_at(session: StaffSession) -> str:
    """Return when a session ends however much it is used, as ISO 8601."""
    return datetime.fromtimestamp(int(session.expires), UTC).isoformat()


def key_of(secret: str) -> str:
    """Return under which key a session is kept."""
    return f"session#{hashlib.sha256(secret.encode()).hexdigest()}"


def _touch(session: StaffSession) -> bool:
    """Write down that a session is used; tell whether it is still there."""
    now = clock.timestamp()
    if now - session.last_seen_at < SEEN_EVERY:
        return True
    try:
        session.update([StaffSession.last_seen_at.set(now)], condition=StaffSession.key.exists())
    except UpdateError as error:
        if not is_condition_failure(error):
            raise
        return False  # logged out at this moment
    return True
