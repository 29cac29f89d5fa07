"""Bytes that are hardly HTTP, on a real socket: refused or cut, never a hang, never a 5xx, and the next one is served."""

import re
import socket
import time
from collections.abc import Iterator

import pytest

from infra.local.api_gateway import GatewayServer
from tests.shop import Shop

SECONDS = 5.0
POST = b"POST /cart/lines HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
ABSURD = {
    "nothing": b"\r\n\r\n",
    "no request": b"hello\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    "a version of the future": b"GET / HTTP/9.9\r\n\r\n",
    "a very long address": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "a very long header": b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "very many headers": b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 5000 + b"\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a header that is none": b"GET / HTTP/1.1\r\nnothing\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nX: a\r\n b\r\nCookie: x\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nHost: x\n\n",
    "bytes that are no text": b"GET /\xff\xfe\xc0\x8a HTTP/1.1\r\nX: \xff\xfe\r\n\r\n",
    "an address of another host": b"GET http://evil.example/ HTTP/1.1\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": POST + b"Content-Length: 5x\r\n\r\nsku=M",
    "a length in other digits": POST + b"Content-Length: \xd9\xa3\r\n\r\nsku",
    "a length with a sign": POST + b"Content-Length: +3\r\n\r\nsku",
    "a length beyond everything": POST + b"Content-Length: 99999999999999\r\n\r\nsku",
    "a length of five thousand digits": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nsku",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nskuxx",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nsku\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n",
    "chunks of no known kind": POST + b"Transfer-Encoding: xchunked, gzip\r\n\r\nx",
    "less than it promised": POST + b"Content-Length: 50\r\n\r\nsku=MUG",
}  # fmt: skip


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve an app that is there for nothing else."""
    import app
    from infra.local.api_gateway import Gateway

    with GatewayServer(Gateway(app.app)) as server:
        yield int(server.url.rpartition(":")[2])


def said_to(port: int, request: bytes) -> bytes:
    """Send bytes, say that no more come, and read all that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as wire:
        answer = b""
        try:
            wire.sendall(request)
            wire.shutdown(socket.SHUT_WR)
            while piece := wire.recv(65536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # cut: an answer, too
        return answer


@pytest.mark.parametrize("absurd", ABSURD)
def test_absurd_bytes_are_refused_or_cut(
    standing_shop: Shop, port: int, absurd: str, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    answer = said_to(port, ABSURD[absurd])
    assert time.monotonic() - began < SECONDS
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]
    assert all(status < 500 or status in (501, 505) for status in statuses), statuses  # these say: not HTTP/1
    assert len(statuses) <= 1, "a request was smuggled into another"
    assert b"set-cookie: session" not in answer.lower()
    assert "Traceback" not in capfd.readouterr().err
    assert b" 200 " in said_to(port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[:20]
