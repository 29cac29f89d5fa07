"""A member's own account: change the password, and end all sessions."""

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.errors import Conflict
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, login_throttle, passwords, reset_tokens, sessions
from chalicelib.staff.auth.login import wait_words
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request, responses
from chalicelib.web.forms import read_form


def show(request: Request, member: StaffMember) -> Response:
    """Show a member's own account."""
    return _page(request, member, {})


def change_password(request: Request, member: StaffMember) -> Response:
    """Change a member's own password: other browsers are logged out, this one continues with a new session."""
    form = read_form(request)
    current, new = form.values.get("current", ""), form.values.get("password", "")
    source = http_request.client_ip(request)
    try:
        login_throttle.register_attempt(member.email, source)
    except login_throttle.Locked as locked:
        page = _page(request, member, {"current": wait_words(locked)}, 429)
        return responses.with_retry_after(page, locked.retry_after)
    if not passwords.verify(current, member.password):
        return _page(request, member, {"current": "This isn’t your current password."}, 422)
    login_throttle.reset_attempts(member.email, source)
    wrong = passwords.validate_password(new, member.email)
    if wrong is None and passwords.verify(new, member.password):
        wrong = "This is already your password. Please choose a different one."
    if wrong:
        return _page(request, member, {"password": wrong}, 422)
    member.session_version = _set(member, new)
    reset_tokens.tell_of_change(member)
    sessions.end(request)
    return layout.redirect_with_notice(
        "/staff/account", "Your password has been changed.", [sessions.start(member)]
    )


def _set(member: StaffMember, password: str) -> int:
    transaction = Transaction()
    write_audit = audit_log.writer_for(member, "changed their password")
    epoch = accounts.set_password(transaction, member, password, write_audit)
    try:
        transaction.commit()
    except ConditionFailed as refusal:
        raise Conflict("Your account was changed at the same time. Please try again.") from refusal
    return epoch


def _page(request: Request, member: StaffMember, errors: dict[str, str], status: int = 200) -> Response:
    session = sessions.current(request)
    return layout.render_page(
        member,
        "staff/auth/profile.html",
        status,
        errors=errors,
        role=accounts.ROLES[member.role],
        fewest=passwords.MIN_LENGTH,
        ends_at=sessions.ends_at(session) if session else clock.iso_now(),
        idle_hours=sessions.IDLE_SECONDS // 3600,
    )
