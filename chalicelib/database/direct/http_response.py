"""Read an HTTP/1.1 response as DynamoDB sends it: status, headers, and a body with a Content-Length. Nothing else."""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 32 * 2**20  # twice the most that BatchGetItem answers
CHUNK_BYTES = 65_536
_STATUS = re.compile(r"HTTP/1\.([01]) ([2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)


class ProtocolError(Exception):
    """Raised when the connection ended early, or the response is not one that DynamoDB sends."""


class HttpResponse(NamedTuple):
    """A response. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    keeps_connection: bool


def read_response(receive: Callable[[int], bytes]) -> HttpResponse:
    """Read a response with `receive(max_bytes)`, which returns b"" at the end. Raises ProtocolError, and its errors."""
    data = receive(CHUNK_BYTES)
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise ProtocolError("the headers are too long")
        data += _received(receive, CHUNK_BYTES)
    status, headers, keeps_connection = _read_head(data[:end].decode("latin-1"))
    length = _body_length(headers)
    parts, missing = [data[end + 4 :]], length - (len(data) - end - 4)
    while missing > 0:
        parts.append(_received(receive, min(missing, CHUNK_BYTES)))
        missing -= len(parts[-1])
    if missing < 0:
        raise ProtocolError("the response is longer than its Content-Length")
    return HttpResponse(status, headers, b"".join(parts), keeps_connection)


def _received(receive: Callable[[int], bytes], most: int) -> bytes:
    data = receive(most)
    if not data:
        raise ProtocolError("the connection ended within an answer")
    return data


def _read_head(head: str) -> tuple[int, dict[str, str], bool]:
    first, *lines = head.split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise ProtocolError("the status line is malformed")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ProtocolError("a header is malformed")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    keeps_connection = status[1] == "1" and "close" not in headers.get("connection", "").lower()
    return int(status[2]), headers, keeps_connection


def _body_length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers or headers.get("content-encoding", "identity") != "identity":
        raise ProtocolError("the body is encoded")
    length = headers.get("content-length", "")
    if not _LENGTH.fullmatch(length) or int(length) > MAX_BODY_BYTES:
        raise ProtocolError("the length of the body is missing, malformed or too large")
    return int(length)
