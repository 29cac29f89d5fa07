"""The entrance: log in, log out."""

from chalice.app import Request, Response

from chalicelib.staff import accounts, audit, desk, sessions
from chalicelib.staff.routing import OPEN, STAFF, Member, routes
from chalicelib.web import pages
from chalicelib.web.forms import read_form
from chalicelib.web.requests import query

WRONG = "This e-mail address and password do not belong together."


@routes.page("/staff/login", may=OPEN)
def ask(request: Request, member: Member | None) -> Response:
    """Ask for e-mail address and password."""
    return desk.show(None, "staff/login.html", next=query(request, "next") or "", email="", problem="")


@routes.action("/staff/login", may=OPEN)
def log_in(request: Request, member: Member | None) -> Response:
    """Begin a session."""
    form = read_form(request)
    email = form.text("email").lower()
    known = accounts.check_password(email, form.text("password"))
    if known is None:
        return desk.show(None, "staff/login.html", 403, next=form.text("next"), email=email, problem=WRONG)
    audit.record(known.email, "logged in", "the staff pages")
    return pages.redirect(_inside(form.text("next")), [sessions.start(known)])


@routes.action("/staff/logout", may=STAFF)
def log_out(request: Request, member: Member) -> Response:
    """End this session, or every session of the member."""
    cookie = sessions.end(request)
    if read_form(request).text("everywhere"):
        sessions.end_all(member)
    return desk.go("/staff/login", "You are logged out.", [cookie])


def _inside(address: str) -> str:
    """Allow addresses of staff pages alone."""
    own = pages.url("/staff/")
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if address.startswith(own) and plain else own
