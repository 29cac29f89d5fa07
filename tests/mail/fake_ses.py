"""A post office between the shop and SES: it hands on what is sent, remembers it, and can lose answers."""

import json
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
BROKEN_JSON = {"half": b'{"MessageI', "empty": b"{}"}


class PostOffice:
    """What SES was asked and what it took, as the JSON of its requests; `trouble` says how the next calls go.

    Troubles: "cut before" and "cut after" SES took the mail, "silent after" (no answer until the test ends), "page 200"
    (a web page with that status instead of SES's answer, after SES took it), "half" and "empty" (JSON that is not whole,
    or holds nothing), or a status and code such as "500 InternalFailure", answered after SES took it, or "429 TooManyRequestsException",
    answered instead; after the code there may be the words, as in "400 BadRequestException: Missing final '@domain'".
    """

    def __init__(self, ses: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.trouble: deque[str] = deque()
        self.meanwhile: Callable[[], None] | None = None
        self._ended = threading.Event()
        self._server = _Server((HOST, 0), self, ses)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return the address that SES is expected at."""
        return f"http://{HOST}:{self._server.server_port}"

    def wait_for_the_end(self) -> None:
        """Answer nothing as long as the test runs."""
        self._ended.wait(30)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], office: PostOffice, ses: str) -> None:
        self.office = office
        self.ses = ses
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        office = self.server.office
        body = self.rfile.read(int(self.headers["Content-Length"]))
        office.asked.append(json.loads(body))
        if office.meanwhile:
            office.meanwhile()
        trouble = office.trouble.popleft() if office.trouble else ""
        code, _, words = trouble.partition(" ")[2].partition(": ")
        if trouble == "cut before":
            self.close_connection = True
            return
        if trouble.startswith("4"):
            self._answer(int(trouble[:3]), _error(code, words), code)
            return
        status, answer, kind = self._hand_on(body)
        if status == 200:
            office.taken.append(json.loads(body))
        if trouble == "cut after":
            self.close_connection = True
        elif trouble == "silent after":
            office.wait_for_the_end()
            self.close_connection = True
        elif trouble.startswith("page "):
            self._answer(int(trouble.removeprefix("page ")), b"<html>One moment, please", "", "text/html")
        elif trouble in BROKEN_JSON:
            self._answer(200, BROKEN_JSON[trouble], "")
        elif trouble:
            self._answer(int(trouble[:3]), _error(code, words), code)
        else:
            self._answer(status, answer, kind)

    def _hand_on(self, body: bytes) -> tuple[int, bytes, str]:
        request = urllib.request.Request(self.server.ses + self.path, body, dict(self.headers))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers.get("x-amzn-errortype", "")

    def _answer(self, status: int, body: bytes, kind: str, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("x-amzn-errortype", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Log nothing."""


def _error(code: str, words: str) -> bytes:
    return json.dumps({"message": words or "test@example.org is not liked", "name": code}).encode()
