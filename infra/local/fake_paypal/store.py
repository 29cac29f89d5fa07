"""The fake PayPal's data: JSON documents in one SQLite file, and a clock that can be moved."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_ID_LETTERS = string.digits + string.ascii_uppercase


class Store:
    """Stores documents by kind and ID; everything inside one `transaction()` happens, or nothing does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._database = sqlite3.connect(
            folder / "state.sqlite3", isolation_level=None, check_same_thread=False
        )
        # A killed process loses nothing; only a crash of the machine could, and this money is not real.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents ("
            "seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, id TEXT, tag TEXT, body TEXT, "
            "UNIQUE (kind, id))"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS by_tag ON documents (kind, tag, seq)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the one lock; commit at the end of the outermost block, roll back on an exception."""
        with self._lock:
            if self._depth == 0:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._database.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._database.execute("COMMIT")

    def get(self, kind: str, id_: str) -> Document | None:
        """Return a copy of the document, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id_)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, id_: str, document: Document, tag: str = "") -> None:
        """Write the document; the first write decides its position in `all()`, the last its `tag`."""
        with self._lock:
            self._database.execute(
                "INSERT INTO documents (kind, id, tag, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET tag = excluded.tag, body = excluded.body",
                (kind, id_, tag, json.dumps(document, ensure_ascii=False)),
            )

    def delete(self, kind: str, id_: str) -> None:
        """Delete one document; a missing one is ignored."""
        with self._lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id_))

    def all(self, kind: str) -> list[Document]:
        """Return every document of a kind, oldest first."""
        return [document for _, document in self.items(kind)]

    def tagged(self, kind: str, tag: str) -> list[Document]:
        """Return the documents of a kind with this tag, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? AND tag = ? ORDER BY seq", (kind, tag)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def latest(self, kind: str, count: int) -> list[Document]:
        """Return the newest documents of a kind, newest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? ORDER BY seq DESC LIMIT ?", (kind, count)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def items(self, kind: str) -> list[tuple[str, Document]]:
        """Return every document of a kind with its ID, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, body FROM documents WHERE kind = ? ORDER BY seq", (kind,)
            ).fetchall()
        return [(row[0], json.loads(row[1])) for row in rows]

    def clear(self, keep: str) -> None:
        """Delete everything but the documents of one kind."""
        with self._lock:
            self._database.execute("DELETE FROM documents WHERE kind <> ?", (keep,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


class Clock:
    """The fake PayPal's own time: the machine's, plus an offset."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reload()

    def reload(self) -> None:
        """Read the offset from the store (after a start or a reset)."""
        self._offset = timedelta(seconds=(self._store.get("meta", "clock") or {}).get("offset", 0.0))

    def now(self) -> datetime:
        """Return the fake PayPal's current time, in UTC."""
        return datetime.now(UTC) + self._offset

    def stamp(self) -> float:
        """Return the current time in seconds since 1970."""
        return self.now().timestamp()

    def iso(self) -> str:
        """Return the current time as PayPal writes it, to the second."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self, seconds: float) -> None:
        """Move the clock forward; the offset survives a restart."""
        self._offset += timedelta(seconds=seconds)
        self._store.put("meta", "clock", {"offset": self._offset.total_seconds()})


def new_id(length: int = 17) -> str:
    """Return a new ID in PayPal's format: capitals and digits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(length))
