"""The middleware around all routes: CSRF check, error pages, and every page's headers."""

import logging
from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib import deadlines
from chalicelib.errors import PayloadTooLarge, ServiceUnavailable, ShopError
from chalicelib.web import csrf, http_request, responses, templates
from chalicelib.web.security_headers import security_headers

log = logging.getLogger("awning")
REQUEST_SECONDS = 22  # for all retries
# API Gateway waits for 29 s: every call ends before, so that the shop's own page is sent.
ANSWER_SECONDS = 26  # of changes, requests that call PayPal, and staff pages
PAGE_SECONDS = 10  # of a page that only reads: nobody waits longer for one
SLOW = ("/staff", "/payments/")
UNGUARDED = {"/webhooks/paypal"}
ERROR_TITLE = "Something went wrong"
TOO_LARGE = "The response is too large to send. Please go back and try again with less data."
# What is sent if even the error page cannot be rendered.
BARE_PAGE = f'<!doctype html><html lang="en"><title>{ERROR_TITLE}</title><h1>{ERROR_TITLE}</h1><p>We’re sorry. Please try again.'


def middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Check changes, turn errors and bugs into pages, and add the headers that every response needs."""
    http_request.set_current(request)
    try:
        with deadlines.answering_within(_seconds_of(request)), deadlines.time_budget(REQUEST_SECONDS):
            response = _dispatch(request, get_response)
    except Exception:  # a template or a setting is broken; Chalice would answer in JSON, without our headers
        log.exception("page could not be rendered")
        response = responses.html_response(BARE_PAGE, 500)
    finally:
        http_request.set_current(None)
    if request.method == "HEAD":
        response.body = ""
    if response.status_code == ServiceUnavailable.status and "Retry-After" not in response.headers:
        responses.with_retry_after(response, ServiceUnavailable.retry_after)
    for name, value in security_headers().items():
        response.headers.setdefault(name, value)
    return response


def _seconds_of(request: Request) -> float:
    only_reads = request.method in csrf.SAFE and not request.path.startswith(SLOW)
    return PAGE_SECONDS if only_reads else ANSWER_SECONDS


def _dispatch(request: Request, get_response: Callable[[Request], Response]) -> Response:
    try:
        if request.path not in UNGUARDED:
            csrf.refuse_cross_site(request)
        response = get_response(request)
    except ShopError as refusal:
        response = responses.with_retry_after(
            error_page(refusal.status, refusal.title, refusal.message), refusal.retry_after
        )
    if response.status_code >= 400 and "Content-Type" not in response.headers:  # Chalice's own
        response = _page_for_chalice(response)
    if not all(_is_valid_header_value(value) for value in response.headers.values()):
        log.error("response not sent: invalid characters in a header")
        return _page_for_chalice(Response("", {}, 500))
    if not responses.can_be_sent(response):
        log.warning("response not sent: larger than Lambda or API Gateway allows")
        return error_page(PayloadTooLarge.status, PayloadTooLarge.title, TOO_LARGE)
    return response


def error_page(status: int, title: str, message: str) -> Response:
    """Render the page of an error."""
    return responses.html_response(
        templates.render_public("error.html", status=status, title=title, message=message), status
    )


def _is_valid_header_value(value: str | list[str]) -> bool:
    # Chalice lets line breaks through in lists, and carriage returns everywhere.
    return all(
        each.isascii() and each.isprintable() for each in ([value] if isinstance(value, str) else value)
    )


def _page_for_chalice(response: Response) -> Response:
    if response.status_code == 405:
        return error_page(
            405, "This action isn’t available", "Please go back and use the buttons on the page."
        )
    return error_page(
        response.status_code,
        ERROR_TITLE,
        "We’re sorry. Please try again. If you were paying, check your order page to see whether the payment "
        "went through. If this keeps happening, please contact us.",
    )
