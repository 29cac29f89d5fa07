"""The entrance: log in, log out, and the way back in for who forgot the password."""

import re
from urllib.parse import urlsplit

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.mail.addresses import CHECK, LONGEST_ADDRESS, BadAddress
from chalicelib.staff import accounts, audit, desk, links, passwords, sessions, throttle
from chalicelib.staff.models import Member
from chalicelib.web import pages
from chalicelib.web.forms import Form, read_form
from chalicelib.web.requests import base_path, query, source_of

WRONG = "This e-mail address and password do not belong together."
ENTRANCE = {"login", "logout", "forgotten", "reset"}
_ADDRESS_IN_THE_SHOP = re.compile(
    r"[!-\[\]-~]{1,2000}"
)  # what an address is written with: no spaces, no backslash


# -- logging in and out -----------------------------------------------------------------------------------


def ask(request: Request, member: Member | None) -> Response:
    """Ask for e-mail address and password, whoever is not logged in."""
    next_address = query(request, "next") or ""
    return pages.redirect(inside(next_address)) if member else _login_page(next_address, "")


def log_in(request: Request, member: Member | None) -> Response:
    """Begin a session under a new ID. Every wrong answer is the same, whether there is such an account or not."""
    form = read_form(request)
    email, source = _typed_email(form), source_of(request)
    try:
        is_last = throttle.take_a_try(email, source)
    except throttle.Locked as locked:
        return locked_answer(
            _login_page(form.text("next"), form.text("email"), wait_words(locked), 429), locked
        )
    known = accounts.check_password(email, form.values.get("password", ""))
    if known is None:
        if is_last:
            _record_guessing(email, source)
        return _login_page(form.text("next"), form.text("email"), WRONG, 403)
    throttle.forgive(email, source)
    sessions.end(request)
    audit.record(known.email, "logged in", "the staff pages")
    return pages.redirect(inside(form.text("next")), [sessions.start(known)])


def log_out(request: Request, member: Member) -> Response:
    """End this session, or every session of the member."""
    if read_form(request).text("everywhere"):
        accounts.end_sessions(member, audit.witness(member, "logged out everywhere"))
    else:
        audit.record(member.email, "logged out", "the staff pages")
    return desk.go("/staff/login", "You are logged out.", [sessions.end(request)])


def inside(address: str) -> str:
    """Allow addresses of staff pages alone; anything else leads to the first of them."""
    own = base_path() + "/staff/"
    if not address.startswith(own) or not _ADDRESS_IN_THE_SHOP.fullmatch(address):
        return own
    path = urlsplit(address).path.lower()
    is_way_out = "/." in path or "/%2e" in path
    return own if is_way_out or path.removeprefix(own) in ENTRANCE else address


def _login_page(next_address: str, email: str, problem: str = "", status: int = 200) -> Response:
    values = {"next": next_address, "email": email[:LONGEST_ADDRESS], "problem": problem}
    return desk.show(None, "staff/login.html", status, **values)


def _typed_email(form: Form) -> str:
    """Read the address that was typed; what is none finds no account, after the same work."""
    try:
        return accounts.canonical(form.text("email"))
    except BadAddress:
        return form.text("email").lower().replace("@", " ")


def bad_address_message(refusal: BadAddress) -> str:
    """Ask for an address where one was wanted, with what is wrong with the one that was given."""
    return str(refusal).replace(CHECK, "Please give an e-mail address such as name@example.com.")


def wait_words(locked: throttle.Locked) -> str:
    """Say how long one has to wait."""
    minutes = max(1, -(-(locked.until - clock.timestamp()) // 60))
    return f"That was wrong too often. Please wait {minutes} minute{'s' if minutes > 1 else ''} before the next try."


def locked_answer(answer: Response, locked: throttle.Locked) -> Response:
    """Tell programs too when to come again."""
    answer.headers["Retry-After"] = str(max(1, locked.until - clock.timestamp()))
    return answer


def _record_guessing(email: str, source: str) -> None:
    subject = f"account {email}" if accounts.find(email) else "an account that does not exist"
    audit.record(f"somebody at {source}", "gave wrong passwords until they had to wait", subject)


# -- a forgotten password ---------------------------------------------------------------------------------


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
        throttle.ask_for_a_link(source_of(request))
    except throttle.Locked as locked:
        words = "Many links were asked for from here. " + wait_words(locked).partition(". ")[2]
        return locked_answer(_forgotten_page(text, words, 429), locked)
    links.ask_for_letter(links.FORGOTTEN, email)
    return desk.show(None, "staff/link_mailed.html", email=email)


def _forgotten_page(email: str, problem: str = "", status: int = 200) -> Response:
    return desk.show(None, "staff/forgotten.html", status, email=email[:LONGEST_ADDRESS], problem=problem)


def show_reset(request: Request, member: Member | None) -> Response:
    """Show the form that a mailed link leads to; looking changes nothing, since mail programs look too."""
    token = query(request, "token") or ""
    try:
        owner = links.member_of(token)
    except links.LinkOver as over:
        return desk.show(None, "staff/link_over.html", over.status, problem=over.message)
    return _reset_page(owner, token)


def reset(request: Request, member: Member | None) -> Response:
    """Set the password that a mailed link allows, once; every session of the account ends."""
    form = read_form(request)
    token, password = form.text("token"), form.values.get("password", "")
    try:
        owner = links.member_of(token)
        problem = passwords.what_is_wrong(password, owner.email)
        if problem:
            return _reset_page(owner, token, problem, 422)
        links.use(token, password, audit.witness(owner, "set a password by a mailed link"))
    except links.LinkOver as over:
        return desk.show(None, "staff/link_over.html", over.status, problem=over.message)
    throttle.forgive(owner.email, source_of(request))
    return desk.go(
        "/staff/login", "Your new password is set. Please log in with it.", [sessions.end(request)]
    )


def _reset_page(owner: Member, token: str, problem: str = "", status: int = 200) -> Response:
    values = {"email": owner.email, "token": token, "problem": problem}
    return desk.show(None, "staff/reset.html", status, fewest=passwords.FEWEST, **values)
