"""A form that was submitted after the session had ended: what was entered is not lost."""

from chalice.app import Request, Response

from chalicelib.errors import ShopError
from chalicelib.staff import layout
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import current_url
from chalicelib.web.responses import can_be_sent

MAX_FIELDS = 10_000
MAX_BYTES = 2 * 1024 * 1024
SECRETS = {"password", "current"}


def resubmit_page(request: Request) -> Response | None:
    """Return a page with the posted values as a form that can be submitted again; None if there is nothing to keep.

    Changes nothing.
    """
    try:
        form_data = read_form(request, most_fields=MAX_FIELDS, most_bytes=MAX_BYTES).values
    except ShopError:
        return None
    if not form_data or SECRETS & set(form_data):
        return None
    answer = layout.render_page(
        None, "staff/auth/session_expired.html", 403, here_again=current_url(request), typed=form_data
    )
    return answer if can_be_sent(answer) else None
