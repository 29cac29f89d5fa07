"""A forgotten password: ask for a link by e-mail, and choose a new password with it."""

from chalice.app import Request, Response

from chalicelib.mail.addresses import LONGEST_ADDRESS, BadAddress
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, login_throttle, passwords, reset_tokens, sessions
from chalicelib.staff.auth.login import bad_address_message, locked_answer, wait_words
from chalicelib.staff.models import Member
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import query, source_of


def ask_whose(request: Request, member: Member | None) -> Response:
    """Ask whose password is forgotten."""
    return _forgotten_page("")


def mail_link(request: Request, member: Member | None) -> Response:
    """Have a link mailed, if there is such an account; the answer is the same if there is none."""
    text = read_form(request).text("email")
    try:
        email = accounts.canonical(text)
    except BadAddress as refusal:
        return _forgotten_page(text, bad_address_message(refusal), 422)
    try:
        login_throttle.ask_for_a_link(source_of(request))
    except login_throttle.Locked as locked:
        words = "Many links were asked for from here. " + wait_words(locked).partition(". ")[2]
        return locked_answer(_forgotten_page(text, words, 429), locked)
    reset_tokens.ask_for_letter(reset_tokens.FORGOTTEN, email)
    return layout.show(None, "staff/auth/reset_email_sent.html", email=email)


def _forgotten_page(email: str, problem: str = "", status: int = 200) -> Response:
    return layout.show(
        None, "staff/auth/forgot_password.html", status, email=email[:LONGEST_ADDRESS], problem=problem
    )


def show_reset(request: Request, member: Member | None) -> Response:
    """Show the form that a mailed link leads to; looking changes nothing, since mail programs look too."""
    token = query(request, "token") or ""
    try:
        owner = reset_tokens.member_of(token)
    except reset_tokens.LinkOver as over:
        return layout.show(None, "staff/auth/reset_link_expired.html", over.status, problem=over.message)
    return _reset_page(owner, token)


def reset(request: Request, member: Member | None) -> Response:
    """Set the password that a mailed link allows, once; every session of the account ends."""
    form = read_form(request)
    token, password = form.text("token"), form.values.get("password", "")
    try:
        owner = reset_tokens.member_of(token)
        problem = passwords.what_is_wrong(password, owner.email)
        if problem:
            return _reset_page(owner, token, problem, 422)
        reset_tokens.use(token, password, audit_log.witness(owner, "set a password by a mailed link"))
    except reset_tokens.LinkOver as over:
        return layout.show(None, "staff/auth/reset_link_expired.html", over.status, problem=over.message)
    login_throttle.forgive(owner.email, source_of(request))
    return layout.go(
        "/staff/login", "Your new password is set. Please log in with it.", [sessions.end(request)]
    )


def _reset_page(owner: Member, token: str, problem: str = "", status: int = 200) -> Response:
    values = {"email": owner.email, "token": token, "problem": problem}
    return layout.show(None, "staff/auth/reset_password.html", status, fewest=passwords.FEWEST, **values)
