"""One fake PayPal for all tests here, forgetful between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.local.fake_paypal import FakePayPal
from tests.fake_paypal.shop import Shop


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePayPal]:
    """Run a fake PayPal."""
    with FakePayPal(tmp_path_factory.mktemp("paypal")) as paypal:
        yield paypal


@pytest.fixture
def paypal(running: FakePayPal) -> FakePayPal:
    """Return a fake PayPal that knows nothing yet and delivers on demand."""
    running.reset()
    running.control.automatic(False)
    running.control.set_webhook(None)
    return running


@pytest.fixture
def shop(paypal: FakePayPal) -> Shop:
    """Return a client with a token."""
    return Shop(paypal)


class Receiver:
    """A shop's webhook: what it got, and what it answers next (then 200)."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.news = threading.Event()
        self.url = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen for notifications."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.got.append((dict(self.headers), body))
            self.send_response(received.answers.pop(0) if received.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            received.news.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/paypal"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield received
        server.shutdown()
        thread.join()
