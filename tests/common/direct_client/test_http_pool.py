"""Connections to DynamoDB: whom they trust, how long they are kept, and what their failures are called."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore import exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib import clock
from chalicelib.database.direct.endpoint import Endpoint
from chalicelib.database.direct.http_pool import MAX_IDLE_SECONDS, HttpPool

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CLOSING = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
Serve = Callable[[socket.socket], None]


class Server:
    """Listens on a port; each connection is served by a thread of its own."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None) -> None:
        self._serve, self._tls = serve, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._run(lambda one=connection: self._answer(one))  # type: ignore[misc]  # each has its own

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is None:
                self._serve(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._serve(secured)

    def close(self) -> None:
        """Stop listening, and wait for whoever is served."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


def answering(answer: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        while connection.recv(65_536):
            connection.sendall(answer)

    return serve


def hanging(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.recv(65_536)  # until the other side gives up


@contextmanager
def served(
    serve: Serve, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", ca: str = ""
) -> Iterator[tuple[HttpPool, Server]]:
    """Yield a pool whose endpoint serves so, and the server."""
    server = Server(serve, tls)
    scheme = "https" if tls else "http"
    endpoint = Endpoint(
        f"{scheme}://{host}:{server.port}", host, server.port, tls is not None, "us-east-1", ca
    )
    pool = HttpPool(endpoint, 2, 20)
    yield pool, server
    pool.close()
    server.close()


def send(pool: HttpPool, seconds: float = 5) -> bytes:
    return pool.send({"Host": "dynamodb"}, b"{}", seconds).body


# -- keeping ----------------------------------------------------------------------------------------------


def test_a_connection_is_used_again() -> None:
    with served(answering(ANSWER)) as (pool, server):
        assert [send(pool) for _ in range(3)] == [b"{}"] * 3
        assert server.connections == 1


@pytest.mark.parametrize("seconds", [MAX_IDLE_SECONDS + 1, -MAX_IDLE_SECONDS - 1])
def test_after_a_long_pause_by_the_wall_clock_a_new_connection_is_used(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    with served(answering(ANSWER)) as (pool, server):
        send(pool)
        now = clock.system_time
        monkeypatch.setattr(clock, "system_time", lambda: now() + seconds)
        send(pool)
        assert server.connections == 2


def test_after_a_long_pause_by_the_monotonic_clock_a_new_connection_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(answering(ANSWER)) as (pool, server):
        send(pool)
        tick = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: tick() + MAX_IDLE_SECONDS + 1)
        send(pool)
        assert server.connections == 2


@pytest.mark.parametrize("late", [b"", ANSWER], ids=["closed", "spoken on"])
def test_a_connection_that_the_server_has_closed_or_spoken_on_is_not_used(late: bytes) -> None:
    was_answered, has_spoken = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(ANSWER)
        if not has_spoken.is_set():
            assert was_answered.wait(5)
            connection.sendall(late) if late else connection.shutdown(socket.SHUT_WR)
            has_spoken.set()
        connection.recv(65_536)

    with served(serve) as (pool, server):
        send(pool)
        was_answered.set()
        assert has_spoken.wait(5)
        assert send(pool) == b"{}"
        assert server.connections == 2


def test_a_connection_that_the_server_does_not_keep_is_not_kept() -> None:
    with served(answering(CLOSING)) as (pool, server):
        assert [send(pool) for _ in range(2)] == [b"{}"] * 2
        assert server.connections == 2


def test_threads_have_connections_of_their_own() -> None:
    both = threading.Barrier(2, timeout=5)

    def serve(connection: socket.socket) -> None:
        while connection.recv(65_536):
            both.wait()
            connection.sendall(ANSWER)

    with served(serve) as (pool, server):
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(send(pool))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert found == [b"{}"] * 2
        assert server.connections == 2


# -- failing ----------------------------------------------------------------------------------------------


def test_failures_have_botocores_names() -> None:
    with served(answering(ANSWER)) as (pool, _):
        pass
    with pytest.raises(exceptions.EndpointConnectionError):
        send(pool)
    with served(hanging) as (pool, _), pytest.raises(exceptions.ReadTimeoutError):
        send(pool, 0.05)
    for answer in (b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0\r\n\r\n", ANSWER + b"{}"):

        def serve(connection: socket.socket, answer: bytes = answer) -> None:
            connection.recv(65_536)
            connection.sendall(answer)

        with served(serve) as (pool, _), pytest.raises(exceptions.ConnectionClosedError):
            send(pool)


def test_a_host_that_does_not_answer_is_a_timeout_of_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", wait)
    pool = HttpPool(Endpoint("http://10.255.255.1", "10.255.255.1", 80, False, "us-east-1", ""), 2, 20)
    with pytest.raises(exceptions.ConnectTimeoutError):
        send(pool)


def test_after_a_failure_no_other_call_reads_its_late_answer() -> None:
    may_answer = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        may_answer.wait(5)
        connection.sendall(ANSWER)

    with served(serve) as (pool, server):
        with pytest.raises(exceptions.ReadTimeoutError):
            send(pool, 0.05)
        may_answer.set()
        assert send(pool) == b"{}"
        assert server.connections == 2


def test_no_header_can_smuggle_another() -> None:
    with served(answering(ANSWER)) as (pool, server):
        with pytest.raises(exceptions.HTTPClientError):
            pool.send({"Host": "a\r\nX-Amz-Target: other"}, b"{}", 5)
        assert server.connections == 0


# -- trusting ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for localhost that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


@pytest.mark.parametrize(
    ("host", "trusts", "works"),
    [("localhost", True, True), ("127.0.0.1", True, False), ("localhost", False, False)],
    ids=["trusted", "another host", "unknown root"],
)
def test_certificates_and_host_names_are_verified(
    certificate: Path, host: str, trusts: bool, works: bool
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with served(answering(ANSWER), tls, host, str(certificate) if trusts else "") as (pool, server):
        if works:
            assert [send(pool), send(pool)] == [b"{}"] * 2
            assert server.connections == 1
        else:
            with pytest.raises(exceptions.SSLError):
                send(pool)
