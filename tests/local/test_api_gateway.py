"""The local gateway turns HTTP into API Gateway's events, and back, as API Gateway does."""

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice import Chalice, Response

from infra.local.api_gateway import MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, Gateway, GatewayServer, Routes


def make_app() -> Chalice:
    app = Chalice(app_name="test", configure_logs=False)
    app.log.disabled = True

    def told() -> dict[str, Any]:
        request = app.current_request
        assert request is not None
        event = request.to_original_event()
        raw = request.raw_body
        assert isinstance(raw, bytes)
        return {
            "route": event["requestContext"]["resourcePath"],
            "path": event["requestContext"]["path"],
            "parameters": event["pathParameters"],
            "query": event["multiValueQueryStringParameters"],
            "headers": event["headers"],
            "several": event["multiValueHeaders"],
            "body": event["body"],
            "base64": event["isBase64Encoded"],
            "raw": list(raw),
        }

    @app.route("/")
    def home() -> dict[str, Any]:
        return told()

    @app.route("/products/{slug}")
    def product(slug: str) -> dict[str, Any]:
        return {**told(), "slug": slug}

    @app.route("/products/new")
    def newest() -> dict[str, Any]:
        return told()

    @app.route("/cart/lines", methods=["POST"], content_types=["*/*"])
    def add() -> dict[str, Any]:
        return told()

    @app.route("/cookies")
    def cookies() -> Response:
        return Response("", headers={"Set-Cookie": ["a=1", "b=2"], "Content-Type": "text/html"})

    @app.route("/picture")
    def picture() -> Response:
        return Response(bytes(range(256)), headers={"Content-Type": "image/png"})

    @app.route("/unchanged")
    def unchanged() -> Response:
        return Response("", headers={"ETag": '"x"'}, status_code=304)

    @app.route("/injected")
    def injected() -> Response:
        return Response("", headers={"X-Bad": ["a\r\nSet-Cookie: evil=1"]})

    @app.route("/long")
    def long() -> Response:
        return Response("long " * 1000, headers={"Content-Type": "text/plain"})

    @app.route("/huge")
    def huge() -> Response:
        return Response("x" * (MAX_RESPONSE_BYTES + 1), headers={"Content-Type": "text/plain"})

    @app.route("/broken")
    def broken() -> Response:
        return Response("", status_code="not a number")  # type: ignore[arg-type]  # what this route is for

    @app.route("/{proxy+}")
    def lost() -> Response:
        return Response({"lost": told()["parameters"]["proxy"]}, status_code=404)

    return app


class Client:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.base = parts.path
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=10)

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        sent = {"Accept": "image/png", **(headers or {})}
        self.connection.request(method, self.base + path, body, sent)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def told(self, method: str, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
        status, _, answer = self(method, path, body, headers)
        assert status == 200, answer
        told: dict[str, Any] = json.loads(answer)
        return told


@contextmanager
def served(prefix: str = "") -> Iterator[Client]:
    with GatewayServer(Gateway(make_app(), prefix)) as server:
        client = Client(server.url)
        try:
            yield client
        finally:
            client.connection.close()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with served() as client:
        yield client


@pytest.fixture(scope="module")
def staged() -> Iterator[Client]:
    with served("/api") as client:
        yield client


def test_a_literal_route_wins_over_a_parameter(client: Client) -> None:
    assert client.told("GET", "/products/new")["route"] == "/products/new"
    told = client.told("GET", "/products/green%20tea")
    assert (told["route"], told["slug"]) == ("/products/{slug}", "green%20tea")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/no/such/page"),
        ("GET", "/products/a/b"),
        ("GET", "/products"),
        ("GET", "/cart/lines"),
        ("PUT", "/"),
        ("OPTIONS", "/products/tea"),
        ("DELETE", "/no/such/page"),
    ],
)
def test_a_request_without_a_route_goes_to_the_catch_all(client: Client, method: str, path: str) -> None:
    status, _, body = client(method, path)

    assert status == 404
    assert json.loads(body) == {"lost": path.removeprefix("/")}


def test_without_a_catch_all_the_unknown_is_refused_as_api_gateway_does() -> None:
    app = Chalice(app_name="test", configure_logs=False)
    with GatewayServer(Gateway(app)) as server:
        client = Client(server.url)
        assert client("GET", "/")[0::2] == (403, b'{"message": "Missing Authentication Token"}')
        client.connection.close()


def test_a_trailing_slash_makes_no_difference(client: Client) -> None:
    assert client.told("GET", "/products/tea/")["slug"] == "tea"


def test_a_stage_stands_in_the_path_but_not_in_the_route(staged: Client) -> None:
    told = staged.told("GET", "/products/tea?size=L")
    assert (told["route"], told["path"]) == ("/products/{slug}", "/api/products/tea")
    for home in ("", "/", "?x=1"):
        assert staged.told("GET", home)["route"] == "/"
    assert staged("GET", "/no/page")[0] == 404


@pytest.mark.parametrize("outside", ["/", "/products/tea", "/apis", "/apiproducts/tea"])
def test_outside_of_the_stage_there_is_nothing(staged: Client, outside: str) -> None:
    staged.connection.request("GET", outside)
    answer = staged.connection.getresponse()

    assert (answer.status, answer.read()) == (403, b'{"message": "Forbidden"}')


def test_query_parameters_may_repeat_be_empty_and_be_no_utf8(client: Client) -> None:
    told = client.told("GET", "/?a=1&a=2&empty=&t=gr%C3%BCn+tee&junk=%ff")

    assert told["query"] == {"a": ["1", "2"], "empty": [""], "t": ["grün tee"], "junk": ["�"]}
    assert client.told("GET", "/")["query"] is None


