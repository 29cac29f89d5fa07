"""The smoke test: what it tries on a shop that works, and on those that do not."""

import socket
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from infra.aws.checks import smoke_test
from tests.shop import Shop

Say = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_test, "PAUSE_SECONDS", 0.02)


@contextmanager
def serving(say: Say) -> Iterator[str]:
    """Serve answers of one's own to every GET; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            say(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def answer(handler: BaseHTTPRequestHandler, status: int, body: str, kind: str = "text/html") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body.encode())))
    handler.end_headers()
    handler.wfile.write(body.encode())


def test_a_shop_that_works_passes_everything(standing_shop: Shop, served: str) -> None:
    said: list[str] = []
    assert smoke_test.smoke(served, said.append, seconds=5)
    assert len(said) == len(smoke_test.tries(served, "")) == 7
    assert all(line.startswith("  ok ") for line in said)


def test_a_slow_start_is_waited_for() -> None:
    asked: list[str] = []

    def settling(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        answer(handler, 200 if len(asked) > 3 else 500, "ok", "text/plain")

    with serving(settling) as address:
        said: list[str] = []
        healthy = smoke_test.Visit(address, "").health
        assert smoke_test._fault("it answers", healthy, time.monotonic() + 5, said.append) == ""
    assert (len(asked), len(said)) == (4, 1)


def test_what_is_wrong_is_named_and_the_rest_is_tried_nevertheless() -> None:
    with serving(
        lambda handler: answer(handler, 403, '{"message": "Forbidden"}', "application/json")
    ) as address:
        said: list[str] = []
        assert not smoke_test.smoke(address, said.append, seconds=0)
    assert len(said) == 7
    assert said[1] == "  FAILED  home page: / returned 403 instead of 200"


@pytest.mark.parametrize(
    ("attempt", "status", "body", "wrong"),
    [
        ("front_page", 200, "<h1>Welcome to nginx</h1>", "is not a page of this shop"),
        ("unknown_page", 200, "<h1>Shop</h1>", "returned 200 instead of 404"),
        ("cart", 200, "<h1>Shop</h1>", "/cart can be cached: Cache-Control is missing"),
        ("checkout", 200, "<h1>Shop</h1>", "with an empty cart returned 200"),
        ("staff", 200, "<h1>Shop</h1>", "/staff/ returned 200"),
        ("style", 200, "<h1>Shop</h1>", "links no stylesheet or script"),
        ("style", 200, '<h1>Shop</h1><link href="/static/a.css">', "has the wrong Cache-Control: none"),
    ],
)
def test_each_try_fails_where_it_should(attempt: str, status: int, body: str, wrong: str) -> None:
    with (
        serving(lambda handler: answer(handler, status, body)) as address,
        pytest.raises(smoke_test.Wrong, match=wrong),
    ):
        getattr(smoke_test.Visit(address, "Shop"), attempt)()


def test_a_name_without_a_record_says_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(*_: object, **__: object) -> None:
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(smoke_test._opener, "open", nobody_knows)
    said: list[str] = []
    assert not smoke_test.smoke("https://shop.example", said.append, seconds=0)
    assert all("Point its DNS record to DomainTarget and deploy again." in line for line in said)


def test_only_pages_that_fail_are_a_reason_to_go_back() -> None:
    assert smoke_test.Outcome(failed=("home page",)).pages_fail
    assert not smoke_test.Outcome(failed=("home page",), nameless=True).pages_fail
    assert not smoke_test.Outcome().pages_fail
    with serving(lambda handler: answer(handler, 500, "broken")) as address:
        assert not smoke_test.answers(address)


def test_an_answer_that_breaks_off_is_a_failure_and_no_traceback() -> None:
    def breaks_off(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with serving(breaks_off) as address:
        said: list[str] = []
        assert not smoke_test.smoke(address, said.append, seconds=0)
    assert len(said) == 7


def test_an_address_where_nobody_is_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke_test, "PAUSE_SECONDS", 1000)
    assert smoke_test.main(["http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().out.count("FAILED") == 7
    assert smoke_test.main(["shop.example"]) == 2
