"""Files of the books in S3: written once in parts, or compared with what is there. Memory stays flat either way."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import aws
from chalicelib.config import settings
from chalicelib.ledger.report_columns import ReportFormat, Row

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 5 * 1024 * 1024  # S3 takes no smaller part, but for the last
CHUNK_BYTES = 64 * 1024
BOM = "\ufeff"  # without it, Excel takes the file for Latin-1
CSV = "text/csv; charset=utf-8"
JSON = "application/json"
ZIP = "application/zip"
# S3's errors for the second of two writers, and for a retry after a lost answer.
ALREADY_EXISTS_CODES = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"}


class ReportError(Exception):
    """Raised where a day's books could not be written, or differ from what was written before."""


@dataclass(frozen=True)
class File:
    """A file as stored in S3; `size` in bytes."""

    key: str
    rows: int
    size: int
    sha256: str


class MultipartUpload:
    """Write bytes to S3 in parts; with `once`, never over a file that is there. Nothing is visible before `finish`."""

    def __init__(self, key: str, content_type: str, *, once: bool) -> None:
        self._key = key
        self._content_type = content_type
        self._once = once
        self.size = 0
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._upload_id is None:
            return
        # Parts of no file are paid for until they are dropped. Where this fails, the bucket's lifecycle rule does
        # it, and what went wrong before is the news.
        with suppress(BotoCoreError, ClientError):
            aws.client("s3").abort_multipart_upload(
                Bucket=settings.books_bucket, Key=self._key, UploadId=self._upload_id
            )

    @property
    def sha256(self) -> str:
        """Digest what was written."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> int:
        """Add bytes; return how many."""
        self._digest.update(chunk)
        self.size += len(chunk)
        self._pending += chunk
        if len(self._pending) >= PART_BYTES:
            self._send_part()
        return len(chunk)

    def flush(self) -> None:
        """Do nothing: parts are sent when they are large enough. Whoever writes into a file asks for this."""

    def finish(self) -> None:
        """Make the file visible. Raises ReportError where one with other contents is there by now."""
        upload_id = self._upload_id
        if upload_id is None:
            write(self._key, bytes(self._pending), self._content_type, once=self._once)
            return
        self._send_part()
        _write(
            self._key, self.sha256, lambda condition: self._complete(upload_id, condition), once=self._once
        )

    def _send_part(self) -> None:
        if not self._pending:
            return
        s3, number = aws.client("s3"), len(self._parts) + 1
        if self._upload_id is None:
            self._upload_id = s3.create_multipart_upload(
                Bucket=settings.books_bucket,
                Key=self._key,
                ContentType=self._content_type,
                ChecksumAlgorithm="CRC32",
            )["UploadId"]
        part = s3.upload_part(
            Bucket=settings.books_bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=bytes(self._pending),
            ChecksumAlgorithm="CRC32",
        )
        self._parts.append(
            {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
        )
        self._pending.clear()

    def _complete(self, upload_id: str, condition: Any) -> None:
        aws.client("s3").complete_multipart_upload(
            Bucket=settings.books_bucket,
            Key=self._key,
            UploadId=upload_id,
            MultipartUpload={"Parts": self._parts},
            **condition,
        )
        self._upload_id = None


class ReportWriter:
    """Write a sheet to S3; with `once`, never over a file that is there. Nothing is visible before `finish`."""

    def __init__(self, key: str, sheet: ReportFormat, *, once: bool) -> None:
        self._key = key
        self._rows = 0
        self._parts = MultipartUpload(key, CSV, once=once)
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._text.write(BOM)
        self._csv.writerow(sheet.columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._parts.__exit__(*error)

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows of cells."""
        counted = list(rows)
        self._csv.writerows(counted)
        self._rows += len(counted)
        self._encode()

    def finish(self) -> File:
        """Make the file visible. Raises ReportError where one with other contents is there by now."""
        self._encode()
        self._parts.finish()
        return File(self._key, self._rows, self._parts.size, self._parts.sha256)

    def _encode(self) -> None:
        self._parts.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


class ReportVerifier:
    """Compare a sheet with the file that is there, row by row, while both are read."""

    def __init__(self, key: str, sheet: ReportFormat, stored: "StreamingBody") -> None:
        self._key = key
        self._stored = stored
        self._reader = _Digesting(stored)
        lines = io.TextIOWrapper(
            io.BufferedReader(self._reader, CHUNK_BYTES), "utf-8-sig", errors="replace", newline=""
        )
        self._stored_rows = csv.reader(lines)
        self._kept = [index for index, name in enumerate(sheet.columns) if name not in sheet.erasable]
        self._rows = 0
        self._compare(list(sheet.columns), "its header")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stored.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Compare rows. Raises ReportError at the first that differs in more than what may be erased."""
        for row in rows:
            self._rows += 1
            self._compare(row, f"row {self._rows}")

    def finish(self) -> File:
        """Return the file as it is there. Raises ReportError where it has more rows."""
        if self._next() is not None:
            raise ReportError(f"{self._key} has more than the {self._rows} rows currently expected.")
        return File(self._key, self._rows, self._reader.size, self._reader.digest.hexdigest())

    def _next(self) -> Row | None:
        try:
            return next(self._stored_rows, None)
        except csv.Error as error:
            raise ReportError(f"{self._key} isn’t a valid CSV file of the shop: {error}.") from error

    def _compare(self, row: Row, where: str) -> None:
        stored = self._next()
        if stored is None or len(stored) != len(row):
            raise ReportError(f"{self._key} differs from the current data, from {where} on.")
        for index in self._kept:
            if stored[index] != row[index]:
                raise ReportError(
                    f"{self._key} differs from the current data in {where}: "
                    f"it has {stored[index]!r} instead of {row[index]!r}."
                )


class _Digesting(io.RawIOBase):
    """Count and digest what is read from S3."""

    def __init__(self, stored: "StreamingBody") -> None:
        self._stored = stored
        self.size = 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stored.read(len(buffer))
        self.digest.update(chunk)
        self.size += len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def open_file(key: str) -> "StreamingBody | None":
    """Open a file of the books for reading, or None where there is none."""
    s3 = aws.client("s3")
    try:
        return s3.get_object(Bucket=settings.books_bucket, Key=key)["Body"]
    except s3.exceptions.NoSuchKey:
        return None


def write(key: str, body: bytes, content_type: str, *, once: bool) -> None:
    """Write a small file; with `once`, raise ReportError where one with other contents is there."""

    def put(condition: Any) -> None:
        aws.client("s3").put_object(
            Bucket=settings.books_bucket, Key=key, Body=body, ContentType=content_type, **condition
        )

    _write(key, hashlib.sha256(body).hexdigest(), put, once=once)


def keys_after(start: str) -> Iterator[str]:
    """List the keys of final files behind `start`, in order; provisional ones sort behind all of them."""
    pages = aws.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=settings.books_bucket, Prefix="books/", StartAfter=start):
        for item in page.get("Contents", []):
            if item["Key"].startswith("books/provisional/"):
                return
            yield item["Key"]


def _write(key: str, sha256: str, send: Callable[[Any], None], *, once: bool) -> None:
    if not once:
        send({})
        return
    try:
        send({"IfNoneMatch": "*"})
    except ClientError as error:
        if error.response["Error"]["Code"] not in ALREADY_EXISTS_CODES:
            raise
        if _stored_digest(key) != sha256:
            raise ReportError(f"{key} already exists with different contents.") from error


def _stored_digest(key: str) -> str | None:
    stored = open_file(key)
    if stored is None:
        return None
    digest = hashlib.sha256()
    for chunk in stored.iter_chunks(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
