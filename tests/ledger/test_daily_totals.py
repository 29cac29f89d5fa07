"""What each day came to: always what its books say, counted once, by a bounded number of calls."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib import clock
from chalicelib.ledger import daily_reports, daily_totals
from chalicelib.ledger.daily_totals import PartitionTotals
from chalicelib.ledger.models import SALE, LedgerEntry, TotalsProgress, partitions_of
from tests.call_counter import counted_calls
from tests.dynamodb_faults import Ask, tampered
from tests.ledger.conftest import CUP, TEA, Ledger, read_json

DAY = date(2026, 11, 22)
At = Callable[[str], datetime]


@pytest.fixture(autouse=True)
def soon_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the first movement a few days back only, as there are no books to say it."""
    monkeypatch.setattr(daily_reports, "LOOK_FOR_FIRST", timedelta(days=4))


def counted(day: date = DAY) -> dict[str, dict[str, dict[str, Any]]]:
    """Return a day's totals as a manifest has them."""
    return daily_totals.count([day], clock.now())[day].tally.totals().as_json()


def manifest_of(day: date) -> dict[str, Any]:
    """Read the totals of a day's final books."""
    totals: dict[str, Any] = read_json(daily_reports.key_of("manifest", day))["totals"]
    return totals


def rows_of(day: date = DAY) -> list[PartitionTotals]:
    """Read what is kept of a day."""
    return [
        row
        for partition in partitions_of(str(day))
        for row in PartitionTotals.query(partition, consistent_read=True)
    ]


def test_every_day_is_what_its_books_say(ledger: Ledger, at: At, setting: Callable[..., None]) -> None:
    setting(timezone=ZoneInfo("Europe/Berlin"))
    first = None
    for hour in range(0, 96, 5):
        at(f"2026-11-{19 + hour // 24}T{hour % 24:02}:30")
        order = ledger.sale(fee=None if hour % 3 else 77 + hour)
        first = first or order
        ledger.refund(first, hour + 1, fee=None if hour % 2 else -3)
        if hour % 4 == 0:
            ledger.reversal(order, 257)
            ledger.book(SALE, order, 1200, fee=40, currency="JPY")
        if hour % 7 == 0:
            daily_totals.update_totals(clock.now())  # cursors stop in the middle of days
    now = at("2026-11-23T02:00")
    daily_reports.export_closed_days(now)
    for folded in (False, True):
        for number in (19, 20, 21, 22):
            day = date(2026, 11, number)
            assert counted(day) == manifest_of(day), (day, folded)
            assert len(manifest_of(day)) == 3
        daily_totals.update_totals(now)
    rows = [row for number in (19, 20, 21, 22) for row in rows_of(date(2026, 11, number))]
    assert len(rows) == 16
    assert all(row.complete for row in rows)


def test_a_new_ledger_entry_is_counted_immediately(ledger: Ledger, at: At) -> None:
    ledger.sale(fee=70)
    assert counted()["sale"]["EUR"]["amount"] == "35.70"
    ledger.sale(fee=None)
    assert counted()["sale"]["EUR"] == {
        "count": 2,
        "amount": "71.40",
        "fee": "0.70",
        "net": "35.00",
        "without_fee": 1,
    }
    assert rows_of() == []  # too young to be kept


def test_what_is_booked_late_with_an_earlier_clock_is_not_passed_by(ledger: Ledger, at: At) -> None:
    at("2026-11-22T12:04:59")
    ledger.sale()
    at("2026-11-22T12:05:01")
    daily_totals.update_totals(clock.now())
    at("2026-11-22T12:00:30")  # its transaction began before, and took until now
    ledger.sale()
    at("2026-11-22T12:30")
    daily_totals.update_totals(clock.now())
    assert counted()["sale"]["EUR"]["count"] == 2


