"""A month's books: what its manifests vouch for, and all of it as one file."""

import csv
import hashlib
import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib import aws as clients
from chalicelib.config import settings
from chalicelib.ledger import daily_reports, monthly_archive, report_files
from chalicelib.ledger.monthly_archive import read_month, write_archive
from chalicelib.ledger.report_columns import SHEETS
from infra.local.local_cloud import LocalCloud
from tests.ledger.conftest import CUP, Ledger, download, keys, read_json, rows

NOVEMBER = date(2026, 11, 1)
KEY = "exports/books-2026-11.zip"
At = Callable[[str], datetime]


@pytest.fixture
def written(ledger: Ledger, at: At) -> Ledger:
    """Write the books of three days: a quiet one between two with sales, a refund in yen too."""
    at("2026-11-20T12:00")
    order = ledger.sale(fee=125)
    ledger.refund(order, 1000, fee=None)
    at("2026-11-22T12:00")
    ledger.sale(ledger.order(CUP), fee=None)
    ledger.book("sale", order, 1200, fee=40, currency="JPY")
    ledger.reversal(order, 257)
    at("2026-11-23T02:00")
    for number in (20, 21, 22):
        daily_reports.export_day(date(2026, 11, number))
    return ledger


def packed() -> zipfile.ZipFile:
    """Pack November and open it."""
    write_archive(read_month(NOVEMBER), "2026-11", KEY, lambda read: None)
    return zipfile.ZipFile(io.BytesIO(download(KEY)))


