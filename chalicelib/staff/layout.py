"""The desk: how every staff page is shown, and how a change answers."""

from typing import Any

from chalice.app import Response

from chalicelib import ids
from chalicelib.errors import BadInput
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request, responses, templates, urls
from chalicelib.web.flash import Flash
from chalicelib.web.forms import Form
from chalicelib.web.security_headers import content_policy

NOTICE = Flash("staff-notice", path="/staff", same_site="Strict")
NAVIGATION = (
    ("/staff/", "Sales", "any"),
    ("/staff/attention", "Alerts", "any"),
    ("/staff/orders", "Orders", "any"),
    ("/staff/products", "Products", "merchant"),
    ("/staff/books", "Books", "any"),
)


def render_page(
    member: StaffMember | None,
    template: str,
    status: int = 200,
    *,
    uploads_to: str | None = None,
    **values: Any,
) -> Response:
    """Show a staff page, with the notice of the change before. `uploads_to`: where its files go, as an address."""
    notice = NOTICE.read(http_request.current())
    body = templates.render(
        template,
        member=member,
        places=[(path, name) for path, name, who in NAVIGATION if member and who in ("any", member.role)],
        here=_here(),
        notice=notice,
        **values,
    )
    answer = responses.html_response(body, status, [NOTICE.expired()] if notice else None)
    answer.headers["Content-Security-Policy"] = content_policy(uploads_to=uploads_to)
    return answer


def redirect_with_notice(path: str, notice: str | None = None, cookies: list[str] | None = None) -> Response:
    """Answer a change: go to a page of the shop, which shows the notice once."""
    sent = list(cookies or [])
    if notice:
        sent.append(NOTICE.cookie(notice))
    return responses.redirect(urls.url(path), sent or None)


def new_form_token() -> str:
    """Make the id of a form, by which pressing its button twice is one change."""
    return ids.new_id()


def read_form_token(form: Form) -> str:
    """Read the one-time id of a form. Raises BadInput for one that is not ours."""
    text = form.text("form")
    if not ids.is_id(text):
        raise BadInput("This form is out of date. Please reload the page.")
    return text


def _here() -> str:
    request = http_request.current()
    return http_request.path(request) if request is not None else ""
