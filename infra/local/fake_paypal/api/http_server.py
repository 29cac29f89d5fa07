"""The HTTP server: sockets, keep-alive, the list of requests, and faults that really cut and hang connections."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import socketserver
import struct
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.fake_paypal.api.api_errors import ApiError, new_debug_id
from infra.local.fake_paypal.api.http_types import Request, Response, Route, json_response
from infra.local.fake_paypal.faults import Fault, Faults
from infra.local.fake_paypal.store import Clock, Document, Store

_LOG = logging.getLogger(__name__)
_HANG = 60.0
_SLOW = 2.0
_MAX_BODY_BYTES = 1 << 20
# They store a refusal for the next call with the same request ID, or word it differently.
_REFUSES_ITSELF = {"create", "capture", "refund", "token"}


class Dispatcher:
    """Passes a request to its route, in one transaction, through the faults, and records it."""

    def __init__(self, routes: list[Route], store: Store, clock: Clock, faults: Faults) -> None:
        self._routes = routes
        self._store = store
        self._clock = clock
        self._faults = faults
        self.requests: deque[Document] = deque(maxlen=5000)

    def handle(self, request: Request, wire: Wire) -> None:
        """Answer one request on its wire."""
        route, arguments = self._find(request)
        operation = route.operation if route else ""
        fault = self._faults.take(operation, request.target, _text(request)) if operation else None
        if fault is not None and not fault.works_first:
            self._note(request, operation, None, fault)
            _fail_before(fault, wire)
            return
        if fault is not None and fault.refusal is not None:
            request = dataclasses.replace(request, refusal=fault.refusal)
        answer = self._answer(request, route, arguments)
        if operation:
            self._note(request, operation, answer, fault)
        if fault is None or fault.refusal is not None:
            wire.send(answer)
        else:
            _fail_after(fault, answer, wire)

    def _find(self, request: Request) -> tuple[Route | None, tuple[str, ...]]:
        for route in self._routes:
            found = route.pattern.fullmatch(request.path)
            if found and route.method == request.method:
                return route, found.groups()
        return None, ()

    def _answer(self, request: Request, route: Route | None, arguments: tuple[str, ...]) -> Response:
        if route is None:
            return _error_response(ApiError(404))
        if not route.operation:
            return route.handler(request, *arguments)
        try:
            if request.refusal is not None and route.operation not in _REFUSES_ITSELF:
                raise request.refusal
            with self._store.transaction():
                return route.handler(request, *arguments)
        except ApiError as problem:
            return _error_response(problem)

    def _note(self, request: Request, operation: str, answer: Response | None, fault: Fault | None) -> None:
        status = fault.kind if fault else answer.status if answer else None
        _LOG.info("%s %s -> %s", request.method, request.target, status)
        self.requests.append(
            {
                "time": self._clock.iso(),
                "operation": operation,
                "method": request.method,
                "path": request.target,
                "request_id": request.headers.get("paypal-request-id"),
                "prefer": request.headers.get("prefer"),
                "body": _text(request),
                "status": None if answer is None else answer.status,
                "fault": fault.kind if fault else None,
            }
        )


class Wire:
    """The connection to a client, for complete and broken responses."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def send(self, answer: Response, length: int | None = None) -> None:
        """Send a response; `length` declares another body length than the real one."""
        handler = self._handler
        handler.send_response(answer.status)
        for name, text in answer.headers.items():
            handler.send_header(name, text)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body) if length is None else length))
        if handler.close_connection:
            handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)
        handler.wfile.flush()

    def close(self) -> None:
        """Close the connection after what was sent."""
        self._handler.close_connection = True

    def cut(self) -> None:
        """Reset the connection, as a failing network does."""
        self._handler.close_connection = True
        connection = self._handler.connection
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


class Server(ThreadingHTTPServer):
    """A listening socket; `stop()` also closes open connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handle: Callable[[Request, Wire], None]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.handle_call = handle
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def server_bind(self) -> None:
        """Bind without looking up this machine's name."""
        socketserver.TCPServer.server_bind(self)

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and close every open connection."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that disconnect half-way are normal here.
        _LOG.debug("connection from %s ended badly", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake-PayPal"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body are sent together
    timeout = 120
    server: Server

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower() or not length.isdecimal():
            self.close_connection = True
            Wire(self).send(_error_response(ApiError(400)))
            return
        if int(length) > _MAX_BODY_BYTES:
            self.close_connection = True
            Wire(self).send(json_response(413, {"name": "REQUEST_TOO_LARGE"}))
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): text for name, text in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        wire = Wire(self)
        try:
            self.server.handle_call(request, wire)
        except OSError:
            self.close_connection = True
        except Exception:  # noqa: BLE001  a bug of ours must show as PayPal's 500, and in the log
            _LOG.exception("%s %s failed", self.command, self.path)
            wire.send(_error_response(ApiError(500)))

    do_GET = do_POST = do_HEAD = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815  the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        _LOG.debug(format, *args)


def _fail_before(fault: Fault, wire: Wire) -> None:
    if fault.status is not None:
        wire.send(_status_answer(fault))
        return
    if fault.kind == "hang":
        fault.wait(_HANG)
    wire.cut()


def _fail_after(fault: Fault, answer: Response, wire: Wire) -> None:
    if fault.status is not None:
        wire.send(_status_answer(fault))
    elif fault.kind == "bad_body":
        answer.body = answer.body[: len(answer.body) // 2] + b'{"'
        wire.send(answer)
    elif fault.kind == "html_body":
        html = b"<!doctype html><title>Sorry</title><p>Things don't appear to be working."
        wire.send(Response(answer.status, html, "text/html"))
    elif fault.kind == "cut_body":
        half = Response(answer.status, answer.body[: len(answer.body) // 2], headers=answer.headers)
        wire.send(half, length=len(answer.body))
        wire.close()
    elif fault.kind == "slow":
        fault.wait(_SLOW)
        wire.send(answer)
    else:
        if fault.kind == "hang_after":
            fault.wait(_HANG)
        wire.cut()


def _status_answer(fault: Fault) -> Response:
    status = fault.status or 500
    answer = _error_response(ApiError(status))
    if status in {429, 503}:
        answer.headers["Retry-After"] = str(int(1 if fault.seconds is None else fault.seconds))
    return answer


def _error_response(problem: ApiError) -> Response:
    debug_id = new_debug_id()
    return json_response(problem.status, problem.body(debug_id), Paypal_Debug_Id=debug_id)


def _text(request: Request) -> str:
    return request.body.decode("utf-8", "replace")
