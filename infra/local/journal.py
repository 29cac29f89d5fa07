"""Run MiniStack so that a killed process loses nothing: `python -m infra.local.journal`, which LocalCloud starts.

MiniStack only writes its state when it ends normally. Here each change of a row or a message is in a journal before
its caller gets a response. At the next start the journal is replayed over the last snapshot, whole values by key:
replayed twice, or over a snapshot that includes it, it changes nothing. Emails are written into the mailbox's folder
before SES answers. If nothing can be written, every change is refused, and FAULT_PATH says why.
"""

import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from email.utils import getaddresses
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.local import simulator
from infra.local.mailbox.store import MailStore

FAULT_PATH = "/_awning/fault"
MAILS = "AWNING_MAILS"  # the folder of the mailbox
MAX_JOURNAL_BYTES = 64 * 1024 * 1024
MIN_FREE_BYTES = 4 * 1024 * 1024
# Anything else, such as a new table, is written with the next change of a row or a message.
ROWS_AND_MESSAGES = {
    "DynamoDB_20120810": ("Item", "Items", "Query", "Scan"),  # PutItem, TransactWriteItems …
    "AmazonSQS": (
        "Message",
        "MessageBatch",
        "Visibility",
        "VisibilityBatch",
        "QueueUrl",
        "GetQueueAttributes",
    ),
}
Change = list[Any]
Message = dict[str, Any]


