"""Log in and log out."""

import re
from urllib.parse import urlsplit

from chalice.app import Request, Response

from chalicelib.mail.addresses import CHECK, MAX_ADDRESS_LENGTH, BadAddress
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, login_throttle, sessions
from chalicelib.staff.models import StaffMember
from chalicelib.web import responses
from chalicelib.web.forms import Form, read_form
from chalicelib.web.http_request import base_path, client_ip, query

WRONG = "The email address or password is incorrect."
ENTRANCE = {"login", "logout", "forgotten", "reset"}
_ADDRESS_IN_THE_SHOP = re.compile(
    r"[!-\[\]-~]{1,2000}"
)  # what an address is written with: no spaces, no backslash


def login_form(request: Request, member: StaffMember | None) -> Response:
    """Show the login form to visitors who are not logged in."""
    next_address = query(request, "next") or ""
    return responses.redirect(safe_next_url(next_address)) if member else _login_page(next_address, "")


def log_in(request: Request, member: StaffMember | None) -> Response:
    """Start a session under a new ID.

    The answer to wrong input is always the same, whether the account exists or not.
    """
    form = read_form(request)
    email, source = _typed_email(form), client_ip(request)
    try:
        is_last = login_throttle.register_attempt(email, source)
    except login_throttle.Locked as locked:
        page = _login_page(form.text("next"), form.text("email"), wait_words(locked), 429)
        return responses.with_retry_after(page, locked.retry_after)
    known = accounts.check_password(email, form.values.get("password", ""))
    if known is None:
        if is_last:
            _record_guessing(email, source)
        return _login_page(form.text("next"), form.text("email"), WRONG, 403)
    login_throttle.reset_attempts(email, source)
    sessions.end(request)
    audit_log.record(known.email, "logged in", "the staff pages")
    return responses.redirect(safe_next_url(form.text("next")), [sessions.start(known)])


def log_out(request: Request, member: StaffMember) -> Response:
    """End this session, or every session of the member."""
    if read_form(request).text("everywhere"):
        accounts.end_sessions(member, audit_log.writer_for(member, "logged out everywhere"))
    else:
        audit_log.record(member.email, "logged out", "the staff pages")
    return layout.redirect_with_notice("/staff/login", "You’ve been logged out.", [sessions.end(request)])


def safe_next_url(address: str) -> str:
    """Return an address if it is a staff page's; otherwise the first staff page's."""
    own = base_path() + "/staff/"
    if not address.startswith(own) or not _ADDRESS_IN_THE_SHOP.fullmatch(address):
        return own
    path = urlsplit(address).path.lower()
    is_way_out = "/." in path or "/%2e" in path
    return own if is_way_out or path.removeprefix(own) in ENTRANCE else address


def _login_page(next_address: str, email: str, problem: str = "", status: int = 200) -> Response:
    values = {"next": next_address, "email": email[:MAX_ADDRESS_LENGTH], "problem": problem}
    return layout.render_page(None, "staff/auth/login.html", status, **values)


def _typed_email(form: Form) -> str:
    """Return the address that was entered; an invalid one finds no account, after the same work."""
    try:
        return accounts.normalize_email(form.text("email"))
    except BadAddress:
        return form.text("email").lower().replace("@", " ")


def bad_address_message(refusal: BadAddress) -> str:
    """Return an error message that asks for an email address and says what is wrong with this one."""
    return str(refusal).replace(CHECK, "Please enter an email address such as name@example.com.")


def wait_words(locked: login_throttle.Locked) -> str:
    """Return how long one has to wait."""
    minutes = -(-locked.retry_after // 60)
    return f"Too many failed attempts. Please wait {minutes} minute{'s' if minutes > 1 else ''} before trying again."


def _record_guessing(email: str, source: str) -> None:
    subject = f"account {email}" if accounts.find(email) else "an account that does not exist"
    audit_log.record(f"visitor at {source}", "was locked out after wrong passwords", subject)
