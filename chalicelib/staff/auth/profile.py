"""A member's own account: another password, and the end of every session."""

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.database.transactions import Refused, Transaction
from chalicelib.errors import Conflict
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, login_throttle, passwords, reset_tokens, sessions
from chalicelib.staff.auth.login import locked_answer, wait_words
from chalicelib.staff.models import Member
from chalicelib.web import http_request
from chalicelib.web.forms import read_form


def show(request: Request, member: Member) -> Response:
    """Show a member's own account."""
    return _page(request, member, {})


def change_password(request: Request, member: Member) -> Response:
    """Change a member's own password: every other browser is logged out, this one goes on under a new session."""
    form = read_form(request)
    current, new = form.values.get("current", ""), form.values.get("password", "")
    source = http_request.source_of(request)
    try:
        login_throttle.take_a_try(member.email, source)
    except login_throttle.Locked as locked:
        return locked_answer(_page(request, member, {"current": wait_words(locked)}, 429), locked)
    if not passwords.is_right(current, member.password):
        return _page(request, member, {"current": "This is not your password."}, 422)
    login_throttle.forgive(member.email, source)
    wrong = passwords.what_is_wrong(new, member.email)
    if wrong is None and passwords.is_right(new, member.password):
        wrong = "This is the password you have. Please take another."
    if wrong:
        return _page(request, member, {"password": wrong}, 422)
    member.epoch = _set(member, new)
    reset_tokens.tell_of_change(member)
    sessions.end(request)
    return layout.go("/staff/account", "Your new password is set.", [sessions.start(member)])


def _set(member: Member, password: str) -> int:
    transaction = Transaction()
    witness = audit_log.witness(member, "changed their password")
    epoch = accounts.set_password(transaction, member, password, witness)
    try:
        transaction.commit()
    except Refused as refusal:
        raise Conflict("Your account was changed at the same moment. Please look again.") from refusal
    return epoch


def _page(request: Request, member: Member, errors: dict[str, str], status: int = 200) -> Response:
    session = sessions.current(request)
    return layout.show(
        member,
        "staff/auth/profile.html",
        status,
        errors=errors,
        role=accounts.ROLES[member.role],
        fewest=passwords.FEWEST,
        ends_at=sessions.ends_at(session) if session else clock.now().isoformat(),
        idle_hours=sessions.IDLE_SECONDS // 3600,
    )
