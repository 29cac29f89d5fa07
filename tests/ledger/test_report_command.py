"""`make export DAY=…`: what it prints, and how it says no."""

import urllib.request
from collections.abc import Callable
from datetime import date, datetime

import pytest

from chalicelib.config import settings
from chalicelib.ledger import daily_reports
from infra.commands.export_books import main
from tests.ledger.conftest import Ledger, download, keys

At = Callable[[str], datetime]


def test_a_closed_day_gets_its_final_books(
    ledger: Ledger, at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ledger.sale()
    ledger.refund(order, 100)
    at("2026-11-23T01:00")
    assert main(["2026-11-22"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    folder = "books/2026/11/22"
    assert [(key, count) for key, count, *_ in lines] == [
        (f"{folder}/orders-2026-11-22.csv", "1"),
        (f"{folder}/order-lines-2026-11-22.csv", "2"),
        (f"{folder}/ledger-2026-11-22.csv", "2"),
        (f"{folder}/taxes-2026-11-22.csv", "0"),
        (f"{folder}/manifest-2026-11-22.json", "2"),
    ]
    for key, *_, link in lines:
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.read() == download(key)


def test_today_gets_provisional_books(ledger: Ledger, at: At, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.sale()
    for _ in range(2):
        assert main(["2026-11-22"]) == 0
    at("2026-11-23T00:30")  # over, and not yet closed
    assert main(["2026-11-22"]) == 0
    assert len(keys()) == 5
    assert all(key.startswith("books/provisional/2026/11/22/") for key in keys())


@pytest.mark.parametrize(
    "day", ["", "yesterday", "2026-02-30", "20261122", "2026-W47-7", "2026-11-22 --force"]
)
def test_a_day_that_is_none_is_refused(day: str, at: At, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(day.split(" ")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"Name a day such as DAY=2026-11-22, not {day!r}.\n"


def test_a_day_to_come_is_refused(at: At, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2026-11-23"]) == 2
    assert capsys.readouterr().err == "2026-11-23 is in the future: there are no books to create.\n"


def test_a_difference_is_one_clear_line(ledger: Ledger, at: At, capsys: pytest.CaptureFixture[str]) -> None:
    at("2026-11-23T01:00")
    daily_reports.export_day(date(2026, 11, 22))
    at("2026-11-22T12:00")
    ledger.sale()
    at("2026-11-23T01:00")
    assert main(["2026-11-22"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "books/2026/11/22/orders-2026-11-22.csv differs from the current data" in error


def test_a_missing_bucket_is_one_clear_line(
    ledger: Ledger, at: At, setting: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    setting(books_bucket="no-such-bucket")
    assert main(["2026-11-22"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "bucket does not exist" in error
    assert settings.books_bucket == "no-such-bucket"
