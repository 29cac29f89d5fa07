"""A database that is silent, fails or throttles: pages answer in time, public ones from an older copy."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chalicelib import deadlines
from chalicelib.catalog import categories
from chalicelib.database import connection
from chalicelib.database.connection import Table
from chalicelib.web import middleware
from chalicelib.web.page_cache import BACK_OFF_SECONDS, STALE_SECONDS, cache
from infra.local.processes import HOST
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.shop import Shop

PUBLIC = (
    "/",
    "/?sort=price",
    "/categories/tea",
    "/products/mug",
    "/search?q=tea",
    "/sitemap.xml",
    "/robots.txt",
)
SECONDS = 0.4  # that a page has here, instead of ten
PATIENCE = 4.0  # well below the 5 s of a read that nobody shortens, and above what a busy machine takes
Redirect = Callable[[int], None]


@pytest.fixture
def redirect(monkeypatch: pytest.MonkeyPatch) -> Redirect:
    """Let DynamoDB be what listens on a port: `redirect(port)`."""

    def redirect(port: int) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://{HOST}:{port}")
        monkeypatch.setattr(Table, "_shared", None)
        connection.connect()

    return redirect


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every request little time, so that the tests need not wait."""
    monkeypatch.setattr(middleware, "PAGE_SECONDS", SECONDS)
    monkeypatch.setattr(middleware, "ANSWER_SECONDS", SECONDS)


@contextmanager
def hung() -> Iterator[int]:
    """Listen, accept, and never answer; yield the port."""
    with socket.create_server((HOST, 0), backlog=128) as listener:
        yield listener.getsockname()[1]


@contextmanager
def failing(status: int, error: str) -> Iterator[int]:
    """Answer every call with an error of DynamoDB's; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{error}", "message": "no"}}'.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def forget() -> None:
    cache.clear()
    categories.clear_category_cache()


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_every_page_answers_in_its_time_while_the_database_is_silent(shop: Shop, redirect: Redirect) -> None:
    shopper, _ = shop.placed()
    (order,) = shop.orders()
    forget()
    pages = (*(page for page in PUBLIC if page != "/robots.txt"), "/cart", "/checkout", f"/orders/{order.id}")
    with hung() as port:
        redirect(port)
        shopper.jar["staff"] = "x" * 64
        for page in (*pages, "/staff/login", "/staff"):
            began = time.monotonic()
            assert shopper.get(page).status == 503, page
            assert time.monotonic() - began < PATIENCE, page
        for address, form in (
            ("/cart/lines", {"sku": "MUG", "quantity": "1"}),
            ("/checkout", {"total": "1"}),
            (f"/orders/{order.id}/payment", {}),
            ("/staff/login", {"email": "a@example.com", "password": "long enough"}),
        ):
            began = time.monotonic()
            assert shopper.post(address, form).status == 503, address
            assert time.monotonic() - began < PATIENCE, address


@pytest.mark.usefixtures("hurried")
def test_public_pages_are_sent_from_an_older_copy_while_the_database_is_silent(
    shop: Shop, redirect: Redirect, wait: Callable[[float], None]
) -> None:
    shopper = Shopper(shop.gateway)
    fresh = {page: shopper.get(page) for page in PUBLIC}
    wait(60)
    with hung() as port:
        redirect(port)
        began = time.monotonic()
        for page, answer in fresh.items():
            older = shopper.get(page)
            assert (older.status, older.body) == (200, answer.body), page
            assert shopper.get(page, If_None_Match=answer.headers["etag"]).status == 304
        assert time.monotonic() - began < PATIENCE, "not every page waited for the database"
        assert shopper.get("/products/never-seen").status == 503
        assert shopper.get("/cart").status == 200, "nobody without a cookie waits for the table of carts"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "ThrottlingException"), (500, "InternalServerError"), (503, "ServiceUnavailable")],
)
def test_public_pages_are_sent_from_an_older_copy_while_the_database_fails(
    shop: Shop,
    redirect: Redirect,
    wait: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: str,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore's pauses between attempts
    shopper = Shopper(shop.gateway)
    fresh = {page: shopper.get(page).body for page in PUBLIC}
    wait(60)
    with failing(status, error) as port:
        redirect(port)
        assert {page: shopper.get(page).body for page in PUBLIC} == fresh


def test_after_a_failure_older_copies_are_sent_at_once_for_a_while(
    shop: Shop, wait: Callable[[float], None]
) -> None:
    from tests.dynamodb_faults import silence

    shopper = Shopper(shop.gateway)
    for page in PUBLIC:
        shopper.get(page)
    wait(60)
    with silence(), counted_calls() as calls:
        for page in PUBLIC:
            assert shopper.get(page).status == 200
        once = calls.total()
        assert once > 0
        wait(BACK_OFF_SECONDS - 1)
        shopper.get("/")
        assert calls.total() == once
        wait(2)
        shopper.get("/")
        assert calls.total() > once
    with counted_calls() as calls:
        wait(BACK_OFF_SECONDS + 1)
        shopper.get("/")
        assert calls.total() > 0, "the database is back, and asked again"


def test_a_copy_that_is_too_old_is_not_sent(shop: Shop, wait: Callable[[float], None]) -> None:
    from tests.dynamodb_faults import silence

    shopper = Shopper(shop.gateway)
    shopper.get("/")
    wait(STALE_SECONDS + 1)
    with silence():
        assert shopper.get("/").status == 503


def test_what_is_gone_is_not_brought_back_from_an_older_copy(
    shop: Shop, wait: Callable[[float], None]
) -> None:
    from chalicelib.catalog.models import Product
    from tests.dynamodb_faults import silence

    shopper = Shopper(shop.gateway)
    assert shopper.get("/products/mug").status == 200
    Product.get("mug").update([Product.hidden.set(True)])
    wait(60)
    assert shopper.get("/products/mug").status == 404
    with silence():
        assert shopper.get("/products/mug").status == 503


def test_shared_caches_may_send_an_older_copy_where_the_shop_fails(shop: Shop) -> None:
    for page in PUBLIC:
        kept = Shopper(shop.gateway).get(page).headers["cache-control"]
        assert kept == f"public, max-age=10, stale-if-error={STALE_SECONDS}", page
    assert "stale" not in Shopper(shop.gateway).get("/cart").headers["cache-control"]


def test_event_functions_keep_their_own_time() -> None:
    assert deadlines.remaining() == float("inf")
    with deadlines.answering_within(5):
        assert 0 < deadlines.remaining() <= 5
