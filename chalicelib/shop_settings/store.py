"""The merchant's settings: documents in parts, each with its versions; the first values are shop.toml's.

What is read is kept in the process for `page_seconds`. A version that cannot be read is replaced by the newest that can,
else by the first values, and somebody is called.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar, cast

from chalicelib import clock, telemetry
from chalicelib.config import settings
from chalicelib.database.connection import Table
from chalicelib.database.reads import batch_get, get
from chalicelib.database.retry import retry_contended
from chalicelib.database.transactions import AuditWriter, Transaction
from chalicelib.errors import Conflict, NotFound
from chalicelib.shop_settings.models import CURRENT, SettingsVersion
from chalicelib.telemetry import Metric

MAX_VERSION = 10**9
MAX_FALLBACKS = 100  # versions that are tried, the newest first
T = TypeVar("T")
_M = TypeVar("_M", bound=Table)
_Rows = Mapping[tuple[str, int], SettingsVersion]  # by part and version
log = logging.getLogger("awning")


class Change(NamedTuple):
    """What differs between two values of a part, in words."""

    what: str
    before: str
    after: str


class UnreadableVersion(Exception):
    """Raised with the reason, in words, where a version cannot be read."""


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of the settings. `read` takes what `write` returned through JSON, and raises ValueError for all else."""

    name: str  # its key in the table
    format: int  # of the documents that are written now; only these are read
    first: Callable[[], T]  # what shop.toml says
    read: Callable[[Mapping[str, Any]], T]
    write: Callable[[T], Mapping[str, Any]]
    changes: Callable[[T, T], Sequence[Change]]

    def dump(self, value: T) -> str:
        """Return a value as its document. Equal documents are equal values."""
        return json.dumps(self.write(value), ensure_ascii=False)

    def parse(self, row: SettingsVersion) -> T:
        """Return a row's value. Raises UnreadableVersion."""
        if not isinstance(row.document, str) or row.number is None:
            raise UnreadableVersion("the row is damaged")
        if row.format != self.format:
            raise UnreadableVersion(f"its format is {row.format}, and only {self.format} is known")
        return self._read(row.document)

    def parse_first(self) -> T:
        """Return what shop.toml says, as it would be saved. Raises UnreadableVersion for what could not be."""
        return self._read(self.dump(self.first()))

    def _read(self, document: str) -> T:
        try:
            return self.read(json.loads(document))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UnreadableVersion(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Current(Generic[T]):
    """A part as it counts now. `problem` is why its newest version does not: it cannot be read, and `number` is its number."""

    value: T
    number: int = 0  # of the newest version; 0 where none was ever saved
    used: int = 0  # which version's value it is; 0 is shop.toml's
    saved_at: str = ""
    saved_by: str = ""
    problem: str = ""


class SettingsChanged(Conflict):
    """Somebody else has saved this part since it was shown."""

    def __init__(self) -> None:
        super().__init__("Someone else has changed these settings. Nothing was saved.")


# -- reading ----------------------------------------------------------------------------------------------

# Part → when its current row was read, and what it was; None where there is none.
_memory: dict[str, tuple[float, Any]] = {}
# Part → the current row that was parsed last, and its value.
_parsed: dict[str, tuple[Any, Any]] = {}


def clear_settings_cache() -> None:
    """Forget what was read: whoever saves wants to see it at once."""
    _memory.clear()
    _parsed.clear()


def current(part: Part[T]) -> T:
    """Return a part's value, at most `page_seconds` old: from memory, or by one read."""
    if not _is_recent(part):
        _remember(part, batch_get({SettingsVersion: _keys(part)})[SettingsVersion])
    known = _known(part)
    return part.first() if known is None else known.value


def get_beside(table: type[_M], key: str, *parts: Part[Any]) -> _M | None:
    """Read an item by its key, or None. Parts that are due to be read again come with the same call."""
    due = [part for part in parts if not _is_recent(part)]
    if not due:
        return get(table, key)
    found = batch_get({table: [key], SettingsVersion: [row for part in due for row in _keys(part)]})
    for part in due:
        _remember(part, found[SettingsVersion])
    item: _M | None = found[table].get(key)
    return item


def load_all(parts: Sequence[Part[Any]]) -> list[Current[Any]]:
    """Read parts as shoppers meet them from now on: one call."""
    found = batch_get({SettingsVersion: [row for part in parts for row in _keys(part)]})[SettingsVersion]
    return [_resolve(part, found) or Current(part.first()) for part in parts]


def load(part: Part[T]) -> Current[T]:
    """Read a part as it is now: one call."""
    return cast(Current[T], load_all([part])[0])


def _is_recent(part: Part[Any]) -> bool:
    read_at = _memory[part.name][0] if part.name in _memory else 0.0
    return clock.now().timestamp() - read_at < settings.shop.page_seconds


def _known(part: Part[T]) -> Current[T] | None:
    """Return what this process has read of a part, however long ago."""
    return _memory[part.name][1] if part.name in _memory else None


def _keys(part: Part[Any]) -> list[tuple[str, int]]:
    """Return the keys to read: of the current row, and of the first version, which tells whether there must be one.

    Who has seen a current row knows that.
    """
    return [(part.name, CURRENT)] if _known(part) else [(part.name, CURRENT), (part.name, 1)]


def _remember(part: Part[Any], rows: _Rows) -> None:
    _memory[part.name] = (clock.now().timestamp(), _resolve(part, rows))


def _resolve(part: Part[T], rows: _Rows) -> Current[T] | None:
    """Return what the current row says, else what the newest readable version says, loudly; None if none was saved."""
    row = rows.get((part.name, CURRENT))
    try:
        if row is None:
            if (part.name, 1) not in rows and _known(part) is None:
                return None
            raise UnreadableVersion("its row is missing")
        value = _parse_current(part, row)
        return Current(value, int(row.number), int(row.number), row.saved_at or "", row.saved_by or "")
    except UnreadableVersion as error:
        found = replace(_load_newest(part), problem=str(error))
        instead = f"version {found.used}" if found.used else "shop.toml"
        log.error(
            "settings %s: the current version cannot be read, %s is used: %s", part.name, instead, error
        )
        telemetry.count(Metric.SETTINGS_UNREADABLE)
        return found


def _parse_current(part: Part[T], row: SettingsVersion) -> T:
    """Return a current row's value, parsed once per process and version: a document may have thousands of rates."""
    version = (row.number, row.format, row.document)
    if part.name not in _parsed or _parsed[part.name][0] != version:
        _parsed[part.name] = (version, part.parse(row))
    value: T = _parsed[part.name][1]
    return value


def _load_newest(part: Part[T]) -> Current[T]:
    """Read the newest version that can be read; shop.toml's values where none can."""
    newest = 0
    for row in _versions(part, MAX_FALLBACKS):
        newest = newest or int(row.version)
        try:
            return Current(part.parse(row), newest, int(row.version), row.saved_at or "", row.saved_by or "")
        except UnreadableVersion:
            continue
    return Current(part.first(), newest)


# -- versions ---------------------------------------------------------------------------------------------


def list_versions(
    part: Part[Any], most: int, before: int | None = None
) -> tuple[list[SettingsVersion], bool]:
    """List versions, the newest first, and whether there are earlier ones: one Query."""
    found = list(_versions(part, most + 1, before, page_size=most + 1))
    return found[:most], len(found) > most


def get_version(part: Part[T], number: int) -> T:
    """Return the value of a version; of 0, shop.toml's. Raises NotFound, UnreadableVersion."""
    if number == CURRENT:
        return part.parse_first()
    row = get(SettingsVersion, part.name, number)
    if row is None:
        raise NotFound("There is no such version of these settings.")
    return part.parse(row)


def _versions(
    part: Part[Any], most: int, before: int | None = None, *, page_size: int = 5
) -> Iterator[SettingsVersion]:
    """Yield versions, the newest first, beginning below `before`."""
    if before is not None and before <= 1:
        return
    last = MAX_VERSION if before is None else before - 1
    yield from SettingsVersion.query(
        part.name,
        SettingsVersion.version.between(1, last),
        scan_index_forward=False,
        consistent_read=True,
        limit=most,
        page_size=page_size,
    )


# -- saving -----------------------------------------------------------------------------------------------


def save(
    part: Part[T],
    value: T,
    shown: int,
    actor: str,
    write_audit: AuditWriter,
    *,
    restored_from: int | None = None,
) -> None:
    """Save a value as a part's next version, unless it is the current one already.

    `shown` is the number of the version that the member saw. Raises SettingsChanged where there is a newer one, and
    ValueError for what could not be read again.
    """
    document = part.dump(value)
    part.read(json.loads(document))

    def read_and_write() -> None:
        now = load(part)
        if part.dump(now.value) == document and not now.problem:
            return  # pressed twice, or an answer was lost
        if now.number != shown:
            raise SettingsChanged
        row: dict[str, Any] = {
            "number": shown + 1,
            "format": part.format,
            "document": document,
            "saved_at": clock.iso_now(),
            "saved_by": actor,
            "restored_from": restored_from,
        }
        transaction = Transaction()
        # Nobody else has saved this version: then the copy of the current one is that which was shown, too.
        unsaved = SettingsVersion.part.does_not_exist()
        transaction.put("version", SettingsVersion(part.name, shown + 1, **row), unsaved)
        transaction.put("current", SettingsVersion(part.name, CURRENT, **row))
        changes = part.changes(now.value, value)
        write_audit(
            transaction,
            f"settings {part.name}",
            {"version": shown} | {change.what: change.before for change in changes},
            {"version": shown + 1} | {change.what: change.after for change in changes},
        )
        transaction.commit()

    retry_contended(read_and_write, "Someone else is changing these settings. Please try again.")
    clear_settings_cache()
