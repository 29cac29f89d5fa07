"""A forgotten password: request a link by email, and choose a new password with it."""

from chalice.app import Request, Response

from chalicelib.mail.addresses import MAX_ADDRESS_LENGTH, BadAddress
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, login_throttle, passwords, reset_tokens, sessions
from chalicelib.staff.auth.login import bad_address_message, wait_words
from chalicelib.staff.models import StaffMember
from chalicelib.web import responses
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import client_ip, query


def forgot_form(request: Request, member: StaffMember | None) -> Response:
    """Show the form that asks for an email address."""
    return _forgotten_page("")


def send_reset_link(request: Request, member: StaffMember | None) -> Response:
    """Email a link if the account exists; the response is the same if it does not."""
    text = read_form(request).text("email")
    try:
        email = accounts.normalize_email(text)
    except BadAddress as refusal:
        return _forgotten_page(text, bad_address_message(refusal), 422)
    try:
        login_throttle.register_reset_request(client_ip(request))
    except login_throttle.Locked as locked:
        message = "Too many links have been requested from here. " + wait_words(locked).partition(". ")[2]
        return responses.with_retry_after(_forgotten_page(text, message, 429), locked.retry_after)
    reset_tokens.enqueue_account_email(reset_tokens.FORGOTTEN, email)
    return layout.render_page(None, "staff/auth/reset_email_sent.html", email=email)


def _forgotten_page(email: str, problem: str = "", status: int = 200) -> Response:
    return layout.render_page(
        None, "staff/auth/forgot_password.html", status, email=email[:MAX_ADDRESS_LENGTH], problem=problem
    )


def show_reset(request: Request, member: StaffMember | None) -> Response:
    """Show the form of an emailed link; opening it changes nothing, since mail programs open links, too."""
    token = query(request, "token") or ""
    try:
        owner = reset_tokens.member_of(token)
    except reset_tokens.TokenExpired as over:
        return layout.render_page(
            None, "staff/auth/reset_link_expired.html", over.status, problem=over.message
        )
    return _reset_page(owner, token)


def reset(request: Request, member: StaffMember | None) -> Response:
    """Set a password by an emailed link, once; every session of the account ends."""
    form = read_form(request)
    token, password = form.text("token"), form.values.get("password", "")
    try:
        owner = reset_tokens.member_of(token)
        problem = passwords.validate_password(password, owner.email)
        if problem:
            return _reset_page(owner, token, problem, 422)
        reset_tokens.redeem_token(
            token, password, audit_log.writer_for(owner, "set a password with an emailed link")
        )
    except reset_tokens.TokenExpired as over:
        return layout.render_page(
            None, "staff/auth/reset_link_expired.html", over.status, problem=over.message
        )
    login_throttle.reset_attempts(owner.email, client_ip(request))
    return layout.redirect_with_notice(
        "/staff/login", "Your new password has been saved. Please log in with it.", [sessions.end(request)]
    )


def _reset_page(owner: StaffMember, token: str, problem: str = "", status: int = 200) -> Response:
    values = {"email": owner.email, "token": token, "problem": problem}
    return layout.render_page(
        None, "staff/auth/reset_password.html", status, fewest=passwords.MIN_LENGTH, **values
    )
