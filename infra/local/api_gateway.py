"""A local API Gateway: turns HTTP requests into its events, calls the app, and turns the results into HTTP responses."""

import base64
import fnmatch
import gzip
import json
import logging
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from chalice import Chalice
from chalice.local import LambdaContext, LocalChalice, MatchResult, RouteMatcher

from infra.local.processes import HOST

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 10 * 1024 * 1024
MAX_RESPONSE_BYTES = 6_291_556  # of Lambda's whole response, which is JSON
MAX_RESPONSE_HEADER_BYTES = 10_240
TIMEOUT_MS = 29_000
MEMORY_MB = 1024
IDLE_SECONDS = 75
CATCH_ALL = "/{proxy+}"
COMPRESSED_FROM = 1024  # bytes; the stage's minimum_compression_size
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)  # int() rejects more than 4,300 digits
# Headers of the connection, which the gateway handles itself.
OWN_HEADERS = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


@dataclass(frozen=True)
class Response:
    """A response over HTTP."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def of_gateway(cls, status: int, message: str) -> Self:
        """Return the response of API Gateway itself, if no function was called."""
        body = json.dumps({"message": message}).encode()
        return cls(status, [("Content-Type", "application/json")], body)


class Routes(RouteMatcher):
    """Match like a REST API: literal parts before parameters before `{proxy+}`, which matches many parts."""

    def __init__(self, route_urls: Iterable[str]) -> None:
        super().__init__(list(route_urls))
        self.route_urls.sort(key=_from_the_specific)
        self._patterns = [(route, _pattern(route)) for route in self.route_urls]

    def match_route(self, url: str) -> MatchResult:
        """Return the route of a path and query. Raises ValueError if there is none."""
        path, _, query = url.partition("?")
        if path != "/":
            path = path.removesuffix("/")
        for route, (pattern, names) in self._patterns:
            found = pattern.fullmatch(path)
            if found:
                captured = dict(zip(names, found.groups(), strict=True))
                return MatchResult(route, captured, parse_qs(query, keep_blank_values=True))
        raise ValueError(f"No route matches {path}.")


class Gateway:
    """A REST API with the app behind all its routes, with a stage's path such as `/api`, or without."""

    def __init__(self, app: Chalice, prefix: str = "") -> None:
        self.app = _for_threads(app)
        self.prefix = prefix.rstrip("/")
        self._routes = Routes(app.routes)

    def handle(
        self, method: str, target: str, headers: Message, body: bytes, source: str | None = None
    ) -> Response:
        """Answer one request. Never raises: what the app cannot handle is a 502, as on API Gateway."""
        inner = self._below_prefix(target)
        if inner is None:
            return Response.of_gateway(HTTPStatus.FORBIDDEN, "Forbidden")
        try:
            route, method_called = self._resolve(method, inner)
        except ValueError:
            return Response.of_gateway(HTTPStatus.FORBIDDEN, "Missing Authentication Token")
        event = self._event(method_called, route, target, inner, headers, body)
        event["requestContext"]["identity"]["sourceIp"] = source or HOST
        context = LambdaContext(self.app.app_name, MEMORY_MB, TIMEOUT_MS)
        try:
            return _response_of(self.app(event, context))
        except Exception:
            log.exception("The app did not answer %s %s.", method, route.route)
            return Response.of_gateway(HTTPStatus.BAD_GATEWAY, "Internal server error")

    def _below_prefix(self, target: str) -> str | None:
        if target == self.prefix or target.startswith((f"{self.prefix}/", f"{self.prefix}?")):
            below = target[len(self.prefix) :]
            return below if below.startswith("/") else f"/{below}"
        return None

    def _resolve(self, method: str, target: str) -> tuple[MatchResult, str]:
        route = self._routes.match_route(target)
        served = self.app.routes[route.route]
        if method in served:
            return route, method
        if method == "HEAD" and "GET" in served:
            return route, "GET"
        # API Gateway refuses unknown addresses; the shop's GatewayResponses answer with its page for them, which the
        # catch-all route shows.
        served = self.app.routes.get(CATCH_ALL, {})
        if not served:
            raise ValueError(f"No route takes {method} {target}.")
        path = target.partition("?")[0].removeprefix("/")
        lost = MatchResult(CATCH_ALL, {"proxy": path}, route.query_params)
        return lost, method if method in served else next(iter(served))

    def _event(
        self, method: str, route: MatchResult, target: str, inner: str, headers: Message, body: bytes
    ) -> dict[str, Any]:
        names = {name.lower(): name for name in headers}
        several = {name: headers.get_all(name, []) for name in names.values()}
        query = route.query_params or None
        binary = body and _matches(headers.get("Content-Type", ""), self.app.api.binary_types)
        text = base64.b64encode(body).decode() if binary else body.decode("utf-8", "replace")
        return {
            "resource": route.route,
            "path": unquote(inner.partition("?")[0]),
            "httpMethod": method,
            "headers": {name: values[-1] for name, values in several.items()},
            "multiValueHeaders": several,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
            "multiValueQueryStringParameters": query,
            "pathParameters": route.captured or None,
            "stageVariables": None,
            "requestContext": self._request_context(method, route.route, target, headers),
            "body": text or None,
            "isBase64Encoded": bool(binary),
        }

    def _request_context(self, method: str, route: str, target: str, headers: Message) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get("Host", ""),
            "httpMethod": method,
            "identity": {"userAgent": headers.get("User-Agent")},
            "path": target.partition("?")[0],
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "resourcePath": route,
            "stage": self.prefix.removeprefix("/") or "local",
        }


