"""Kept connections: Lambda freezes a process between events, and whoever is asked next may have closed them meanwhile."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib import aws
from chalicelib.mail import sender
from chalicelib.mail.render import Email
from chalicelib.payments.paypal import api_client

TOKEN = {"access_token": "token", "expires_in": 30000}
LETTER = Email(
    sender="shop@example.org",
    to="test@example.org",
    reply_to=None,
    subject="Hello",
    text="Hello",
    html="<p>Hello</p>",
    tags={},
)


@dataclass
class Sleeper:
    """A server that takes a connection once: what comes by it again finds it cut."""

    answer: dict[str, Any]
    url: str = ""
    paths: list[str] = field(default_factory=list)
    cuts: int = 0


@contextmanager
def sleeper(answer: dict[str, Any]) -> Iterator[Sleeper]:
    """Run a server that answers each connection's first request alone, and keeps it open."""
    there = Sleeper(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        served = 0

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            self.served += 1
            if self.served > 1:
                there.cuts += 1
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            there.paths.append(self.path)
            body = json.dumps(there.answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    there.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_mail_is_not_lost_with_the_connection_of_the_mail_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with sleeper({"MessageId": "1"}) as ses:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.url)
        monkeypatch.setattr(aws, "_clients", {})
        for _ in range(3):
            assert sender.send_via_ses(LETTER) == "1"
        aws.client("sesv2").close()
    assert (len(ses.paths), ses.cuts) == (3, 0)


class Ask:
    """A request of PayPal's SDK without a request id: it must not be sent twice."""

    verb, path, body = "POST", "/v1/verify", None

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


def test_what_paypal_may_be_asked_a_single_time_has_a_connection_of_its_own() -> None:
    with sleeper(TOKEN) as paypal:
        client = api_client.Client("id", "secret", paypal.url, paypal.url)
        for _ in range(2):
            assert client.send(Ask(), time.monotonic() + 5) == TOKEN
        client._session.close()
    assert paypal.paths == ["/v1/oauth2/token", "/v1/verify", "/v1/verify"]
    assert paypal.cuts == 0


def test_after_a_pause_paypal_is_asked_by_a_new_connection_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with sleeper(TOKEN) as paypal:
        client = api_client.Client("id", "secret", paypal.url, paypal.url)
        client._valid_token(time.monotonic() + 5)
        client._used -= api_client.KEPT_OPEN_SECONDS + 1
        client.send(api_client.OrdersGetRequest("1"), time.monotonic() + 5)
        client._session.close()
    assert paypal.paths == ["/v1/oauth2/token", "/v2/checkout/orders/1"]
    assert paypal.cuts == 0
