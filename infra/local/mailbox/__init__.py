"""A mailbox: receives every email by SMTP and shows it in the browser."""

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.local.mailbox.store import Mail, MailStore
from infra.local.processes import HOST, free_port

HERE = Path(__file__).parent
VIEWS = ("html", "text", "headers", "raw")
END_POLL_SECONDS = 0.05
MAX_BYTES = 10 * 1024 * 1024
PAGE_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'"
# An email is untrusted content: no scripts, no forms; its links open in a new tab.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src * data:;"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


class Mailbox:
    """Both servers, in threads of this process: SMTP in, web pages and JSON out."""

    def __init__(self, folder: Path | None = None, smtp_port: int = 0, web_port: int = 0) -> None:
        self._scratch = None if folder else tempfile.TemporaryDirectory(prefix="awning-mailbox-")
        self.store = MailStore(folder or Path(self._scratch.name if self._scratch else ""))
        self._web = _WebServer((HOST, web_port), self.store)
        self._smtp = Controller(
            _Catcher(self.store), hostname=HOST, port=smtp_port or free_port(), data_size_limit=MAX_BYTES
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._web.serve_forever, args=(END_POLL_SECONDS,), daemon=True).start()
        self._smtp.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._smtp.stop()
        self._web.shutdown()
        self._web.server_close()
        if self._scratch:
            self._scratch.cleanup()

    @property
    def url(self) -> str:
        """Return the address of the web page."""
        return f"http://{HOST}:{self._web.server_port}"

    @property
    def smtp(self) -> str:
        """Return host:port of the SMTP server."""
        return f"{HOST}:{self._smtp.port}"

    def messages(self) -> list[Mail]:
        """Return all emails, newest first."""
        return self.store.mails()

    def wait_for(self, wanted: Callable[[Mail], bool], seconds: float = 10) -> Mail:
        """Wait for a matching email and return the newest. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            for mail in self.messages():
                if wanted(mail):
                    return mail
            if time.monotonic() > deadline:
                subjects = [mail.subject for mail in self.messages()]
                raise TimeoutError(f"No such mail within {seconds:g} s; there are {subjects}.")
            time.sleep(0.02)

    def clear(self) -> None:
        """Delete all emails."""
        self.store.clear()


class _Catcher:
    """aiosmtpd's handler, called with each email."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        self._store.add(raw, [str(address) for address in envelope.rcpt_tos])
        return "250 Kept"


class _WebServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], store: MailStore) -> None:
        self.store = store
        self.pages = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
        super().__init__(address, _Handler)


@dataclass(frozen=True)
class _Answer:
    body: bytes
    kind: str = "text/html; charset=utf-8"
    policy: str = PAGE_POLICY
    status: HTTPStatus = HTTPStatus.OK


class _Handler(BaseHTTPRequestHandler):
    """One request. Pages: `/`, `/messages/{id}?view=`; their parts; JSON below `/api/messages`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _WebServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        view = parse_qs(address.query).get("view", [""])[0]
        match address.path.strip("/").split("/"):
            case [""]:
                answer = self._page(None, view)
            case ["messages", identifier]:
                answer = self._of_mail(identifier, lambda mail: self._page(mail, view))
            case ["messages", identifier, "body"]:
                answer = self._of_mail(identifier, _body)
            case ["messages", identifier, "raw"]:
                answer = self._of_mail(
                    identifier, lambda mail: _Answer(self.server.store.raw(mail), "text/plain; charset=utf-8")
                )
            case ["api", "messages"]:
                answer = _json([mail.to_json() for mail in self.server.store.mails()])
            case ["api", "messages", identifier]:
                answer = self._of_mail(identifier, lambda mail: _json(mail.to_json()))
            case ["api", "newest"]:
                answer = _json(next((mail.id for mail in self.server.store.mails()), ""))
            case ["style.css"]:
                answer = _Answer((HERE / "style.css").read_bytes(), "text/css; charset=utf-8")
            case ["live.js"]:
                answer = _Answer((HERE / "live.js").read_bytes(), "text/javascript; charset=utf-8")
            case _:
                answer = _not_found()
        self._send(answer)

    def do_DELETE(self) -> None:
        if self.path == "/api/messages":
            self.server.store.clear()
            self._send(_json([]))
        else:
            self._send(_not_found())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Log nothing: clients that wait for emails ask every second."""

    def _page(self, mail: Mail | None, view: str) -> _Answer:
        mails = self.server.store.mails()
        if view not in VIEWS:
            view = "html" if mail and mail.html else "text"
        raw = self.server.store.raw(mail).decode("utf-8", "replace") if mail and view == "raw" else ""
        page = self.server.pages.get_template("page.html")
        return _Answer(page.render(mails=mails, mail=mail, view=view, raw=raw).encode())

    def _of_mail(self, identifier: str, answer: Callable[[Mail], _Answer]) -> _Answer:
        mail = self.server.store.mail(identifier)
        return answer(mail) if mail else _not_found()

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(answer.body)


def _body(mail: Mail) -> _Answer:
    base = '<base target="_blank">'
    html, found = HEAD.subn(lambda head: head.group() + base, mail.html, count=1)
    return _Answer((html if found else base + html).encode(), policy=MAIL_POLICY)


def _json(value: object) -> _Answer:
    return _Answer(json.dumps(value, ensure_ascii=False).encode(), "application/json")


def _not_found() -> _Answer:
    return _Answer(b"There is no such page.", "text/plain; charset=utf-8", status=HTTPStatus.NOT_FOUND)
