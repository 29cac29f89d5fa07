"""The first page: the numbers of a day, a week or a month, as they are in the books."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.ledger import daily_reports, daily_totals
from chalicelib.ledger.models import SALE
from infra.local.api_gateway import Gateway
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.ledger.conftest import CUP, TEA, Ledger, at, ledger
from tests.shop import Shop
from tests.staff.staff_client import logged_in

__all__ = ["at", "ledger"]  # fixtures
At = Callable[[str], datetime]


@pytest.fixture(autouse=True)
def soon_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the first movement a few days back only."""
    monkeypatch.setattr(daily_reports, "LOOK_FOR_FIRST", daily_totals.DAY * 8)


def cells(answer: Answer, name: str) -> list[str]:
    """Read the row of a table that begins with a name."""
    row = re.search(
        rf'<tr[^>]*>\s*<th scope="row"[^>]*>{re.escape(name)}(?=[<\s]).*?</tr>', answer.body, re.DOTALL
    )
    assert row, name
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row[0], re.DOTALL)]


def tiles(answer: Answer) -> dict[str, str]:
    """Read the large numbers."""
    found = re.findall(r'<dt>([^<]+)</dt>\s*<dd class="tile-value">([^<]+)</dd>', answer.body)
    return dict(found)


def spoken(amount: str) -> str:
    """Write a manifest's amount as the page does."""
    value = Decimal(amount)
    return f"{'−' if value < 0 else ''}€{abs(value):,.2f}"


def test_the_numbers_of_a_real_day_are_those_of_its_books(shop: Shop, merchant: Shopper) -> None:
    shop.paid(MUG=2)
    _, partly = shop.paid(TEA_50=1)
    shop.paypal.refund(shop.order(partly).capture_id or "", "3.00")
    _, charged_back = shop.paid(MUG=1)
    shop.paypal.reverse(shop.order(charged_back).capture_id or "")
    shopper, token = shop.placed(MUG=1)
    shop.paypal.next_capture("completed", value="1.00")
    shop.come_back(shopper, token)  # underpaid: money, but no order
    shop.deliver_notifications()
    page = merchant.get("/staff/")
    manifest = daily_reports.export_day(clock.now().date(), provisional=True).totals
    told = {
        name: manifest[kind]["EUR"]["amount"] for name, kind in (("Revenue", "sale"), ("Refunds", "refund"))
    }
    shown = tiles(page)
    assert shown["Orders"] == "3"
    assert {name: shown[name] for name in told} == {name: spoken(amount) for name, amount in told.items()}
    assert shown["Chargebacks"] == spoken(manifest["reversal"]["EUR"]["amount"])
    fees = sum(Decimal(kind["EUR"]["fee"]) for kind in manifest.values())
    assert shown["Fees"] == spoken(str(fees))
    amounts = sum(Decimal(kind["EUR"]["amount"]) for kind in manifest.values())
    assert shown["Net"] == spoken(str(amounts - fees))
    assert cells(page, "Pebble mug")[0].startswith("3")


def test_every_day_shows_what_its_manifest_says(ledger: Ledger, at: At, gateway: Gateway) -> None:
    for number in range(16, 22):
        at(f"2026-11-{number}T09:30")
        order = ledger.sale(fee=None if number % 2 else 60 + number)
        at(f"2026-11-{number}T18:00")
        ledger.sale(ledger.order(TEA), fee=33)
        ledger.refund(order, 100 + number, fee=None if number % 3 else 0)
        if number == 19:
            ledger.reversal(order, 1000)
    now = at("2026-11-22T08:00")
    daily_reports.export_closed_days(now)
    member = logged_in(gateway, "finance")
    week: dict[str, Decimal] = {}
    for number in range(16, 22):
        day = date(2026, 11, number)
        totals = daily_reports.export_day(day).totals
        shown = tiles(member.get(f"/staff/?period=day&day={day}"))
        for name, kind in (("Revenue", "sale"), ("Refunds", "refund"), ("Chargebacks", "reversal")):
            amount = totals.get(kind, {}).get("EUR", {"amount": "0.00"})["amount"]
            assert shown.get(name, "€0.00") == spoken(amount), (day, name)
            week[name] = week.get(name, Decimal(0)) + Decimal(amount)
        fees = sum(Decimal(kind["EUR"]["fee"]) for kind in totals.values())
        assert shown["Fees"] == spoken(str(fees))
    page = member.get("/staff/?period=week&day=2026-11-22")
    shown = tiles(page)
    assert {name: shown[name] for name in week} == {name: spoken(str(sum_)) for name, sum_ in week.items()}
    assert "PayPal hasn’t reported its fee for" in page.text
    month = tiles(member.get("/staff/?period=month&day=2026-11-22"))
    assert month == shown


