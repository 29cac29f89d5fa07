"""Pages: addresses, templates, answers. Everything that leaves as HTML is made here."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalice.app import Request, Response
from jinja2 import (
    Environment,
    FileSystemLoader,
    ModuleLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context

from chalicelib import money, postal
from chalicelib.config import settings
from chalicelib.errors import ShopError
from chalicelib.web import media, requests

TEMPLATES = Path(__file__).parents[2] / "templates"
COMPILED = TEMPLATES.with_name("compiled_templates")  # what packaging makes of them, in their stead
STATIC = Path(__file__).with_name("static")
HTML = "text/html; charset=utf-8"
MAX_SENT_BYTES = 6_000_000  # of a body; Lambda takes 6,291,556 of an answer
MAX_HEADER_BYTES = 8 * 1024  # of names and values; API Gateway takes 10,240, its own among them
MAX_JSON_BYTES_PER_CHARACTER = 12
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_public_processors: list[Callable[[], Mapping[str, Any]]] = []
_request_processors: list[Callable[[Request], Mapping[str, Any]]] = []


def public_context_processor(function: Callable[[], Mapping[str, Any]]) -> Callable[[], Mapping[str, Any]]:
    """Feed every template from a function that needs no request."""
    _public_processors.append(function)
    return function


def context_processor(
    function: Callable[[Request], Mapping[str, Any]],
) -> Callable[[Request], Mapping[str, Any]]:
    """Feed every template of a page that is made for one visitor from a function of the request."""
    _request_processors.append(function)
    return function


# -- addresses --------------------------------------------------------------------------------------------


def url(path: str, **query: str | None) -> str:
    """Make an address inside the shop: the path prefix, the path, and the parameters that are not None."""
    parameters = {name: value for name, value in query.items() if value is not None}
    return requests.base_path() + path + ("?" + urlencode(parameters) if parameters else "")


def absolute_url(path: str) -> str:
    """Make an address that works outside the shop: in a mail, at PayPal."""
    return requests.base_url() + path


@cache
def static_files() -> dict[str, Path]:
    """Map hashed names, such as shop.0123456789ab.css, onto the files."""
    files = sorted(file for file in STATIC.iterdir() if file.suffix in CONTENT_TYPES)
    return {
        f"{file.stem}.{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}{file.suffix}": file
        for file in files
    }


@cache
def _hashed_names() -> dict[str, str]:
    return {file.name: hashed for hashed, file in static_files().items()}


def static_url(name: str) -> str:
    """Make the address of a static file, content hash included. Raises KeyError for an unknown name."""
    return url(f"/static/{_hashed_names()[name]}")


# -- templates --------------------------------------------------------------------------------------------


@pass_context
def _money_filter(context: Context, amount: int, currency: str | None = None) -> str:
    return money.spoken(amount, currency or context.get("currency") or settings.currency)


def _local_moment(iso: str) -> str:
    moment = datetime.fromisoformat(iso).astimezone(settings.timezone)
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def paragraphs(text: str) -> list[str]:
    """Split a text at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Make Jinja's environment, once: everything but plain text is escaped, nothing undefined passes."""
    made = Environment(
        loader=ModuleLoader(COMPILED) if COMPILED.is_dir() else FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(url=url, absolute_url=absolute_url, static=static_url)
    made.globals.update(media=media.media_url, sizes_of=media.sizes_of)
    made.filters.update(
        money=_money_filter,
        decimal=lambda amount: money.decimal_string(amount, settings.currency),
        moment=_local_moment,
        address_lines=postal.address_lines,
    )
    return made


def render(template: str, /, **values: Any) -> str:
    """Render a page made for one visitor; every context processor has its say."""
    context: dict[str, Any] = {}
    request = requests.current()
    for public in _public_processors:
        context.update(public())
    if request is not None:
        for private in _request_processors:
            context.update(private(request))
    return environment().get_template(template).render({**context, **values})


def render_public(template: str, /, **values: Any) -> str:
    """Render a page that is the same bytes for everybody: no context processor sees the request."""
    context: dict[str, Any] = {}
    for public in _public_processors:
        context.update(public())
    return environment().get_template(template).render({**context, **values})


# -- answers ----------------------------------------------------------------------------------------------


def sent_bytes(body: str) -> int:
    """Return how many bytes a body has inside Lambda's answer, which is JSON: an ü has six there."""
    return len(json.dumps(body))


def page(body: str, status: int = 200, cookies: list[str] | None = None) -> Response:
    """Answer with a page made for one visitor: never kept by anybody."""
    headers: dict[str, Any] = {"Content-Type": HTML, "Cache-Control": "private, no-store"}
    if cookies:
        headers["Set-Cookie"] = cookies
    return Response(body, headers, status)


def can_be_sent(answer: Response) -> bool:
    """Tell whether an answer is small enough for Lambda and API Gateway, which would make a 502 of it."""
    listed = ((name, [value] if isinstance(value, str) else value) for name, value in answer.headers.items())
    headers = sum(len(name) + len(value) for name, values in listed for value in values)
    body = str(answer.body or "")
    is_short = len(body) * MAX_JSON_BYTES_PER_CHARACTER < MAX_SENT_BYTES
    return headers <= MAX_HEADER_BYTES and (is_short or sent_bytes(body) <= MAX_SENT_BYTES)


def in_a_while(answer: Response, refusal: ShopError) -> Response:
    """Tell programs too when to come again, where a refusal knows it."""
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


def cookie(
    name: str, value: str, *, max_age: int, script: bool = False, path: str = "", same_site: str = "Lax"
) -> str:
    """Make a Set-Cookie value for a path of the shop, Secure where the shop is; `script` may read it or not."""
    where = requests.base_path() + path or "/"
    parts = [f"{name}={value}", f"Path={where}", f"Max-Age={max_age}", f"SameSite={same_site}"]
    if settings.secure_cookies:
        parts.append("Secure")
    if not script:
        parts.append("HttpOnly")
    return "; ".join(parts)
