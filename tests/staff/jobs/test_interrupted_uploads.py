"""A function that breaks off in the midst of a large file takes back what S3 has of it: parts of no file are paid for."""

from datetime import date

import pytest

from chalicelib import clock
from chalicelib.aws import client
from chalicelib.config import settings
from chalicelib.ledger import report_files
from chalicelib.ledger.daily_reports import ReportError
from chalicelib.staff.products import import_export
from tests.client import Shopper
from tests.shop import Shop


@pytest.fixture(autouse=True)
def cut_off(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Send parts early, and let S3 be gone when a file is to be made of them; list the files."""
    broken: list[str] = []

    def gone(parts: report_files.MultipartUpload, *_: object) -> None:
        broken.append(parts._key)
        raise ConnectionError("S3 is gone")

    monkeypatch.setattr(report_files, "PART_BYTES", 20)
    monkeypatch.setattr(report_files.MultipartUpload, "_complete", gone)
    return broken


def nothing_is_left() -> bool:
    s3 = client("s3")
    parts = s3.list_multipart_uploads(Bucket=settings.books_bucket)
    return not parts.get("Uploads") and not s3.list_objects_v2(Bucket=settings.books_bucket).get("Contents")


def today() -> date:
    return clock.today()


def test_the_hourly_run(shop: Shop, cut_off: list[str]) -> None:
    shop.paid()
    with shop.later(days=2), pytest.raises(ReportError, match="The books could not be created"):
        shop.functions.fire("export_books")
    assert cut_off
    assert nothing_is_left()


def test_books_that_the_merchant_asks_for(shop: Shop, merchant: Shopper, cut_off: list[str]) -> None:
    shop.paid()
    merchant.post(f"/staff/books/{today()}")
    shop.functions.drain("background-jobs")
    assert cut_off
    assert nothing_is_left()


def test_a_large_catalog_for_staff(
    shop: Shop, merchant: Shopper, cut_off: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_export, "MAX_DIRECT", 0)  # more is written by a job
    merchant.post("/staff/catalog/out", {"form": merchant.get("/staff/catalog").field("form")})
    shop.functions.drain("background-jobs")
    assert cut_off
    assert cut_off[0].startswith("exports/")
    assert nothing_is_left()
