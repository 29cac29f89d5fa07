"""Responses: pages, redirects, cookies, and what can be sent."""

import json
from typing import Any

from chalice.app import Response

from chalicelib.config import settings
from chalicelib.errors import ShopError
from chalicelib.web import http_request

HTML = "text/html; charset=utf-8"
MAX_SENT_BYTES = 6_000_000  # of a body; Lambda takes 6,291,556 of an answer
MAX_HEADER_BYTES = 8 * 1024  # of names and values; API Gateway takes 10,240, its own among them
MAX_JSON_BYTES_PER_CHARACTER = 12


def sent_bytes(body: str) -> int:
    """Return how many bytes a body has inside Lambda's answer, which is JSON: an ü has six there."""
    return len(json.dumps(body))


def html_response(body: str, status: int = 200, cookies: list[str] | None = None) -> Response:
    """Answer with a page made for one visitor: never kept by anybody."""
    headers: dict[str, Any] = {"Content-Type": HTML, "Cache-Control": "private, no-store"}
    if cookies:
        headers["Set-Cookie"] = cookies
    return Response(body, headers, status)


def can_be_sent(answer: Response) -> bool:
    """Return whether an answer is small enough for Lambda and API Gateway, which would make a 502 of it."""
    listed = ((name, [value] if isinstance(value, str) else value) for name, value in answer.headers.items())
    headers = sum(len(name) + len(value) for name, values in listed for value in values)
    body = str(answer.body or "")
    is_short = len(body) * MAX_JSON_BYTES_PER_CHARACTER < MAX_SENT_BYTES
    return headers <= MAX_HEADER_BYTES and (is_short or sent_bytes(body) <= MAX_SENT_BYTES)


def with_retry_after(answer: Response, refusal: ShopError) -> Response:
    """Add Retry-After where the refusal knows when to try again."""
    if refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after)
    return answer


def redirect(address: str, cookies: list[str] | None = None) -> Response:
    """Answer a POST: go there with a GET."""
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
    """Make a Set-Cookie value for a path of the shop, Secure where the shop is; `script` may read it or not."""
    where = http_request.base_path() + path or "/"
    parts = [f"{name}={value}", f"Path={where}", f"Max-Age={max_age}", f"SameSite={same_site}"]
    if settings.secure_cookies:
        parts.append("Secure")
    if not script:
        parts.append("HttpOnly")
    return "; ".join(parts)
