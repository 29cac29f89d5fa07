"""Staff sessions: the cookie holds a secret, the table its hash. They end when idle, and after a maximum time."""

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
SEEN_EVERY = 5 * 60  # the stored time of use may be this old, so that reading a page is not always a write


def start(member: StaffMember) -> str:
    """Start a session under a new ID, never one that a browser sent; return its cookie."""
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
    """Return the member who sent a request; None for strangers and ended sessions."""
    session = current(request)
    if session is None or session.email is None:
        return None
    member = get(StaffMember, session.email)
    if member is None or member.session_version != session.session_version or not _touch(session):
        return None
    return member


def was_begun(request: Request) -> bool:
    """Return whether a request's session is, or was, one of ours; it may have ended."""
    return _find(request) is not None


def _find(request: Request) -> StaffSession | None:
    secret = http_request.cookies(request).get(COOKIE)
    return get(StaffSession, key_of(secret)) if secret else None


def current(request: Request) -> StaffSession | None:
    """Return a request's session if it has not ended."""
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
    return clock.iso_now(datetime.fromtimestamp(int(session.expires), UTC))


def key_of(secret: str) -> str:
    """Return the key under which a session is stored."""
    return f"session#{hashlib.sha256(secret.encode()).hexdigest()}"


def _touch(session: StaffSession) -> bool:
    """Record that a session is used; return whether it still exists."""
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
