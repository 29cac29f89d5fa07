"""Test a deployed shop from outside: `python -m infra.aws.checks.smoke_test https://…`.

`make deploy` runs it at its end. It only reads pages, and changes nothing.
"""

import html
import re
import socket
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urljoin

from infra.aws.aws_errors import at_once
from infra.aws.checks.preflight import SHOP_FILE

DEADLINE_SECONDS = 60.0  # API Gateway and CloudFront need a while after they report to be ready
PAUSE_SECONDS = 2.0
ANSWER_SECONDS = 35.0  # API Gateway gives up after 29
A_YEAR = "max-age=31536000"
UNKNOWN_NAME = "this domain doesn't resolve. Point its DNS record to DomainTarget and deploy again."
_STATIC = re.compile(r'(?:href|src)="([^"]*/static/[^"]+\.(?:css|js))"')


class Wrong(Exception):
    """Raised if a response was wrong."""


@dataclass(frozen=True)
class Outcome:
    """The result of testing a shop; true if everything passed."""

    failed: tuple[str, ...] = ()  # the failed tests
    nameless: bool = False  # the shop's name has no DNS entry, which is not an error of its pages

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def pages_fail(self) -> bool:
        """Return whether shoppers see no pages, or wrong ones."""
        return bool(self.failed) and not self.nameless


@dataclass(frozen=True)
class Answer:
    """An HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    text: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirects: a redirect is a response, too."""


_opener = urllib.request.build_opener(_Stay)


def fetch(url: str) -> Answer:
    """Send one request. Raises OSError if nothing answers, HTTPException if the response is invalid."""
    request = urllib.request.Request(url, headers={"User-Agent": "awning-smoke-test"})  # noqa: S310 - of the stack
    try:
        answer = _opener.open(request, timeout=ANSWER_SECONDS)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status or 0, headers, answer.read().decode("utf-8", "replace"))


class Visit:
    """The tests of a shop at one address."""

    def __init__(self, address: str, shop: str) -> None:
        self.address = address.rstrip("/")
        self._shop = html.escape(shop, quote=False)

    def health(self) -> None:
        """The shop answers at all."""
        answer = fetch(f"{self.address}/health")
        _expect(
            answer.status == 200 and answer.text == "ok",
            f"/health returned {answer.status}: {answer.text[:80]!r}",
        )

    def front_page(self) -> None:
        """The front page is the shop's own, as HTML, with its name."""
        self._page("/", 200)

    def style(self) -> None:
        """A static file of a page can be cached for a year."""
        found = _STATIC.search(self._page("/", 200).text)
        _expect(found is not None, "the home page links no stylesheet or script")
        path = html.unescape(found[1]) if found else ""
        answer = fetch(urljoin(self.address, path))
        _expect(answer.status == 200, f"{path} returned {answer.status}")
        kept = answer.headers.get("cache-control", "")
        _expect(A_YEAR in kept, f"{path} has the wrong Cache-Control: {kept or 'none'}")

    def unknown_page(self) -> None:
        """An unknown address is answered by the shop's own page."""
        self._page("/no/such/page-of-the-smoke-test", 404)

    def cart(self) -> None:
        """The cart is empty and never cached."""
        kept = self._page("/cart", 200).headers.get("cache-control", "")
        _expect("no-store" in kept, f"/cart can be cached: Cache-Control is {kept or 'missing'}")

    def checkout(self) -> None:
        """The checkout redirects a visitor with an empty cart there."""
        answer = fetch(f"{self.address}/checkout")
        to = answer.headers.get("location", "")
        _expect(
            answer.status == 303 and to.endswith("/cart"),
            f"/checkout with an empty cart returned {answer.status}, to {to!r}",
        )

    def staff(self) -> None:
        """The staff pages ask for a login."""
        answer = fetch(f"{self.address}/staff/")
        to = answer.headers.get("location", "")
        _expect(
            answer.status in (302, 303) and "/staff/login" in to,
            f"/staff/ returned {answer.status}, to {to!r}",
        )

    def _page(self, path: str, status: int) -> Answer:
        answer = fetch(self.address + path)
        _expect(answer.status == status, f"{path} returned {answer.status} instead of {status}")
        kind = answer.headers.get("content-type", "")
        _expect(kind.startswith("text/html"), f"{path} has the content type {kind or 'none'}, not HTML")
        _expect(self._shop in answer.text, f"{path} is not a page of this shop")
        return answer


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def tries(address: str, shop: str) -> list[tuple[str, Callable[[], None]]]:
    """List the tests, each with its name."""
    visit = Visit(address, shop)
    return [
        ("health check", visit.health),
        ("home page", visit.front_page),
        ("stylesheet, cached for a year", visit.style),
        ("the shop's own 404 page", visit.unknown_page),
        ("cart, never cached", visit.cart),
        ("checkout", visit.checkout),
        ("staff login", visit.staff),
    ]


def smoke(address: str, echo: Callable[[str], None], seconds: float = DEADLINE_SECONDS) -> Outcome:
    """Run all tests, repeatedly until their common deadline; report each; return the result."""
    shop = tomllib.loads(SHOP_FILE.read_text(encoding="utf-8"))["name"]
    deadline = time.monotonic() + seconds
    # All are run, even if one failed, so that the operator sees every failure.
    faults = {name: _fault(name, attempt, deadline, echo) for name, attempt in tries(address, shop)}
    failed = tuple(name for name, fault in faults.items() if fault)
    return Outcome(failed, UNKNOWN_NAME in faults.values())


def answers(address: str) -> bool:
    """Return whether a shop's pages are correct now."""
    return not smoke(address, lambda _: None, seconds=0).pages_fail


def _fault(name: str, attempt: Callable[[], None], deadline: float, echo: Callable[[str], None]) -> str:
    """Repeat a test until the deadline, and report it; return why it failed, "" if it passed."""
    while True:
        since = time.monotonic()
        try:
            attempt()
        except (Wrong, OSError, HTTPException) as error:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                echo(f"  FAILED  {name}: {(why := _why(error))}")
                return why
            time.sleep(PAUSE_SECONDS)
        else:
            echo(f"  ok  {(time.monotonic() - since) * 1000:6.0f} ms  {name}")
            return ""


def _why(error: Exception) -> str:
    if isinstance(getattr(error, "reason", None), socket.gaierror):
        return UNKNOWN_NAME
    return str(error) or type(error).__name__


def main(arguments: list[str]) -> int:
    """Test the shop at the given address; return the process's exit status."""
    if len(arguments) != 1 or not arguments[0].startswith(("https://", "http://")):
        print("Name one address, such as https://shop.example.", file=sys.stderr)
        return 2
    return 0 if smoke(arguments[0], at_once) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
