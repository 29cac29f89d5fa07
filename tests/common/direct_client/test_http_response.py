"""What is read of HTTP: an answer as DynamoDB gives it, however it is cut into packets, and nothing else."""

import http.client
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from chalicelib.database.direct.http_response import MAX_HEAD_BYTES, ProtocolError, read_response

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
ANSWER = HEAD + b"x-amz-crc32: 2745614147\r\n\r\n{}"


class Packets:
    """A connection on which these packets come, then its end."""

    def __init__(self, *packets: bytes) -> None:
        self._packets = [packet for packet in packets if packet]

    def receive(self, most: int) -> bytes:
        if not self._packets:
            return b""
        first = self._packets.pop(0)
        if len(first) > most:
            self._packets.insert(0, first[most:])
        return first[:most]


class _Socket(io.BytesIO):
    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self.getvalue())


@rules(deadline=None)
@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.dictionaries(st.from_regex(r"x-[a-z]{1,9}", fullmatch=True), st.text("abc 019:=,;", max_size=20)),
    st.binary(max_size=200),
    st.lists(st.integers(0, 500), max_size=6),
)
def test_an_answer_reads_as_the_standard_library_reads_it(
    status: int, headers: dict[str, str], body: bytes, cuts: list[int]
) -> None:
    lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
    data = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    packets = [data[begin:end] for begin, end in pairwise(marks)]
    read = read_response(Packets(*packets).receive)

    theirs = http.client.HTTPResponse(_Socket(data))  # type: ignore[arg-type]  # as much of a socket as it needs
    theirs.begin()
    assert (read.status, read.body) == (theirs.status, theirs.read())
    assert read.headers == {name.lower(): value.strip() for name, value in theirs.headers.items()}
    assert read.keeps_connection


@rules(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_else_comes_is_refused(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_response(Packets(noise).receive)


@rules(deadline=None)
@given(st.integers(0, len(ANSWER) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_an_answer_that_was_changed_is_read_or_refused_and_never_waited_for(
    at: int, put: bytes, cut: int
) -> None:
    data = ANSWER[:at] + put + ANSWER[at + cut :]
    try:
        read = read_response(Packets(data).receive)
    except ProtocolError:
        return
    assert len(read.body) == int(read.headers["content-length"])
    assert read.status in range(200, 600)


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_an_answer_that_ends_early_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError):
        read_response(Packets(ANSWER[:length]).receive)


@pytest.mark.parametrize(
    "data",
    [
        ANSWER + b"{}",  # who knows whose
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"2\r\n", b"+2\r\n") + b"\r\n{}",
        HEAD.replace(b"2\r\n", b"1_0\r\n") + b"\r\n0123456789",
        HEAD.replace(b"2\r\n", b"999999999\r\n") + b"\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Encoding: gzip\r\n\r\n{}",
        HEAD + b" folded\r\n\r\n{}",
        HEAD + b"no colon\r\n\r\n{}",
        HEAD + b"space : x\r\n\r\n{}",
        HEAD + b"nul: \x00\r\n\r\n{}",
        HEAD + b"bare: a\nb\r\n\r\n{}",
        HEAD.replace(b"HTTP/1.1", b"HTTP/2") + b"\r\n{}",
        HEAD.replace(b"200", b"100") + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * MAX_HEAD_BYTES,
    ],
)
def test_a_response_that_dynamodb_never_sends_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_response(Packets(data).receive)


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (ANSWER, True),
        (HEAD + b"Connection: Close\r\n\r\n{}", False),
        (HEAD.replace(b"1.1", b"1.0") + b"\r\n{}", False),
    ],
)
def test_a_connection_is_kept_where_the_server_keeps_it(data: bytes, keeps: bool) -> None:
    assert read_response(Packets(data).receive).keeps_connection is keeps
