"""A browser without a screen: requests through the local gateway's events into the app, and a cookie jar."""

import re
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from html import unescape
from typing import Protocol, cast
from urllib.parse import urlencode, urlsplit

from infra.local import api_gateway


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]  # lower-case names
    set_cookies: list[str]
    body: str

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers["location"]

    @property
    def says_try_again(self) -> bool:
        """Return whether the same request may work in a moment: the shop failed, or another tab was in the way."""
        return self.status >= 500 or (self.status == 409 and "retry-after" in self.headers)

    @property
    def text(self) -> str:
        """The page's words without its tags, white space folded."""
        without_heads = re.sub(r"<(script|style|head)\b.*?</\1>", " ", self.body, flags=re.DOTALL)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", without_heads))).strip()

    def field(self, name: str) -> str:
        """Read the value of an input field."""
        match = re.search(rf'<input[^>]*\bname="{re.escape(name)}"[^>]*>', self.body)
        assert match, f"no input {name}"
        value = re.search(r'\bvalue="([^"]*)"', match[0])
        return unescape(value[1]) if value else ""


class Gateway(Protocol):
    """What answers requests: the local gateway, or a deployed shop's."""

    def handle(self, method: str, target: str, headers: Message, body: bytes) -> api_gateway.Response:
        """Answer one request."""


@dataclass
class Shopper:
    """One visitor with their own cookies."""

    gateway: Gateway
    jar: dict[str, str] = field(default_factory=dict)
    source: str | None = None  # the address that requests come from; this machine's where none is given

    def get(self, address: str, **headers: str) -> Answer:
        """Open a page; a header's dashes are written as underscores."""
        return self.send("GET", address, headers=_dashed(headers))

    def post(self, address: str, form: dict[str, str] | str | bytes | None = None, **headers: str) -> Answer:
        """Send a form, as the shop's own page would."""
        body = form if isinstance(form, str | bytes) else urlencode(form or {})
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
            **_dashed(headers),
        }
        return self.send("POST", address, headers=sent, body=body)

    def send(
        self, method: str, address: str, *, headers: dict[str, str] | None = None, body: str | bytes = b""
    ) -> Answer:
        """Send a request, keep the cookies of the answer."""
        message = Message()
        message["Host"] = "127.0.0.1"
        message["Accept"] = "text/html"
        for name, value in (headers or {}).items():
            message[name] = value
        if self.jar and "Cookie" not in message:
            message["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        parts = urlsplit(address)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        raw = body.encode() if isinstance(body, str) else body
        handle = self.gateway.handle
        if self.source is not None:  # of the local gateway alone: nobody else takes our word for it
            handle = partial(cast("api_gateway.Gateway", self.gateway).handle, source=self.source)
        answer = handle(method, target, message, raw)
        cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
        self._keep(cookies)
        headers_sent = {name.lower(): value for name, value in answer.headers}
        return Answer(answer.status, headers_sent, cookies, answer.body.decode())

    def follow(self, answer: Answer) -> Answer:
        """Go where a redirect leads, inside the shop."""
        assert answer.status == 303, (answer.status, answer.text)
        return self.get(answer.location)

    def _keep(self, cookies: list[str]) -> None:
        for cookie in cookies:
            name, _, value = cookie.split(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