def test_headers_arrive_under_any_case_and_repeated(client: Client) -> None:
    client.connection.putrequest("GET", "/")
    for value in ("one", "two"):
        client.connection.putheader("X-Thing", value)
    client.connection.putheader("cookie", "a=1; b=2")
    client.connection.endheaders()
    told = json.loads(client.connection.getresponse().read())

    assert told["headers"]["X-Thing"] == "two"
    assert told["several"]["X-Thing"] == ["one", "two"]
    assert told["headers"]["cookie"] == "a=1; b=2"


def test_a_form_arrives_as_text(client: Client) -> None:
    form = "name=Zo%C3%AB&x=grün".encode()
    told = client.told("POST", "/cart/lines", form, **{"Content-Type": "application/x-www-form-urlencoded"})

    assert (told["body"], told["base64"]) == (form.decode(), False)
    assert bytes(told["raw"]) == form


def test_a_binary_body_arrives_whole(client: Client) -> None:
    body = bytes(range(256))
    told = client.told("POST", "/cart/lines", body, **{"Content-Type": "image/png; x=y"})

    assert told["base64"] is True
    assert bytes(told["raw"]) == body


def test_several_cookies_are_several_headers(client: Client) -> None:
    status, headers, body = client("GET", "/cookies")

    assert (status, body) == (200, b"")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert headers.get_all("Content-Type") == ["text/html"]


def test_a_picture_is_sent_as_bytes(client: Client) -> None:
    assert client("GET", "/picture")[2] == bytes(range(256))


def test_head_is_get_without_the_body(client: Client) -> None:
    _, whole, body = client("GET", "/picture")
    status, headers, nothing = client("HEAD", "/picture")

    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == whole["Content-Length"] == str(len(body))


def test_not_modified_has_no_body_and_the_connection_goes_on(client: Client) -> None:
    status, headers, body = client("GET", "/unchanged")

    assert (status, body, headers["ETag"], headers["Content-Length"]) == (304, b"", '"x"', None)
    assert client("GET", "/")[0] == 200


@pytest.mark.parametrize("path", ["/injected", "/huge", "/broken"])
def test_an_answer_that_api_gateway_would_not_take_is_a_502(client: Client, path: str) -> None:
    status, headers, body = client("GET", path)

    assert (status, body) == (502, b'{"message": "Internal server error"}')
    assert headers["Set-Cookie"] is None
    assert client("GET", "/")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 10485761", 413),
        ("Content-Length: -1", 400),
        ("Content-Length: many", 400),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_of_unknown_or_too_great_length_is_refused_unread(
    client: Client, headers: str, status: int
) -> None:
    assert MAX_REQUEST_BYTES == 10485760
    with socket.create_connection((client.connection.host, client.connection.port), timeout=10) as raw:
        raw.sendall(f"POST /cart/lines HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        answer = b""
        while piece := raw.recv(4096):
            answer += piece
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_stop_waits_for_the_request_under_way() -> None:
    app = Chalice(app_name="test", configure_logs=False)
    entered, leave = threading.Event(), threading.Event()

    @app.route("/slow")
    def slow() -> str:
        entered.set()
        leave.wait(10)
        return "done"

    server = GatewayServer(Gateway(app)).__enter__()
    client = Client(server.url)
    client.connection.request("GET", "/slow")
    assert entered.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    leave.set()
    assert client.connection.getresponse().read() == b"done"
    stopping.join(10)
    assert not stopping.is_alive()
    client.connection.close()


def test_threads_do_not_see_each_others_requests(client: Client) -> None:
    seen: list[tuple[str, str]] = []

    def ask(slug: str) -> None:
        own = Client(f"http://{client.connection.host}:{client.connection.port}")
        seen.extend((slug, own.told("GET", f"/products/{slug}")["slug"]) for _ in range(20))
        own.connection.close()

    threads = [threading.Thread(target=ask, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 120
    assert all(asked == answered for asked, answered in seen)


def test_routes_prefer_the_specific() -> None:
    routes = Routes(["/{proxy+}", "/{a}", "/a/{b}", "/a/b", "/a/{rest+}", "/"])
    wanted = {
        "/": "/",
        "/a": "/{a}",
        "/a/b": "/a/b",
        "/a/c": "/a/{b}",
        "/a/b/c": "/a/{rest+}",
        "/b/c": "/{proxy+}",
    }

    assert {path: routes.match_route(path).route for path in wanted} == wanted
    assert routes.match_route("/a/b/c").captured == {"rest": "b/c"}


def test_a_request_is_logged_without_its_query() -> None:
    told: list[str] = []
    with GatewayServer(Gateway(make_app()), say=told.append) as server:
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=5)
        connection.request("GET", "/?token=secret")
        assert connection.getresponse().read()
        connection.close()
    (line,) = told
    assert line.startswith("GET / 200 ")


def test_long_responses_are_compressed_if_the_client_accepts_it(client: Client) -> None:
    _, headers, body = client("GET", "/long", headers={"Accept-Encoding": "br, gzip"})
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(body) == b"long " * 1000
    _, headers, body = client("GET", "/long", headers={"Accept-Encoding": "identity"})
    assert (headers["Content-Encoding"], body) == (None, b"long " * 1000)
    assert client("GET", "/unchanged", headers={"Accept-Encoding": "gzip"})[1]["Content-Encoding"] is None
