"""The staff's routes: each declares who may use it, and is given the member who does."""

from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib.errors import NotAllowed
from chalicelib.staff import accounts, away, sessions
from chalicelib.staff.models import Member
from chalicelib.web import pages, requests
from chalicelib.web.routing import Routes

StaffView = Callable[..., Response]
MERCHANT = frozenset({accounts.MERCHANT})
STAFF = frozenset({accounts.MERCHANT, accounts.FINANCE})
OPEN: frozenset[str] = frozenset()  # nobody need be known: the entrance


class StaffRoutes:
    """Routes under /staff. `declared` maps (method, path) onto the roles that may."""

    def __init__(self, name: str) -> None:
        self.blueprint = Routes(name)
        self.declared: dict[tuple[str, str], frozenset[str]] = {}

    def page(self, path: str, *, may: frozenset[str]) -> Callable[[StaffView], StaffView]:
        """Route GET and HEAD to a view of (request, member, …)."""
        self.declared["GET", path] = may
        return self._add(self.blueprint.get(path), may)

    def action(self, path: str, *, may: frozenset[str]) -> Callable[[StaffView], StaffView]:
        """Route POST to a view of (request, member, …)."""
        self.declared["POST", path] = may
        return self._add(self.blueprint.post(path), may)

    @staticmethod
    def _add(
        register: Callable[[StaffView], StaffView], may: frozenset[str]
    ) -> Callable[[StaffView], StaffView]:
        def add(view: StaffView) -> StaffView:
            def answer(request: Request, **arguments: str) -> Response:
                member = sessions.member_of(request)
                if may and member is None:
                    return _to_login(request)
                if may and member is not None and member.role not in may:
                    raise NotAllowed("Your account can look at orders and books, but not change anything.")
                return view(request, member, **arguments)

            answer.__name__ = view.__name__
            register(answer)
            return view

        return add


def _to_login(request: Request) -> Response:
    """Send to the login; where another site led here, ask once more, since the browser kept the cookie back."""
    if request.method not in ("GET", "HEAD"):
        was_in = sessions.COOKIE in requests.cookies(request)
        return (away.keep_typed(request) if was_in else None) or pages.redirect(pages.url("/staff/login"))
    here = requests.current_address(request)
    from_elsewhere = requests.header(request, "sec-fetch-site").lower() == "cross-site"
    if from_elsewhere and sessions.COOKIE not in requests.cookies(request):
        return pages.page(pages.render_public("staff/again.html", here=here))
    return pages.redirect(pages.url("/staff/login", next=here))


routes = StaffRoutes("chalicelib.staff")

__all__ = ["MERCHANT", "OPEN", "STAFF", "Member", "StaffRoutes", "routes"]