def test_two_who_count_at_once_count_nothing_twice(ledger: Ledger, at: At) -> None:
    for minute in range(12):
        at(f"2026-11-22T12:{minute:02}")
        ledger.sale(ledger.order(CUP))
    now = at("2026-11-22T13:00")
    once = counted()
    other: list[bool] = []

    def meanwhile(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation == "PutItem" and not other:
            other.append(True)
            daily_totals.update_totals(now)  # the whole of another run, between this one's read and its write
        return ask()

    with tampered(meanwhile):
        daily_totals.update_totals(now)
    assert other
    assert counted() == once
    daily_totals.update_totals(now)
    assert counted() == once
    assert sum(sums[0] for row in rows_of() for sums in row.sums.values()) == 12


def test_a_write_whose_answer_is_lost_counts_nothing_twice(ledger: Ledger, at: At) -> None:
    for _ in range(8):
        ledger.sale(ledger.order(CUP))
    now = at("2026-11-22T13:00")
    once = counted()

    def twice(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation == "PutItem":
            ask()  # taken; its answer is lost, and it is sent again
        return ask()

    with tampered(twice):
        daily_totals.update_totals(now)
    daily_totals.update_totals(now)
    assert counted() == once


def test_a_crash_at_any_call_of_the_counting_loses_nothing(ledger: Ledger, at: At) -> None:
    for _ in range(6):
        ledger.sale(ledger.order(CUP))
    now = at("2026-11-23T01:00")
    daily_reports.export_closed_days(now)
    once = counted()
    for row in rows_of():
        row.delete()
    for fatal in range(40):
        calls = 0

        def crash(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
            nonlocal calls
            calls += 1
            if calls == fatal + 1:  # noqa: B023  # the crash is over before the loop goes on
                raise KeyboardInterrupt
            return ask()

        try:
            with tampered(crash):
                daily_totals.update_totals(now)
        except KeyboardInterrupt:
            continue
        break
    else:
        pytest.fail("never came through")
    assert fatal > 5
    assert counted() == once
    assert [row.complete for row in rows_of()] == [True] * 4


def test_complete_days_are_never_read_again(ledger: Ledger, at: At) -> None:
    ledger.sale()
    now = at("2026-11-25T12:00")
    daily_reports.export_closed_days(now)
    daily_totals.update_totals(now)
    assert TotalsProgress.get("progress").complete_through == "2026-11-24"
    with counted_calls() as calls:
        assert counted()["sale"]["EUR"]["count"] == 1
        assert counted(date(2026, 11, 23)) == {}
    assert set(calls) == {"BatchGetItem"}
    with counted_calls() as calls:
        daily_totals.update_totals(now)
    assert calls["Query"] == 4  # today's


def test_a_day_is_complete_when_it_is_closed_and_not_before(ledger: Ledger, at: At) -> None:
    ledger.sale()
    daily_totals.update_totals(at("2026-11-23T00:59"))
    assert not any(row.complete for row in rows_of())
    daily_totals.update_totals(at("2026-11-23T01:00"))
    assert all(row.complete for row in rows_of())


def test_the_very_first_day_is_tried_again_although_later_ones_have_books(ledger: Ledger, at: At) -> None:
    ledger.sale()
    daily_totals.update_totals(at("2026-11-22T13:00"))
    now = at("2026-11-24T02:00")
    daily_reports.export_day(date(2026, 11, 23))  # that of the 22nd failed
    daily_totals.update_totals(now)
    assert daily_reports.days_due(now) == [DAY]
    assert daily_totals.first_day(now) == DAY


def test_a_shop_in_its_first_hour_looks_for_its_first_day_once(ledger: Ledger, at: At) -> None:
    ledger.sale()
    at("2026-11-23T00:30")
    assert daily_totals.first_day(clock.now()) == DAY
    with counted_calls() as calls:
        assert daily_totals.first_day(clock.now()) == DAY
    assert dict(calls) == {"GetItem": 1}
    now = at("2026-11-23T01:00")
    daily_reports.export_closed_days(now)
    daily_totals.update_totals(now)
    assert TotalsProgress.get("progress").complete_through == str(DAY)


def test_hours_are_the_shops(ledger: Ledger, at: At, setting: Callable[..., None]) -> None:
    setting(timezone=ZoneInfo("Europe/Berlin"))
    at("2026-11-22T12:59")
    ledger.sale()
    tally = daily_totals.count([DAY], clock.now())[DAY].tally
    assert tally.orders("EUR", 13) == 1
    assert tally.totals(13).as_json() == tally.totals().as_json()
    assert tally.totals(12).as_json() == {}


def test_the_best_sellers_are_counted_by_units(ledger: Ledger, at: At) -> None:
    ledger.sale(ledger.order(TEA, CUP))
    order = ledger.sale(ledger.order(TEA))
    ledger.refund(order, 2580)
    ledger.sale(ledger.order(CUP, currency="USD"))
    daily_totals.update_totals(at("2026-11-23T01:00"))
    best = daily_totals.count([DAY], clock.now())[DAY].tally.best_sellers(10)
    assert [(one.sku, one.currency, one.units, one.amount) for one in best] == [
        ("TEA-G", "EUR", 4, 5160),
        ("CUP", "EUR", 1, 500),
        ("CUP", "USD", 1, 500),
    ]


def test_money_that_paid_no_order_is_revenue_and_no_order(ledger: Ledger, at: At) -> None:
    order = ledger.sale()
    ledger.book(SALE, order, int(order.total), fee=62)  # a second capture
    tally = daily_totals.count([DAY], clock.now())[DAY].tally
    assert tally.orders("EUR") == 1
    assert tally.totals().summary("EUR").sales == 2


def test_a_row_with_too_many_skus_keeps_the_best_sellers(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_totals, "MAX_SOLD_BYTES", 300)
    order = ledger.order()
    for number in range(60):
        ledger.book(
            SALE, order, 100, fee=0, sold=[(f"SKU-{number}", "Thing", 2 if number in (7, 41) else 1, 100)]
        )
    daily_totals.update_totals(at("2026-11-23T01:00"))
    tally = daily_totals.count([DAY], clock.now())[DAY].tally
    assert {one.sku for one in tally.best_sellers(2)} == {"SKU-7", "SKU-41"}
    assert len(tally.sold) < 60
    assert tally.totals().summary("EUR").revenue == 6000  # the money is whole


def many_sales(number: int, day: date = DAY) -> None:
    """Write a day's sales into the ledger, a second apart."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with LedgerEntry.batch_write() as batch:
        for index in range(number):
            booked_at = (
                (begin + timedelta(seconds=index)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            )
            batch.save(
                LedgerEntry(
                    partitions_of(str(day))[index % 4],
                    f"{booked_at}#M{index}",
                    kind=SALE,
                    booked_at=booked_at,
                    paypal_at=booked_at,
                    order_id="o",
                    order_number="1",
                    amount=100,
                    fee=3,
                    currency="EUR",
                    paypal_id=f"M{index}",
                    order_lines=[["SKU", "Thing", 1, 100]],
                )
            )


@pytest.mark.slow
def test_ten_thousand_sales_a_day_take_no_more_calls_than_ten(ledger: Ledger, at: At) -> None:
    month = [date(2026, 11, 1) + timedelta(days=number) for number in range(22)]
    many_sales(10, date(2026, 11, 21))
    now = at("2026-11-22T20:00")
    for day in month:
        daily_totals.count([day], now)
    with counted_calls() as few:
        daily_totals.count(month, now)
    many_sales(10_000)
    daily_totals.update_totals(now)
    with counted_calls() as many:
        whole = daily_totals.count(month, now)
    assert few == many
    assert many["Query"] == 4
    assert many.total() <= 5
    assert whole[DAY].tally.totals().summary("EUR").revenue == 1_000_000
    assert all(day.whole for day in whole.values())


def test_what_nobody_has_counted_is_counted_a_bounded_piece_a_view(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_totals, "ROWS_PER_QUERY", 20)
    monkeypatch.setattr(daily_totals, "QUERIES_PER_PAGE", 6)
    many_sales(400)
    now = at("2026-11-22T20:00")
    wholes, seen = [], []
    for _ in range(8):
        with counted_calls() as calls:
            found = daily_totals.count([DAY], now)[DAY]
        assert calls["Query"] <= 6
        wholes.append(found.whole)
        seen.append(found.tally.totals().summary("EUR").movements)
    assert wholes[0] is False
    assert wholes[-1] is True
    assert seen == sorted(seen)
    assert seen[-1] == 400
