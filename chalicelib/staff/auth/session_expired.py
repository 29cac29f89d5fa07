"""Who comes back after a long while and presses a button: the session is over, and what was typed is not lost."""

from chalice.app import Request, Response

from chalicelib.errors import ShopError
from chalicelib.staff import layout
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import current_address
from chalicelib.web.responses import can_be_sent

MOST_FIELDS = 10_000
MOST_BYTES = 2 * 1024 * 1024
SECRETS = {"password", "current"}


def keep_typed(request: Request) -> Response | None:
    """Show what was posted as a form that can be sent again; None where there is nothing worth it. Changes nothing."""
    try:
        typed = read_form(request, most_fields=MOST_FIELDS, most_bytes=MOST_BYTES).values
    except ShopError:
        return None
    if not typed or SECRETS & set(typed):
        return None
    answer = layout.show(
        None, "staff/auth/session_expired.html", 403, here_again=current_address(request), typed=typed
    )
    return answer if can_be_sent(answer) else None
