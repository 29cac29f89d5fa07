"""Requests, responses and routes: what the rest of the fake PayPal needs of HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.local.fake_paypal.api.api_errors import ApiError


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    refusal: ApiError | None = None  # injected for this request: its handler raises it

    @property
    def path(self) -> str:
        """Return the path, without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; the last one if repeated."""
        return _last_values(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        """Return the fields of a posted form; the last one if repeated."""
        return _last_values(self.body.decode("utf-8", "replace"))

    @property
    def media_type(self) -> str:
        """Return the body's type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the parsed body; {} if it is empty. Raises ValueError."""
        return json.loads(self.body) if self.body.strip() else {}


@dataclass
class Response:
    """A response, ready to be sent."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    """An address: the groups of the pattern become the handler's arguments after the request."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    operation: str = ""


def route(method: str, pattern: str, handler: Handler, operation: str = "") -> Route:
    """Return a route; `operation` is its name in faults and in the list of requests."""
    return Route(method, re.compile(pattern), handler, operation)


def raw_value(text: str, key: str) -> str:
    """Return the raw text of one value of a JSON object, with all white space in and around it. Raises ValueError."""
    decoder = json.JSONDecoder()
    at = text.index("{") + 1
    while True:
        name, at = decoder.raw_decode(text, _past_blanks(text, at))
        begins = _past_blanks(text, at) + 1  # after the colon
        _, ends = decoder.raw_decode(text, _past_blanks(text, begins))
        at = _past_blanks(text, ends)
        if name == key:
            return text[begins:at]
        at += 1  # after the comma


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def json_response(status: int, document: object, **headers: str) -> Response:
    """Return a JSON response; `A_b=…` becomes the header `A-b`."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(status, body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def see_other(location: str) -> Response:
    """Redirect the browser with a GET."""
    return Response(303, content_type="text/plain", headers={"Location": location})


def _last_values(encoded: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(encoded, keep_blank_values=True).items()}
