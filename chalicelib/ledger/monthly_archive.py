"""The books of a month: what its manifests vouch for, and all its files as one archive."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any

from chalicelib import aws
from chalicelib.config import settings
from chalicelib.ledger import report_files
from chalicelib.ledger.daily_reports import MANIFEST, ReportError, key_of
from chalicelib.ledger.report_columns import ReportFormat, sheets_of
from chalicelib.ledger.totals import Totals

MAX_CONCURRENCY = 6  # manifests read concurrently
LARGE = 1 << 30  # from this size on, a file in a ZIP needs the newer format


@dataclass(frozen=True)
class ClosedDay:
    """A day's final books: the rows of each file, its totals, and what is wrong, "" if nothing is."""

    day: date
    manifest: dict[str, Any]
    problem: str = ""
    totals: Totals = field(default_factory=Totals)

    @property
    def format(self) -> int:
        """Return the books' format on that day."""
        return int(self.manifest.get("format", 1))

    @property
    def rows(self) -> dict[str, int]:
        """Return the number of rows of each file."""
        return {name: int(file["rows"]) for name, file in self.manifest.get("files", {}).items()}


@dataclass(frozen=True)
class Month:
    """The final books of a month's days, oldest first; `mark` changes with any of its files."""

    days: tuple[ClosedDay, ...]
    mark: str

    @property
    def totals(self) -> Totals:
        """Return the sums of its manifests."""
        totals = Totals()
        for booked in self.days:
            totals.merge(booked.totals)
        return totals

    def rows(self, sheet: str) -> int:
        """Return the rows of a file's kind over the month."""
        return sum(booked.rows.get(sheet, 0) for booked in self.days)


def read_month(month: date) -> Month:
    """Read a month's final books: one listing, then each manifest."""
    keys = dict(_keys_of(month))
    found = sorted((date.fromisoformat(name[1]), key) for key in keys if (name := MANIFEST.search(key)))
    with ThreadPoolExecutor(MAX_CONCURRENCY) as readers:
        manifests = list(readers.map(lambda one: _read_manifest(one[1]), found))
    booked = (_booked(day, manifest, keys) for (day, _), manifest in zip(found, manifests, strict=True))
    return Month(tuple(booked), hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()[:12])


def provisional_since(day: date) -> datetime | None:
    """Return when the provisional books of a day were written; None if there are none."""
    key = key_of("manifest", day, provisional=True)
    answer = aws.client("s3").list_objects_v2(Bucket=settings.books_bucket, Prefix=key)
    return next((item["LastModified"] for item in answer.get("Contents", [])), None)


def write_archive(month: Month, name: str, key: str, report: Callable[[int], None]) -> None:
    """Write a month as one ZIP: each kind's rows of all days under one header, and the manifests.

    Where a month has days of two formats, columns that the older did not have are empty.

    Streams, so that memory use is constant. `name` is such as 2026-11; `report` is called with the number of
    files read. Raises ReportError if a day's file is not what its manifest vouches for.
    """
    read = 0
    with (
        report_files.MultipartUpload(key, report_files.ZIP, once=False) as parts,
        zipfile.ZipFile(_stream(parts), "w") as archive,
    ):
        number = max(booked.format for booked in month.days)
        for sheet in sheets_of(number):
            with _entry(archive, month, f"{sheet.name}-{name}.csv", sheet.name) as target:
                target.write(_header(sheet))
                for booked in month.days:
                    if sheet.since <= booked.format:
                        _copy(booked, sheet, target)
                    read += 1
                    report(read)
        for booked in month.days:
            with _entry(archive, month, f"manifests/manifest-{booked.day}.json") as target:
                target.write(_content(key_of("manifest", booked.day)))
        archive.close()
        parts.finish()


def _keys_of(month: date) -> Iterator[tuple[str, str]]:
    pages = aws.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=settings.books_bucket, Prefix=f"books/{month:%Y/%m}/"):
        for item in page.get("Contents", []):
            yield item["Key"], item["ETag"]


def _read_manifest(key: str) -> dict[str, Any] | None:
    try:
        content = json.loads(_content(key))
        sheets = sheets_of(content.get("format", 1))
        return content if content["files"].keys() >= {sheet.name for sheet in sheets} else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # the page says so


def _booked(day: date, manifest: dict[str, Any] | None, keys: dict[str, str]) -> ClosedDay:
    if manifest is None:
        return ClosedDay(day, {}, "The manifest can’t be read.")
    booked = ClosedDay(day, manifest)
    booked.totals.add_json(manifest["totals"])
    missing = [sheet.name for sheet in sheets_of(booked.format) if key_of(sheet.name, day) not in keys]
    if missing:
        return ClosedDay(day, manifest, f"Missing: {', '.join(missing)}.", booked.totals)
    return booked


def _content(key: str) -> bytes:
    stored = report_files.open_file(key)
    if stored is None:
        raise ReportError(f"{key} is missing.")
    return stored.read()


def _entry(archive: zipfile.ZipFile, month: Month, name: str, sheet: str = "") -> IO[bytes]:
    last = month.days[-1].day
    # A constant time, so that packing the same books again gives the same bytes.
    info = zipfile.ZipInfo(name, (last.year, last.month, last.day, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    files = [booked.manifest["files"].get(sheet) for booked in month.days]
    size = sum(int(file["bytes"]) for file in files if file)
    return archive.open(info, "w", force_zip64=size > LARGE)


def _header(sheet: ReportFormat) -> bytes:
    return (report_files.BOM + ",".join(sheet.columns) + "\r\n").encode()


def _copy(booked: ClosedDay, sheet: ReportFormat, target: IO[bytes]) -> None:
    """Copy a day's rows after those of the day before; the file is checked while it is read."""
    key, own = key_of(sheet.name, booked.day), sheet.in_format(booked.format)
    stored = report_files.open_file(key)
    if stored is None:
        raise ReportError(f"{key} is missing.")
    header = _header(own)
    digest = hashlib.sha256()
    with stored:
        begin = stored.read(len(header))
        digest.update(begin)
        if begin != header:
            raise ReportError(f"{key} has unexpected columns.")
        chunks = _digested(stored.iter_chunks(report_files.CHUNK_BYTES), digest.update)
        missing = len(sheet.columns) - len(own.columns)
        for chunk in _with_empty_cells(chunks, missing) if missing else chunks:
            target.write(chunk)
    if digest.hexdigest() != booked.manifest["files"][sheet.name]["sha256"]:
        raise ReportError(f"{key} doesn’t match the checksum in the day’s manifest.")


def _digested(pieces: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


def _with_empty_cells(pieces: Iterator[bytes], missing: int) -> Iterator[bytes]:
    """Add empty cells to the rows of a CSV file. Its rows end where a line break is outside quotes."""
    ending, is_quoted = b"," * missing + b"\r\n", False
    last = b""
    for piece in pieces:
        *lines, last = (last + piece).split(b"\r\n")
        for line in lines:
            is_quoted ^= line.count(b'"') % 2 == 1
            yield line + (b"\r\n" if is_quoted else ending)
    if last:
        yield last  # no file of ours: its checksum is another


def _stream(parts: report_files.MultipartUpload) -> IO[bytes]:
    # zipfile needs only write and flush, and does not seek.
    return parts  # type: ignore[return-value]
