"""A shopper's connection: requests over HTTP, kept alive, each one timed."""

import http.client
import time
from email.message import Message
from typing import NamedTuple
from urllib.parse import urlsplit

from infra.local.api_gateway import Response

ORIGIN_SECRET = "of-the-proxy-that-there-is-none-of-here"
SECONDS = 60.0  # API Gateway waits for 29: what takes longer is a finding


class Sample(NamedTuple):
    """One answer: to what, with which status, when it came (time.monotonic) and how long it took."""

    what: str
    status: int
    at: float
    seconds: float


class Wire:
    """Takes the place of the gateway in `tests.client.Shopper`: what is asked goes to a real server.

    It comes from `address`, as a proxy that the shop believes tells it: all shoppers are on one machine.
    """

    def __init__(self, url: str, address: str) -> None:
        parts = urlsplit(url)
        self._proxied = {"X-Forwarded-For": f"{address}, 127.0.0.1", "X-Origin-Secret": ORIGIN_SECRET}
        assert parts.hostname
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
        self.samples: list[Sample] = []

    def handle(self, method: str, target: str, headers: Message, body: bytes) -> Response:
        """Send a request and wait for its answer."""
        begun = time.monotonic()
        sent = {name: value for name, value in headers.items() if name != "Host"} | self._proxied
        self._connection.request(method, target, body or None, sent)
        response = self._connection.getresponse()
        answer = Response(response.status, response.getheaders(), response.read())
        now = time.monotonic()
        self.samples.append(Sample(_kind(method, target), answer.status, now, now - begun))
        return answer

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _kind(method: str, target: str) -> str:
    path = target.partition("?")[0]
    known = {
        "POST /cart/lines": "put in cart",
        "GET /checkout": "checkout form",
        "POST /checkout": "place order",
        "GET /payments/paypal/return": "come back, pay",
    }
    first = path.split("/")[1]
    return known.get(f"{method} {path}") or {"products": "product page", "orders": "order page"}.get(
        first, f"{method} /{first}"
    )
