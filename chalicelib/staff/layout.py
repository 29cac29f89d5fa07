"""The desk: how every staff page is shown, and how a change answers."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from chalice.app import Response

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request, responses, templates, urls
from chalicelib.web.forms import Form

NOTICE = "staff-notice"
NOTICE_SECONDS = 60
MAX_NOTICE_LENGTH = 500
NAVIGATION = (
    ("/staff/", "Today", "any"),
    ("/staff/attention", "Attention", "any"),
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
    notice = _notice()
    body = templates.render(
        template,
        member=member,
        places=[(path, name) for path, name, who in NAVIGATION if member and who in ("any", member.role)],
        here=_here(),
        notice=notice,
        **values,
    )
    answer = responses.html_response(body, status, [_notice_cookie("", 0)] if notice else None)
    answer.headers["Content-Security-Policy"] = _policy(uploads_to)
    return answer


def redirect_with_notice(path: str, notice: str | None = None, cookies: list[str] | None = None) -> Response:
    """Answer a change: go to a page of the shop, which shows the notice once."""
    sent = list(cookies or [])
    if notice:
        text = base64.urlsafe_b64encode(notice[:MAX_NOTICE_LENGTH].encode()).decode()
        sent.append(_notice_cookie(text, NOTICE_SECONDS))
    return responses.redirect(urls.url(path), sent or None)


def new_form_token() -> str:
    """Make the id of a form, by which pressing its button twice is one change."""
    return ids.new_id()


def read_form_token(form: Form) -> str:
    """Read the one-time id of a form. Raises BadInput for one that is not ours."""
    text = form.text("form")
    if not ids.is_id(text):
        raise BadInput("This page is not as we made it. Please load it again.")
    return text


def _policy(uploads_to: str | None) -> str:
    pictures = _origin(settings.media_url) if settings.media_url else ""
    files = _origin(uploads_to) if uploads_to else ""
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "img-src": f"'self' {pictures}",
        "connect-src": f"'self' {files}",
        "form-action": f"'self' {files}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in policy.items())


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _here() -> str:
    request = http_request.current()
    return http_request.path(request) if request is not None else ""


def _notice() -> str:
    request = http_request.current()
    text = http_request.cookies(request).get(NOTICE, "") if request is not None else ""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()[:MAX_NOTICE_LENGTH]
    except (binascii.Error, ValueError):
        return ""


def _notice_cookie(text: str, seconds: int) -> str:
    return responses.set_cookie_header(NOTICE, text, max_age=seconds, path="/staff", same_site="Strict")