def test_the_drawings_numbers_are_in_the_table(ledger: Ledger, at: At, gateway: Gateway) -> None:
    at("2026-11-15T09:10")
    ledger.sale(ledger.order(CUP))
    at("2026-11-22T09:10")
    ledger.sale(ledger.order(TEA), fee=50)
    at("2026-11-22T14:59")
    ledger.sale(ledger.order(TEA, CUP), fee=80)
    at("2026-11-22T15:10")
    page = logged_in(gateway, "merchant").get("/staff/")
    drawn = re.findall(r"<g>\s*<title>([^<]+)</title>\s*((?:<rect[^>]+>\s*)*)</g>", page.body)
    bars = {words.split(": ")[0]: rects.count("bar-chart-current") for words, rects in drawn}
    assert len(drawn) == 24
    assert [hour for hour, number in bars.items() if number] == ["9:00", "14:00"]
    assert cells(page, "9:00") == ["1", "€30.70", "€0.00", "€0.00", "€0.50", "€30.20", "€9.90"]
    assert cells(page, "14:00") == ["1", "€35.70", "€0.00", "€0.00", "€0.80", "€34.90", "€0.00"]
    assert "9:00: €30.70, Sun 15 Nov, 9:00: €9.90" in [words for words, _ in drawn]
    assert "Compared with Sunday, 15 November, a week earlier." in page.text
    assert page.headers["cache-control"] == "private, no-store"
    assert "style=" not in page.body


def test_other_currencies_are_shown_separately(ledger: Ledger, at: At, gateway: Gateway) -> None:
    order = ledger.sale(ledger.order(CUP), fee=20)
    ledger.book(SALE, order, 5000, fee=100, currency="USD", sold=[("CUP", "Cup", 4, 5000)])
    page = logged_in(gateway, "merchant").get("/staff/")
    assert tiles(page)["Revenue"] == "€9.90"
    assert cells(page, "In USD") == ["1", "$50.00", "$0.00", "$0.00", "$1.00", "$49.00"]
    assert list(re.findall(r'<td class="number">([$€][^<]+)</td>', page.body)) == [
        "$50.00",
        "€5.00",
    ]


def test_what_cannot_be_shown_is_a_400_in_words(ledger: Ledger, at: At, gateway: Gateway) -> None:
    member = logged_in(gateway, "merchant")
    for asked, words in {
        "period=year": "Please choose a day, a week or a month.",
        "day=2026-13-01": "“2026-13-01” isn’t a valid date.",
        "day=2026-11-23": "That day is in the future.",
        "period=month&day=0001-01-01": "Please choose a day after 2000.",
        "period=month&day=9999-12-31": "That day is in the future.",
        "day=%3Cscript%3E": "“<script>” isn’t a valid date.",
        "day=2026-11-22&day=2026-11-21": "more than once",
    }.items():
        answer = member.get(f"/staff/?{asked}")
        assert answer.status == 400, asked
        assert words in answer.text
        assert "<script>" not in answer.body


def test_what_is_not_counted_yet_is_said(
    ledger: Ledger, at: At, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        ledger.sale(ledger.order(CUP))
    at("2026-11-22T13:00")
    monkeypatch.setattr(daily_totals, "ROWS_PER_QUERY", 1)
    monkeypatch.setattr(daily_totals, "MIN_ENTRIES_TO_WRITE", 1)
    monkeypatch.setattr(daily_totals, "QUERIES_PER_PAGE", 8)
    member = logged_in(gateway, "merchant")
    page = member.get("/staff/")
    assert "Some days aren’t fully counted yet: Sunday, 22 November" in page.text
    seen: list[Any] = [tiles(page)["Orders"]]
    while "Some days aren’t fully counted yet" in page.text:
        page = member.get("/staff/")
        seen.append(tiles(page)["Orders"])
        assert len(seen) < 20
    assert seen[-1] == "12"


def test_the_hourly_run_counts_too(ledger: Ledger, at: At, gateway: Gateway, functions: Any) -> None:
    ledger.sale()
    at("2026-11-23T02:00")
    functions.fire("export_books")
    with counted_calls() as calls:
        counted = daily_totals.count([date(2026, 11, 22)], clock.now())
    assert dict(calls) == {"BatchGetItem": 1}
    assert counted[date(2026, 11, 22)].tally.orders("EUR") == 1


def test_the_page_makes_a_bounded_number_of_calls(ledger: Ledger, at: At, gateway: Gateway) -> None:
    for number in range(18, 22):
        at(f"2026-11-{number}T09:30")
        ledger.sale()
    daily_reports.export_closed_days(at("2026-11-22T02:00"))
    daily_totals.update_totals(at("2026-11-22T02:00"))
    member = logged_in(gateway, "merchant")
    for period, most in (("day", 9), ("week", 9), ("month", 11)):
        with counted_calls() as calls:
            assert member.get(f"/staff/?period={period}&day=2026-11-22").status == 200
        assert calls["Scan"] == 0
        assert calls.total() <= most, calls
