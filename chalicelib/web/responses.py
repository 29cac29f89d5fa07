"""Responses: pages, redirects, cookies, and size limits."""

import json
from typing import Any

from chalice.app import Response

from chalicelib.config import settings
from chalicelib.web import http_request

HTML = "text/html; charset=utf-8"
MAX_SENT_BYTES = 6_000_000  # of a body; Lambda takes 6,291,556 of a response
MAX_HEADER_BYTES = 8 * 1024  # of names and values; API Gateway takes 10,240, including its own
MAX_JSON_BYTES_PER_CHARACTER = 12


def sent_bytes(body: str) -> int:
    """Return a body's size in bytes inside Lambda's response, which is JSON: an ü takes six there."""
    return len(json.dumps(body))


def html_response(body: str, status: int = 200, cookies: list[str] | None = None) -> Response:
    """Return a response with a page made for one visitor, which is never cached."""
    headers: dict[str, Any] = {"Content-Type": HTML, "Cache-Control": "private, no-store"}
    if cookies:
        headers["Set-Cookie"] = cookies
    return Response(body, headers, status)


def can_be_sent(answer: Response) -> bool:
    """Return whether a response is small enough for Lambda and API Gateway, which would turn it into a 502."""
    listed = ((name, [value] if isinstance(value, str) else value) for name, value in answer.headers.items())
    headers = sum(len(name) + len(value) for name, values in listed for value in values)
    body = str(answer.body or "")
    is_short = len(body) * MAX_JSON_BYTES_PER_CHARACTER < MAX_SENT_BYTES
    return headers <= MAX_HEADER_BYTES and (is_short or sent_bytes(body) <= MAX_SENT_BYTES)


def with_retry_after(answer: Response, seconds: int | None) -> Response:
    """Add Retry-After to a refusal where it is known when to try again."""
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def redirect(address: str, cookies: list[str] | None = None) -> Response:
    """Answer a POST with a redirect (303) to a page."""
    headers: dict[str, Any] = {
        "Location": address,
        "Content-Type": HTML,
        "Cache-Control": "private, no-store",
    }
    if cookies:
        headers["Set-Cookie"] = cookies
    return Response("", headers, 303)


def set_cookie_header(
    name: str, value: str, *, max_age: int, script: bool = False, path: str = "", same_site: str = "Lax"
) -> str:
    """Return a Set-Cookie value for a path of the shop, Secure if the shop uses HTTPS; `script` lets scripts read it."""
    where = http_request.base_path() + path or "/"
    parts = [f"{name}={value}", f"Path={where}", f"Max-Age={max_age}", f"SameSite={same_site}"]
    if settings.secure_cookies:
        parts.append("Secure")
    if not script:
        parts.append("HttpOnly")
    return "; ".join(parts)