class Journal:
    """What changed since the last snapshot, one line per response; a line that was cut off is ignored."""

    def __init__(self, folder: Path, ministack: Any) -> None:
        self.fault = ""
        self._folder = folder
        self._file = folder / "journal"
        self._ministack = ministack
        self._persistence: Any = import_module("ministack.core.persistence")
        self._dynamodb: Any = import_module("ministack.services.dynamodb")
        self._sqs: Any = import_module("ministack.services.sqs")
        self._pending: list[Change] = []
        self._messages: dict[tuple[str, ...], set[str]] = {}
        self._is_older = False  # than tables, queues or their settings
        self._set, self._remove = self._dynamodb._set_item, self._dynamodb._remove_item

    def attach(self) -> None:
        """Subscribe to each change of a row, and take over loading and saving."""

        def set_item(table: Any, key: str, sort: str, item: Any) -> Any:
            self._pending.append(["row", table["TableArn"], key, sort, item])
            return self._set(table, key, sort, item)

        def remove_item(table: Any, key: str, sort: str) -> Any:
            self._pending.append(["row", table["TableArn"], key, sort, None])
            return self._remove(table, key, sort)

        load = self._ministack._load_persisted_state

        def load_all() -> None:
            load()
            self._play()
            self.save()
            self._dynamodb._set_item, self._dynamodb._remove_item = set_item, remove_item

        self._ministack._load_persisted_state = load_all
        self._ministack.save_all = lambda _: self.save()

    def is_writable(self) -> bool:
        """Return whether changes can be stored; earlier ones that could not be written are written first."""
        try:
            if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
                raise OSError(28, os.strerror(28))
            if self.fault:
                self.save()
        except OSError as error:
            self.note_fault(error)
            return False
        self.fault = ""
        return True

    def note_fault(self, error: OSError) -> None:
        """Record why nothing can be stored."""
        self.fault = f"{self._folder}: {error.strerror or error}"

    def note_setup(self) -> None:
        """Record that a table, a queue, a bucket or their settings changed: only snapshots contain those."""
        self._is_older = True

    def flush(self) -> None:
        """Write the changes. Raises OSError."""
        self._pending.extend(self._changed_messages())
        if not self._pending:
            return
        if self._is_older or self._file.stat().st_size > MAX_JOURNAL_BYTES:
            self.save()
            return
        line = self._to_json(self._pending).encode() + b"\n"
        size = self._file.stat().st_size
        try:
            with self._file.open("ab") as file:
                file.write(line)
        except OSError:
            with suppress(OSError):
                os.truncate(self._file, size)  # half a line would break the next
            raise
        self._pending.clear()

    def save(self) -> None:
        """Write everything, each service's file atomically, then start a new journal. Raises OSError."""
        self._pending.extend(self._changed_messages())
        count = len(self._pending)
        folder = Path(self._persistence.STATE_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        for service, get_state in self._ministack._build_persistence_save_dict().items():
            state = get_state()
            if state is None:
                continue
            version = self._persistence._state_format_version(service)
            self._replace(folder / f"{service}.json", {"__ministack_format__": version, "payload": state})
        self._file.write_bytes(b"")
        del self._pending[:count]
        self._is_older = False

    def _replace(self, path: Path, document: Any) -> None:
        unfinished = path.with_suffix(".part")
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(self._to_json(document))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _to_json(self, document: Any) -> str:
        return json.dumps(document, default=self._persistence._json_default)

    def _play(self) -> None:
        if not self._file.exists():
            return
        for line in self._file.read_bytes().split(b"\n")[:-1]:
            for kind, *change in json.loads(line, object_hook=self._persistence._json_object_hook):
                (self._play_row if kind == "row" else self._play_messages)(*change)

    def _play_row(self, arn: str, key: str, sort: str, item: Any) -> None:
        _, _, _, region, account, name = arn.split(":", 5)
        table = self._dynamodb._tables.get_scoped(account, region, name.removeprefix("table/"))
        if table is None:
            return  # deleted later on
        if item is None:
            self._remove(table, key, sort)
        else:
            self._set(table, key, sort, item)

    def _play_messages(self, where: list[str], added: list[Any], removed: list[str]) -> None:
        queue = self._sqs._queues.get_scoped(*where)
        if queue is None:
            return
        known = {message["id"] for message in queue["messages"]}
        queue["messages"].extend(message for message in added if message["id"] not in known)
        queue["messages"] = [message for message in queue["messages"] if message["id"] not in removed]

    def _changed_messages(self) -> Iterable[Change]:
        """List the messages that were added to or removed from each queue since the last call."""
        changes: list[Change] = []
        for where, queue in self._sqs._queues.all_items():
            messages = {message["id"]: message for message in queue["messages"]}
            before = self._messages.get(where, set())
            added = [message for name, message in messages.items() if name not in before]
            removed = sorted(before - messages.keys())
            if added or removed:
                changes.append(["messages", list(where), added, removed])
                self._messages[where] = set(messages)
        return changes


def journaled(serve: Any, journal: Journal) -> Any:
    """Wrap MiniStack's app: no change without the journal, no response before it is written."""

    async def app(scope: Any, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            await serve(scope, receive, send)
            return
        if scope["path"] == FAULT_PATH:
            await _answer(send, 200, journal.fault)
            return
        target = _target(scope)
        if scope["method"] in ("GET", "HEAD") or _only_reads(target):
            await serve(scope, receive, send)
            return
        if not journal.is_writable():
            await _answer(send, 503, journal.fault)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await serve(scope, receive, hold)
        if _is_setup(target, scope["path"]):
            journal.note_setup()
        try:
            journal.flush()
        except OSError as error:
            journal.note_fault(error)
        if journal.fault:
            await _answer(send, 500, journal.fault)
            return
        for message in held:
            await send(message)

    return app


def _target(scope: Any) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-amz-target"), "")


def _only_reads(target: str) -> bool:
    service, _, operation = target.partition(".")
    return service == "DynamoDB_20120810" and operation.startswith(
        ("Get", "BatchGet", "Query", "Scan", "Describe")
    )


def _is_setup(target: str, path: str) -> bool:
    service, _, operation = target.partition(".")
    if service in ROWS_AND_MESSAGES:
        return not operation.endswith(ROWS_AND_MESSAGES[service])
    is_object = len(path.strip("/").split("/")) > 1  # whose bytes MiniStack writes immediately
    return bool(target) or path.startswith("/_ministack/") or not is_object


async def _answer(send: Callable[[Message], Awaitable[None]], status: int, words: str) -> None:
    kind = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": kind})
    await send({"type": "http.response.body", "body": words.encode()})


def _record_lost_objects(journal: Journal) -> None:
    """Record if MiniStack could not write an object's bytes: it logs that, and continues."""
    s3: Any = import_module("ministack.services.s3")
    write = s3._atomic_write

    def atomic_write(*arguments: Any, **named: Any) -> Any:
        try:
            return write(*arguments, **named)
        except OSError as error:
            journal.note_fault(error)
            raise

    s3._atomic_write = atomic_write


def _deliver_into(folder: Path, journal: Journal) -> None:
    """Make SES write each email into the mailbox's folder, instead of sending it by SMTP."""
    store = MailStore(folder)

    def deliver(source: str, recipients: list[str], mail: str) -> None:
        try:
            store.add(mail.encode(), [address for _, address in getaddresses(recipients)])
        except OSError as error:
            journal.note_fault(error)
            raise

    for module in ("ses", "ses_v2"):
        service: Any = import_module(f"ministack.services.{module}")
        service._smtp_relay = deliver


def main() -> None:
    """Run MiniStack until it is stopped."""
    from ministack import app as ministack

    journal = Journal(Path(os.environ["STATE_DIR"]).parent, ministack)
    journal.attach()
    _record_lost_objects(journal)
    if MAILS in os.environ:
        _deliver_into(Path(os.environ[MAILS]), journal)
    simulator.attach(os.environ.get("TABLE_PREFIX", ""))
    ministack.app = journaled(ministack.app, journal)
    ministack.main()


if __name__ == "__main__":
    main()
