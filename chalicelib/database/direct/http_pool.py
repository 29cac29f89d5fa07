"""Connections to DynamoDB: verified, kept open between calls, and never used after a long pause."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from chalicelib import clock
from chalicelib.database.direct.endpoint import Endpoint
from chalicelib.database.direct.http_response import HttpResponse, ProtocolError, read_response

# Lambda freezes a process between events; connections may be cut meanwhile, which only the next request would notice.
MAX_IDLE_SECONDS = 20.0
# Raised before anything was sent, so the request had no effect.
CONNECT_ERRORS = (EndpointConnectionError, ConnectTimeoutError, SSLError)


class HttpPool:
    """A pool of connections to one endpoint. Thread-safe: each request has a connection of its own."""

    def __init__(self, endpoint: Endpoint, connect_seconds: float, max_idle: int) -> None:
        self._endpoint = endpoint
        self._connect_seconds = connect_seconds
        self._max_idle = max_idle
        self._tls = _tls_context(endpoint.ca_bundle) if endpoint.is_https else None
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def send(self, headers: Mapping[str, str], body: bytes, read_seconds: float) -> HttpResponse:
        """POST a body and return the answer. Raises one of CONNECT_ERRORS, ReadTimeoutError or ConnectionClosedError.

        `read_seconds` is the longest pause while sending or receiving.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers):
            raise HTTPClientError(error="a header contains a line break")
        request = f"POST / HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body
        connection = self._take() or self._connect()
        try:
            response = connection.exchange(request, read_seconds)
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=self._endpoint.url, error=error) from error
        except (OSError, ProtocolError) as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=self._endpoint.url, error=error) from error
        except BaseException:  # an abandoned answer must not be read as the next caller's
            connection.close()
            raise
        if response.keeps_connection:
            self._keep(connection)
        else:
            connection.close()
        return response

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> "_Connection | None":
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()

    def _keep(self, connection: "_Connection") -> None:
        with self._lock:
            if len(self._idle) < self._max_idle:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> "_Connection":
        endpoint = self._endpoint
        try:
            plain = socket.create_connection((endpoint.host, endpoint.port), self._connect_seconds)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=endpoint.url, error=error) from error
        except OSError as error:  # refused, unreachable, or no such host
            raise EndpointConnectionError(endpoint_url=endpoint.url, error=error) from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                return _Connection(plain)
            return _Connection(self._tls.wrap_socket(plain, server_hostname=endpoint.host))
        except TimeoutError as error:
            plain.close()
            raise ConnectTimeoutError(endpoint_url=endpoint.url, error=error) from error
        except ssl.SSLError as error:
            plain.close()
            raise SSLError(endpoint_url=endpoint.url, error=error) from error
        except OSError as error:
            plain.close()
            raise EndpointConnectionError(endpoint_url=endpoint.url, error=error) from error


class _Connection:
    """A connection that one thread uses at a time."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._poll = select.poll()
        self._poll.register(opened, select.POLLIN)
        self._used = (0.0, 0.0)

    def exchange(self, request: bytes, read_seconds: float) -> HttpResponse:
        self._socket.settimeout(read_seconds)
        self._socket.sendall(request)
        response = read_response(self._socket.recv)
        self._used = (time.monotonic(), clock.system_time())
        return response

    def is_usable(self) -> bool:
        """Return whether it was used recently, and nothing arrived since: neither its end nor unexpected data.

        The pause of a frozen process shows in one clock or the other.
        """
        monotonic, wall = self._used
        if (
            time.monotonic() - monotonic > MAX_IDLE_SECONDS
            or abs(clock.system_time() - wall) > MAX_IDLE_SECONDS
        ):
            return False
        return not self._poll.poll(0)

    def close(self) -> None:
        self._socket.close()


def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Return a context that verifies certificates and host names, with botocore's root certificates."""
    if not ca_bundle:
        import certifi

        ca_bundle = certifi.where()
    context = ssl.create_default_context(cafile=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
