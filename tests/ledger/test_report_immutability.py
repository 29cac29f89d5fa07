"""Closed books never change: running again compares, crashes are completed, differences are said aloud."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib import aws as clients
from chalicelib.config import settings
from chalicelib.ledger import daily_reports, report_files
from chalicelib.ledger.models import LedgerEntry, partition_of
from chalicelib.orders.enums import HistoryEvent
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from tests.ledger.conftest import CUP, Ledger, download, everything, keys

DAY = date(2026, 11, 22)
FOLDER = "books/2026/11/22"
LEDGER, ORDERS = f"{FOLDER}/ledger-2026-11-22.csv", f"{FOLDER}/orders-2026-11-22.csv"
MANIFEST = f"{FOLDER}/manifest-2026-11-22.json"
At = Callable[[str], datetime]


class Crash(Exception):
    """The process is gone."""


@pytest.fixture
def paid(ledger: Ledger, at: At) -> Order:
    """Return one of the orders of a closed day of a few movements."""
    order = ledger.sale()
    ledger.sale(ledger.order(CUP))
    ledger.refund(order, 300)
    at("2026-11-23T01:00")
    return order


def overwrite(key: str, body: bytes) -> None:
    clients.client("s3").put_object(Bucket=settings.books_bucket, Key=key, Body=body)


def test_running_again_changes_nothing(paid: Order) -> None:
    first = daily_reports.export_day(DAY)
    before = everything()
    assert daily_reports.export_day(DAY) == first
    assert everything() == before


def test_a_day_that_was_closed_in_the_first_format_is_compared_in_it(
    paid: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(daily_reports, "FORMAT", 1)
        first = daily_reports.export_day(DAY)
    before = everything()
    assert b'"format"' not in before[MANIFEST]
    assert b"scheme" not in before[ORDERS]
    assert daily_reports.export_day(DAY) == first
    assert everything() == before
    overwrite(ORDERS, before[ORDERS].replace(b"30.80", b"30.81", 1))
    with pytest.raises(report_files.ReportError, match=r"30\.81"):
        daily_reports.export_day(DAY)


def test_a_day_that_broke_off_in_the_first_format_is_completed_in_it(
    paid: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(daily_reports, "FORMAT", 1)
        daily_reports.export_day(DAY)
    before = everything()
    for key in (MANIFEST, LEDGER, f"{FOLDER}/order-lines-2026-11-22.csv"):
        clients.client("s3").delete_object(Bucket=settings.books_bucket, Key=key)
    daily_reports.export_day(DAY)
    assert everything() == before


def test_a_new_day_names_its_format(paid: Order) -> None:
    daily_reports.export_day(DAY)
    assert json.loads(everything()[MANIFEST])["format"] == 2


def test_the_same_ledger_gives_the_same_bytes(paid: Order, at: At) -> None:
    daily_reports.export_day(DAY)
    first = everything()
    for key in keys():
        clients.client("s3").delete_object(Bucket=settings.books_bucket, Key=key)
    at("2027-01-01T00:00")
    daily_reports.export_day(DAY)
    assert everything() == first


def test_later_changes_of_an_order_do_not_change_closed_books(paid: Order, ledger: Ledger) -> None:
    first = daily_reports.export_day(DAY)
    ledger.refund(paid, 100)  # booked on a later day
    paid.state = OrderState.SHIPPED
    paid.refunded = 400
    paid.customer = {**paid.customer, "name": "", "email": "", "country": ""}
    paid.add_event(HistoryEvent.SHIPPED)
    paid.save()
    before = everything()
    assert daily_reports.export_day(DAY) == first
    assert everything() == before


def test_a_later_setting_of_the_time_zone_does_not_touch_closed_books(
    paid: Order, at: At, setting: Callable[..., None]
) -> None:
    from zoneinfo import ZoneInfo

    daily_reports.export_day(DAY)
    setting(timezone=ZoneInfo("Asia/Tokyo"))
    daily_reports.export_day(DAY)
    assert b'"timezone": "UTC"' in download(MANIFEST)


def test_a_changed_amount_in_the_ledger_is_said(paid: Order) -> None:
    daily_reports.export_day(DAY)
    before = everything()
    row = next(iter(LedgerEntry.query(partition_of(str(DAY), paid.capture_id or ""))))
    row.amount += 1
    row.save()
    with pytest.raises(daily_reports.ReportError, match=r"ledger-2026-11-22\.csv differs .* in row \d"):
        daily_reports.export_day(DAY)
    assert everything() == before


def test_a_movement_that_comes_after_the_close_is_said(paid: Order, ledger: Ledger, at: At) -> None:
    daily_reports.export_day(DAY)
    at("2026-11-22T23:59")
    ledger.refund(paid, 1)
    at("2026-11-23T01:00")
    with pytest.raises(daily_reports.ReportError, match="from row 4 on"):
        daily_reports.export_day(DAY)


def test_a_movement_that_vanished_is_said(paid: Order) -> None:
    daily_reports.export_day(DAY)
    next(iter(LedgerEntry.query(partition_of(str(DAY), paid.capture_id or "")))).delete()
    with pytest.raises(daily_reports.ReportError, match=r"differs from the current data"):
        daily_reports.export_day(DAY)


def test_a_last_movement_that_vanished_is_said(paid: Order, ledger: Ledger, at: At) -> None:
    at("2026-11-22T23:00")
    last = ledger.refund(paid, 7)
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    last.delete()
    with pytest.raises(daily_reports.ReportError, match="more than the 3 rows"):
        daily_reports.export_day(DAY)


def test_a_changed_order_line_is_said(paid: Order) -> None:
    daily_reports.export_day(DAY)
    paid.line_snapshot = [{**paid.line_snapshot[0], "price": 1}, *paid.line_snapshot[1:]]
    paid.save()
    with pytest.raises(daily_reports.ReportError, match="order-lines-2026-11-22"):
        daily_reports.export_day(DAY)


@pytest.mark.parametrize("old", [b"12:00:00.000Z", b"test@example.com", b"35.70"])
def test_a_changed_file_is_said(paid: Order, old: bytes) -> None:
    daily_reports.export_day(DAY)
    overwrite(ORDERS, download(ORDERS).replace(old, b"1" * len(old), 1))
    with pytest.raises(daily_reports.ReportError, match="differs"):
        daily_reports.export_day(DAY)


@pytest.mark.parametrize("key", [LEDGER, ORDERS, MANIFEST])
@pytest.mark.parametrize("body", [b"", b"\xff\x00", b'"' + b"x" * 200_000, b"{}", b"[]"])
def test_a_file_that_is_not_ours_is_said(paid: Order, key: str, body: bytes) -> None:
    daily_reports.export_day(DAY)
    overwrite(key, body)
    with pytest.raises(daily_reports.ReportError, match=key):
        daily_reports.export_day(DAY)


def test_a_missing_file_is_said_and_not_made_again(paid: Order) -> None:
    daily_reports.export_day(DAY)
    clients.client("s3").delete_object(Bucket=settings.books_bucket, Key=LEDGER)
    with pytest.raises(daily_reports.ReportError, match=r"ledger-2026-11-22\.csv is missing"):
        daily_reports.export_day(DAY)
    assert LEDGER not in keys()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before-call", "after-call"])
@pytest.mark.parametrize("part_bytes", [report_files.PART_BYTES, 100])
def test_a_crash_at_any_call_is_completed_by_the_next_run(
    paid: Order, monkeypatch: pytest.MonkeyPatch, moment: str, part_bytes: int
) -> None:
    monkeypatch.setattr(report_files, "PART_BYTES", part_bytes)
    daily_reports.export_day(DAY)
    clean = everything()
    s3 = clients.client("s3")
    events = s3.meta.events
    calls = crashes = 0

    def crash(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > crashes:  # and whatever the dying process would still try fails too
            raise Crash

    while True:
        for key in keys():
            s3.delete_object(Bucket=settings.books_bucket, Key=key)
        calls = 0
        events.register(f"{moment}.s3", crash)
        try:
            daily_reports.export_day(DAY)
        except Crash:
            finished = False
        else:
            finished = True
        finally:
            events.unregister(f"{moment}.s3", crash)
        daily_reports.export_day(DAY)
        assert everything() == clean, crashes
        if finished:
            break
        crashes += 1
    assert crashes >= 8  # four looks, four files


def test_a_crash_and_then_a_changed_ledger_is_said(paid: Order) -> None:
    daily_reports.export_day(DAY)
    clients.client("s3").delete_object(Bucket=settings.books_bucket, Key=MANIFEST)
    next(iter(LedgerEntry.query(partition_of(str(DAY), paid.capture_id or "")))).delete()
    with pytest.raises(daily_reports.ReportError):
        daily_reports.export_day(DAY)
    assert MANIFEST not in keys()


def test_a_write_whose_answer_was_lost_is_a_write(paid: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = clients.client("s3")
    put = s3.put_object

    def put_twice(**arguments: Any) -> Any:
        put(**arguments)
        return put(**arguments)

    monkeypatch.setattr(s3, "put_object", put_twice)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put_twice(Bucket=settings.books_bucket, Key="probe", Body=b"", IfNoneMatch="*")
    daily_reports.export_day(DAY)
    assert MANIFEST in keys()


@pytest.mark.parametrize("part_bytes", [report_files.PART_BYTES, 100])
def test_the_second_of_two_writers_never_overwrites(
    paid: Order, monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    monkeypatch.setattr(report_files, "PART_BYTES", part_bytes)
    look = report_files.open_file

    def look_then_lose_the_race(key: str) -> Any:
        found = look(key)
        if found is None and key == LEDGER:
            overwrite(key, b"somebody else's")
        return found

    monkeypatch.setattr(report_files, "open_file", look_then_lose_the_race)
    with pytest.raises(daily_reports.ReportError, match="already exists with different contents"):
        daily_reports.export_day(DAY)
    assert download(LEDGER) == b"somebody else's"
    assert MANIFEST not in keys()
    assert "Uploads" not in clients.client("s3").list_multipart_uploads(Bucket=settings.books_bucket)
