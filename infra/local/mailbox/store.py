"""Keep caught mails: one .eml file a mail, parsed once."""

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

# The name of a file is ours alone: nothing a sender wrote becomes a part of a path.
ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
TIME = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Mail:
    """One caught mail. `sender` and `to` are headers, `recipients` is whom the envelope names."""

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
        """Read a mail; what cannot be decoded is shown as well as it can be."""
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
        """Return how the text begins, without the lines that are drawn in it."""
        lines = (line.strip() for line in self.text.splitlines())
        return " ".join(line for line in lines if any(char.isalnum() for char in line))[:120]

    def to_json(self) -> dict[str, Any]:
        """Return what the API tells of it."""
        fields = asdict(self)
        return {"id": fields.pop("id"), "from": fields.pop("sender"), **fields}


class MailStore:
    """The mails in a folder, into which other processes may add; newest first wherever there are several."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._mails: dict[str, Mail] = {}

    def add(self, content: bytes, recipients: list[str]) -> Mail:
        """Keep a mail as it was sent. Raises OSError where it cannot be written."""
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
        """Return all mails, newest first."""
        return list(self._read().values())

    def mail(self, identifier: str) -> Mail | None:
        """Return one mail."""
        return self._read().get(identifier)

    def raw(self, mail: Mail) -> bytes:
        """Return a mail's bytes as they came, without what we noted of the envelope."""
        return self._path(mail.id).read_bytes().split(b"\r\n", 1)[1]

    def clear(self) -> None:
        """Delete all mails."""
        for identifier in self._read():
            self._path(identifier).unlink(missing_ok=True)

    def _read(self) -> dict[str, Mail]:
        """Read what is in the folder now; a file is parsed once."""
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
