"""Which days are closed, and which of them still want books."""

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib import clock
from chalicelib.ledger import daily_reports
from tests.ledger.conftest import Ledger, keys

At = Callable[[str], datetime]


def days_with_books() -> list[str]:
    return [key[-15:-5] for key in keys() if "/manifest-" in key]


@pytest.mark.parametrize(
    ("zone", "day", "closes"),
    [
        ("UTC", "2026-11-22", "2026-11-23 01:00"),
        ("Asia/Tokyo", "2026-11-22", "2026-11-22 16:00"),
        ("Europe/Berlin", "2026-03-28", "2026-03-29 00:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29 23:00"),  # 23 hours long
        ("Europe/Berlin", "2026-10-25", "2026-10-26 00:00"),  # 25 hours long
        ("America/Havana", "2026-10-31", "2026-11-01 06:00"),  # midnight strikes twice: 04:00 and 05:00
        ("Africa/Cairo", "2026-04-23", "2026-04-23 23:00"),  # the next day begins at one o'clock
    ],
)
def test_a_day_is_closed_an_hour_after_its_midnight(
    setting: Callable[..., None], zone: str, day: str, closes: str
) -> None:
    setting(timezone=ZoneInfo(zone))
    assert f"{daily_reports.closes_at(date.fromisoformat(day)):%Y-%m-%d %H:%M}" == closes


def test_a_new_shop_begins_with_yesterday(ledger: Ledger, at: At) -> None:
    assert daily_reports.days_due(at("2026-11-22T12:00")) == [date(2026, 11, 21)]


def test_yesterday_waits_for_its_hour(ledger: Ledger, at: At) -> None:
    assert daily_reports.days_due(at("2026-11-22T00:59:59")) == []
    assert daily_reports.days_due(at("2026-11-22T01:00")) == [date(2026, 11, 21)]


@pytest.mark.slow
def test_every_closed_day_is_written_once(ledger: Ledger, at: At) -> None:
    for hour in range(72):
        now = at("2026-11-22T00:30") + timedelta(hours=hour)
        daily_reports.export_closed_days(now)
    assert days_with_books() == ["2026-11-21", "2026-11-22", "2026-11-23"]


def test_days_that_were_missed_are_made_up_for(ledger: Ledger, at: At) -> None:
    daily_reports.export_closed_days(at("2026-11-22T12:00"))
    exports = daily_reports.export_closed_days(at("2026-11-26T12:00"))
    assert [str(export.day) for export in exports] == ["2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25"]


def test_a_long_pause_is_made_up_for(ledger: Ledger, at: At) -> None:
    daily_reports.export_closed_days(at("2024-11-22T12:00"))
    due = daily_reports.days_due(at("2026-11-22T12:00"))
    assert (due[0], due[-1], len(due)) == (date(2024, 11, 22), date(2026, 11, 21), 730)


def test_a_shop_whose_exports_never_worked_loses_no_day(ledger: Ledger, at: At) -> None:
    at("2026-11-18T12:00")
    ledger.sale()
    due = daily_reports.days_due(at("2026-11-22T12:00"))
    assert [str(day) for day in due] == ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]


def test_provisional_books_do_not_count(ledger: Ledger, at: At) -> None:
    now = at("2026-11-22T12:00")
    daily_reports.export_day(date(2026, 11, 21), provisional=True)
    daily_reports.export_day(date(2026, 11, 22), provisional=True)
    assert daily_reports.days_due(now) == [date(2026, 11, 21)]


def test_a_failing_day_holds_no_other_back_and_is_tried_again(
    ledger: Ledger, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    daily_reports.export_closed_days(at("2026-11-21T12:00"))
    order = ledger.sale()
    order.delete()
    now = at("2026-11-24T12:00")
    with pytest.raises(daily_reports.ReportError, match=r"for 2026-11-21\.$"), caplog.at_level(logging.ERROR):
        daily_reports.export_closed_days(now)
    assert order.number in caplog.text
    assert days_with_books() == ["2026-11-20", "2026-11-22", "2026-11-23"]
    order.save()
    assert [str(export.day) for export in daily_reports.export_closed_days(now)] == ["2026-11-21"]
    assert daily_reports.days_due(clock.now()) == []
