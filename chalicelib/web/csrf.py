"""CSRF protection: changes are refused if a page of another site sent them."""

from chalice.app import Request

from chalicelib.errors import Forbidden
from chalicelib.web import http_request
from chalicelib.web.urls import origin as origin_of

SAFE = {"GET", "HEAD", "OPTIONS"}
FROM_ELSEWHERE = "This request came from another site, so we blocked it. Please use the shop’s own pages."


def refuse_cross_site(request: Request) -> None:
    """Raise Forbidden for a change that another site sent.

    A request without any such header is not a browser's: allowed.
    """
    if request.method in SAFE:
        return
    site = http_request.header(request, "sec-fetch-site").lower()
    if site:
        if site not in ("same-origin", "none"):
            raise Forbidden(FROM_ELSEWHERE)
        return
    origin = http_request.header(request, "origin").lower()
    if origin and origin != origin_of(http_request.base_url()):
        raise Forbidden(FROM_ELSEWHERE)
