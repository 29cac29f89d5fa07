"""Store received emails: one .eml file per email, parsed once."""

import email
import email.policy
import re
import secrets
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import MIMEPart
from pathlib import Path
from typing import Any, Self

# File names are only ours: nothing that a sender wrote becomes part of a path.
ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
TIME = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Mail:
    """A received email. `sender` and `to` are headers, `recipients` are the envelope's."""

    id: str
    sender: str
    to: str
    recipients: list[str]
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    received_at: str

    @classmethod
    def parse(cls, identifier: str, raw: bytes) -> Self:
        """Parse an email; what cannot be decoded is shown as well as possible."""
        message = email.message_from_bytes(raw, policy=email.policy.default)
        headers: dict[str, str] = {}
        for name, value in message.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else str(value)
        received = datetime.strptime(identifier.split("-")[0], TIME).replace(tzinfo=UTC)
        return cls(
            id=identifier,
            sender=headers.get("From", ""),
            to=headers.get("To", ""),
            recipients=[address for address in headers.pop("X-Envelope-To", "").split(", ") if address],
            subject=headers.get("Subject", ""),
            text=_content(message.get_body(("plain",))),
            html=_content(message.get_body(("html",))),
            headers=headers,
            received_at=received.isoformat(timespec="milliseconds"),
        )

    @property
    def start(self) -> str:
        """Return the beginning of the text, without drawn lines."""
        lines = (line.strip() for line in self.text.splitlines())
        return " ".join(line for line in lines if any(char.isalnum() for char in line))[:120]

    def to_json(self) -> dict[str, Any]:
        """Return the API's representation."""
        fields = asdict(self)
        return {"id": fields.pop("id"), "from": fields.pop("sender"), **fields}


class MailStore:
    """The emails in a folder, to which other processes may add; newest first."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._mails: dict[str, Mail] = {}

    def add(self, content: bytes, recipients: list[str]) -> Mail:
        """Store an email as it was sent. Raises OSError if it cannot be written."""
        identifier = f"{datetime.now(UTC).strftime(TIME)}-{secrets.token_hex(4)}"
        envelope = ", ".join(recipients).encode("ascii", "replace")
        raw = b"X-Envelope-To: " + envelope + b"\r\n" + content
        unfinished = self._path(identifier).with_suffix(".part")
        try:
            unfinished.write_bytes(raw)
            unfinished.rename(self._path(identifier))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return Mail.parse(identifier, raw)

    def mails(self) -> list[Mail]:
        """Return all emails, newest first."""
        return list(self._read().values())

    def mail(self, identifier: str) -> Mail | None:
        """Return one email."""
        return self._read().get(identifier)

    def raw(self, mail: Mail) -> bytes:
        """Return an email's bytes as received, without the envelope that we added."""
        return self._path(mail.id).read_bytes().split(b"\r\n", 1)[1]

    def clear(self) -> None:
        """Delete all emails."""
        for identifier in self._read():
            self._path(identifier).unlink(missing_ok=True)

    def _read(self) -> dict[str, Mail]:
        """Read the current files of the folder; each is parsed once."""
        with self._lock:
            names = sorted(path.stem for path in self._folder.glob("*.eml") if ID.fullmatch(path.stem))
            for name in names:
                if name not in self._mails:
                    self._mails[name] = Mail.parse(name, self._path(name).read_bytes())
            self._mails = {name: self._mails[name] for name in reversed(names)}
            return self._mails

    def _path(self, identifier: str) -> Path:
        return self._folder / f"{identifier}.eml"


def _content(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        content: str = part.get_content()
    except (LookupError, ValueError):
        payload = part.get_payload(decode=True)
        content = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    return content.replace("\r\n", "\n")
