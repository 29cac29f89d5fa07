"""Staff routes: each declares the roles that may use it, and its view gets the member."""

from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib.errors import NotFound, PayloadTooLarge, PermissionDenied, ShopError
from chalicelib.staff import layout
from chalicelib.staff.auth import accounts, session_expired, sessions
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request, responses, templates, urls
from chalicelib.web.forms import MAX_BYTES
from chalicelib.web.router import Routes

StaffView = Callable[..., Response]
MERCHANT = frozenset({accounts.MERCHANT})
STAFF = frozenset({accounts.MERCHANT, accounts.FINANCE})
MAX_NEXT_LENGTH = 1000  # characters; as a parameter each may become five, and headers are limited
PUBLIC: frozenset[str] = frozenset()  # anybody: the login pages


class StaffRoutes:
    """Routes under /staff. `declared` maps (method, path) to the allowed roles, `views` to the view."""

    def __init__(self, name: str) -> None:
        self.blueprint = Routes(name)
        self.declared: dict[tuple[str, str], frozenset[str]] = {}
        self.views: dict[tuple[str, str], StaffView] = {}

    def page(self, path: str, may: frozenset[str], view: StaffView) -> None:
        """Route GET and HEAD to a view of (request, member, …)."""
        self._add("GET", path, may, view)

    def action(self, path: str, may: frozenset[str], view: StaffView) -> None:
        """Route POST to a view of (request, member, …)."""
        self._add("POST", path, may, view)

    def _add(self, method: str, path: str, may: frozenset[str], view: StaffView) -> None:
        self.declared[method, path] = may
        self.views[method, path] = view
        register = self.blueprint.get if method == "GET" else self.blueprint.post

        def answer(request: Request, **arguments: str) -> Response:
            member = sessions.member_of(request)
            try:
                if may and member is None:
                    return _to_login(request)
                if may and member is not None and member.role not in may:
                    raise PermissionDenied(
                        "Your account can view orders and books, but can’t change anything."
                    )
                return view(request, member, **arguments)
            except ShopError as refusal:
                return _error_page(member, refusal)

        answer.__name__ = f"staff_{method}_{path}"
        register(path)(answer)


def unknown_page(request: Request) -> Response:
    """Answer an address under /staff without a route; strangers get the shop's own page."""
    unknown = NotFound("This page doesn’t exist or has been removed.")
    member = sessions.member_of(request)
    if member is None:
        raise unknown
    return _error_page(member, unknown)


def _error_page(member: StaffMember | None, refusal: ShopError) -> Response:
    """Render an error in the staff layout, not the shop's."""
    answer = layout.render_page(member, "staff/error.html", refusal.status, refusal=refusal)
    return responses.with_retry_after(answer, refusal.retry_after)


def _to_login(request: Request) -> Response:
    """Redirect to the login; if another site linked here, reload once, since the browser withheld the cookie."""
    if request.method not in ("GET", "HEAD"):
        form_data = session_expired.resubmit_page(request) if sessions.was_begun(request) else None
        if form_data is None and len(request.raw_body) > MAX_BYTES:
            raise PayloadTooLarge("This is too much data to send without being logged in.")
        return form_data or responses.redirect(urls.url("/staff/login"))
    here = http_request.current_url(request)
    from_elsewhere = http_request.header(request, "sec-fetch-site").lower() == "cross-site"
    if from_elsewhere and sessions.COOKIE not in http_request.cookies(request):
        return responses.html_response(templates.render_public("staff/auth/reload_same_site.html", here=here))
    return responses.redirect(urls.url("/staff/login", next=here if len(here) <= MAX_NEXT_LENGTH else None))
