"""The layout of every staff page, and the response to a change."""

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
    ("/staff/settings", "Settings", "merchant"),
)


def render_page(
    member: StaffMember | None,
    template: str,
    status: int = 200,
    *,
    uploads_to: str | None = None,
    **values: Any,
) -> Response:
    """Render a staff page, with the notice of the previous change.

    `uploads_to`: the address that its files are posted to.
    """
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
    """Redirect after a change to a page of the shop, which shows the notice once."""
    sent = list(cookies or [])
    if notice:
        sent.append(NOTICE.cookie(notice))
    return responses.redirect(urls.url(path), sent or None)


def new_form_token() -> str:
    """Return the one-time ID of a form, which makes pressing its button twice one change."""
    return ids.new_id()


def read_form_token(form: Form) -> str:
    """Return a form's one-time ID. Raises BadInput if it is not one of ours."""
    text = form.text("form")
    if not ids.is_id(text):
        raise BadInput("This form is out of date. Please reload the page.")
    return text


def _here() -> str:
    request = http_request.current()
    return http_request.path(request) if request is not None else ""