def sheet(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """Read a sheet of the month as a CSV reader sees it."""
    text = archive.read(f"{name}-2026-11.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_month_is_the_sum_of_its_manifests(written: Ledger) -> None:
    month = read_month(NOVEMBER)
    assert [str(booked.day) for booked in month.days] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert (month.rows("orders"), month.rows("order-lines"), month.rows("ledger")) == (2, 3, 5)
    euro, yen = month.totals.summary("EUR"), month.totals.summary("JPY")
    assert (euro.revenue, euro.refunds, euro.reversals, euro.fees) == (4560, -1000, -257, 125)
    assert euro.net == 4560 - 1000 - 257 - 125
    assert (euro.without_fee, euro.unknown) == (3, 990 - 1000 - 257)
    assert (yen.revenue, yen.fees, yen.net) == (1200, 40, 1160)


def test_a_month_with_days_of_two_formats_has_the_columns_of_the_newer(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("2026-11-20T12:00")
    customer = {"name": 'Two\r\n"lines', "email": "a@example.com", "country": "DE"}
    ledger.sale(ledger.order(CUP, customer=customer))
    at("2026-11-21T12:00")
    ledger.sale(ledger.order(CUP))
    at("2026-11-22T02:00")
    with monkeypatch.context() as earlier:
        earlier.setattr(daily_reports, "FORMAT", 1)
        daily_reports.export_day(date(2026, 11, 20))
    daily_reports.export_day(date(2026, 11, 21))
    old, new = (rows(daily_reports.key_of("orders", date(2026, 11, number))) for number in (20, 21))
    monkeypatch.setattr(report_files, "CHUNK_BYTES", 7)
    packed_rows = sheet(packed(), "orders")
    assert packed_rows == [{**old[0], "scheme": "", "territory": "", "added_tax": ""}, *new]
    assert packed_rows[0]["name"] == customer["name"]


def test_the_packed_sheets_are_the_days_sheets_one_behind_the_other(written: Ledger) -> None:
    archive = packed()
    assert archive.testzip() is None
    for name in ("orders", "order-lines", "ledger", "taxes"):
        content = archive.read(f"{name}-2026-11.csv")
        assert content.count(b"\xef\xbb\xbf") == 1
        days = [rows(daily_reports.key_of(name, date(2026, 11, number))) for number in (20, 21, 22)]
        assert sheet(archive, name) == [row for day in days for row in day]
    for number in (20, 21, 22):
        assert archive.read(f"manifests/manifest-2026-11-{number}.json") == download(
            daily_reports.key_of("manifest", date(2026, 11, number))
        )


def test_the_reported_sums_are_those_of_the_archived_files(written: Ledger) -> None:
    figures = read_month(NOVEMBER).totals.summary("EUR")
    ledger = [row for row in sheet(packed(), "ledger") if row["currency"] == "EUR"]

    def total(column: str, kind: str | None = None) -> int:
        return int(100 * sum(Decimal(row[column] or 0) for row in ledger if kind in (None, row["kind"])))

    assert [total("amount", kind) for kind in ("sale", "refund", "reversal")] == [
        figures.revenue,
        figures.refunds,
        figures.reversals,
    ]
    assert total("fee") == figures.fees
    assert total("net") + figures.unknown == figures.net
    assert len([row for row in ledger if not row["fee"]]) == figures.without_fee


def test_packing_again_makes_the_same_bytes_until_the_books_grow(written: Ledger, at: At) -> None:
    packed()
    first, mark = download(KEY), read_month(NOVEMBER).mark
    packed()
    assert (download(KEY), read_month(NOVEMBER).mark) == (first, mark)
    at("2026-11-24T02:00")
    daily_reports.export_day(date(2026, 11, 23))
    assert read_month(NOVEMBER).mark != mark


def test_a_large_month_goes_up_in_parts(written: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    packed()
    whole = download(KEY)
    monkeypatch.setattr(report_files, "PART_BYTES", 500)
    monkeypatch.setattr(report_files, "CHUNK_BYTES", 64)
    monkeypatch.setattr(monthly_archive, "LARGE", 10)  # then the newer format, for files of gigabytes
    archive = packed()
    assert archive.testzip() is None
    assert len(sheet(archive, "ledger")) == 5
    assert '-1"' not in clients.client("s3").head_object(Bucket=settings.books_bucket, Key=KEY)["ETag"]
    assert len(download(KEY)) >= len(whole)
    assert "Uploads" not in clients.client("s3").list_multipart_uploads(Bucket=settings.books_bucket)


@pytest.mark.parametrize("harm", ["other bytes", "unexpected columns", "gone"])
def test_a_file_that_is_not_the_vouched_one_is_not_packed(
    written: Ledger, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_files, "PART_BYTES", 200)
    month = read_month(NOVEMBER)
    s3, key = clients.client("s3"), daily_reports.key_of("ledger", date(2026, 11, 22))
    content = download(key)
    if harm == "gone":
        s3.delete_object(Bucket=settings.books_bucket, Key=key)
    else:
        old, new = (b"sale", b"gift") if harm == "other bytes" else (b"booked_at", b"booked on")
        s3.put_object(Bucket=settings.books_bucket, Key=key, Body=content.replace(old, new))
    with pytest.raises(daily_reports.ReportError, match=key):
        write_archive(month, "2026-11", KEY, lambda read: None)
    assert KEY not in keys()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=settings.books_bucket)


def peak_of_packing(days: int) -> int:
    """Pack so many days of files that hardly compress; tell how many bytes were held at most."""
    for number in range(1, days + 1):
        vouched = {}
        for one in SHEETS:
            key = daily_reports.key_of(one.name, date(2026, 10, number))
            header = (report_files.BOM + ",".join(one.columns)).encode()
            body = header + b"\r\n" + random.Random(number).randbytes(300_000).hex().encode() + b"\r\n"
            clients.client("s3").put_object(Bucket=settings.books_bucket, Key=key, Body=body)
            vouched[one.name] = {"rows": 1, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        manifest = json.dumps({"files": vouched, "totals": {}, "format": 2}).encode()
        report_files.write(
            daily_reports.key_of("manifest", date(2026, 10, number)), manifest, "application/json", once=False
        )
    month = read_month(date(2026, 10, 1))
    tracemalloc.start()
    write_archive(month, "2026-10", KEY, lambda read: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_stays_flat_however_long_the_month(aws: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_files, "PART_BYTES", 100_000)
    few, many = peak_of_packing(2), peak_of_packing(7)
    assert many < 1.3 * few


def test_the_error_of_a_day_is_shown(written: Ledger) -> None:
    s3 = clients.client("s3")
    s3.delete_object(Bucket=settings.books_bucket, Key=daily_reports.key_of("orders", date(2026, 11, 20)))
    manifest = daily_reports.key_of("manifest", date(2026, 11, 21))
    assert read_json(manifest)["day"] == "2026-11-21"
    for junk in (b"", b"[]", b'{"files": {}}', b"\xff"):
        s3.put_object(Bucket=settings.books_bucket, Key=manifest, Body=junk)
        problems = [booked.problem for booked in read_month(NOVEMBER).days]
        assert problems == ["Missing: orders.", "The manifest can’t be read.", ""]


def test_a_month_is_read_by_one_listing_and_one_read_a_day(
    written: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    s3 = clients.client("s3")
    ask = s3._make_api_call  # type: ignore[attr-defined]  # botocore's one way out

    def heard(operation: str, arguments: dict[str, Any]) -> Any:
        asked.append(operation)
        return ask(operation, arguments)

    monkeypatch.setattr(s3, "_make_api_call", heard)
    read_month(NOVEMBER)
    assert sorted(asked) == ["GetObject"] * 3 + ["ListObjectsV2"]
    assert read_month(date(2026, 10, 1)).days == ()