class GatewayServer:
    """The gateway on a port, in threads of this process."""

    def __init__(
        self,
        gateway: Gateway,
        port: int = 0,
        *,
        fd: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Listen on a port of 127.0.0.1 (0: any free one), or on an inherited listening socket.

        `say` is called with one line per request.
        """
        self._server = _Server(gateway, port, fd, say)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the address of the shop, stage included, without a trailing slash."""
        return f"http://{HOST}:{self._server.server_port}{self._server.gateway.prefix}"

    def stop(self, seconds: float = 10) -> None:
        """Accept no more requests, and wait for those in progress for at most this long."""
        self._server.shutdown()
        self._server.finish(seconds)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, gateway: Gateway, port: int, fd: int | None, say: Callable[[str], None] | None
    ) -> None:
        self.gateway = gateway
        self.say = say
        self._busy = 0
        self._change = threading.Condition()
        super().__init__((HOST, port), _Handler, bind_and_activate=fd is None)
        if fd is not None:
            self.socket.close()
            self.socket = socket.socket(fileno=fd)
            self.server_address = self.socket.getsockname()
            self.server_port = self.server_address[1]

    def begin(self) -> None:
        with self._change:
            self._busy += 1

    def end(self) -> None:
        with self._change:
            self._busy -= 1
            self._change.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an exception, except for clients that have disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def finish(self, seconds: float) -> None:
        with self._change:
            self._change.wait_for(lambda: self._busy == 0, seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "local-gateway"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body are sent together
    timeout = IDLE_SECONDS
    server: _Server

    def _handle(self) -> None:
        self.server.begin()
        try:
            started = time.perf_counter()
            answer = self._answer()
            self._send(answer)
            self._log(answer, (time.perf_counter() - started) * 1000)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            self.server.end()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815 - the standard library's names

    def _answer(self) -> Response:
        if "Transfer-Encoding" in self.headers:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Length Required")
        length = self.headers.get("Content-Length", "0")
        if not _LENGTH.fullmatch(length):
            return self._refuse(HTTPStatus.BAD_REQUEST, "Bad Request")
        if int(length) > MAX_REQUEST_BYTES:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Too Long")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("The client disconnected before sending the whole request.")
        source = str(self.client_address[0])
        answer = self.server.gateway.handle(self.command, self.path, self.headers, body, source)
        return _compressed(answer, self.headers)

    def _refuse(self, status: HTTPStatus, message: str) -> Response:
        # The body was not read, so the next request cannot be found.
        self.close_connection = True
        return Response.of_gateway(status, message)

    def _send(self, answer: Response) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in BODILESS:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in BODILESS:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _log(self, answer: Response, milliseconds: float) -> None:
        if self.server.say:
            # Without the query: it may contain an emailed link's secret, or an address.
            path = self.path.partition("?")[0]
            self.server.say(f"{self.command} {path} {answer.status} {milliseconds:.0f} ms")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Log nothing: `_log` logs each request once."""


def _for_threads(app: Chalice) -> Chalice:
    # As chalice.local does: the app keeps the current request per thread.
    if not isinstance(app, LocalChalice):
        app.__class__ = type("ThreadedChalice", (LocalChalice, app.__class__), {})
    return app


def _from_the_specific(route: str) -> list[tuple[int, str]]:
    return [(_vagueness(part), part) for part in route.split("/")]


def _vagueness(part: str) -> int:
    if not part.startswith("{"):
        return 0
    return 2 if part.endswith("+}") else 1


def _pattern(route: str) -> tuple[re.Pattern[str], list[str]]:
    names: list[str] = []
    parts: list[str] = []
    for part in route.split("/"):
        if _vagueness(part) == 0:
            parts.append(re.escape(part))
            continue
        names.append(part.strip("{+}"))
        parts.append("(.+)" if part.endswith("+}") else "([^/]+)")
    return re.compile("/".join(parts), re.DOTALL), names


def _matches(content_type: str, patterns: Iterable[str]) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return any(fnmatch.fnmatchcase(kind, pattern.lower()) for pattern in patterns)


def _response_of(response: Mapping[str, Any]) -> Response:
    """Return the app's response. Raises ValueError for what API Gateway calls malformed."""
    several: dict[str, list[Any]] = {name: [value] for name, value in (response["headers"] or {}).items()}
    several |= response.get("multiValueHeaders") or {}
    headers = [(name, str(value)) for name, values in several.items() for value in values]
    if any(char in name + value for name, value in headers for char in "\r\n\0"):
        raise ValueError("A header of the app's response contains a line break.")
    body = response["body"] or ""
    size = len(json.dumps(response, default=bytes.hex))
    if size > MAX_RESPONSE_BYTES:
        raise ValueError(f"The app's response has {size} bytes; Lambda allows at most {MAX_RESPONSE_BYTES}.")
    size = sum(len(name) + len(value) for name, value in headers)
    if size > MAX_RESPONSE_HEADER_BYTES:
        raise ValueError(f"The headers have {size} bytes; API Gateway allows {MAX_RESPONSE_HEADER_BYTES}.")
    raw = base64.b64decode(body) if response.get("isBase64Encoded") else _bytes(body)
    kept = [(name, value) for name, value in headers if name.lower() not in OWN_HEADERS]
    if not any(name.lower() == "content-type" for name, _ in kept):
        kept.append(("Content-Type", "application/json"))
    return Response(int(response["statusCode"]), kept, raw)


def _compressed(answer: Response, headers: Message) -> Response:
    """Compress as the stage does, for clients that accept it."""
    if len(answer.body) < COMPRESSED_FROM or "gzip" not in headers.get("Accept-Encoding", ""):
        return answer
    sent = [*answer.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return Response(answer.status, sent, gzip.compress(answer.body, 6, mtime=0))


def _bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()
