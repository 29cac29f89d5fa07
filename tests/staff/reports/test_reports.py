"""The books as finance fetches them: a month's days, their files by links that expire, a month as one file."""

import csv
import io
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib import aws as clients
from chalicelib.config import settings
from chalicelib.ledger import daily_reports, daily_totals
from chalicelib.staff.models import Job
from infra.local.api_gateway import Gateway
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.ledger.conftest import CUP, TEA, Ledger, at, download, keys, ledger, read_json
from tests.staff.staff_client import logged_in, trail

__all__ = ["at", "ledger"]  # fixtures
At = Callable[[str], datetime]
DAYS = (19, 20, 21)


@pytest.fixture
def month(ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Write the books of three days of November, and let a fourth go on."""
    monkeypatch.setattr(daily_reports, "LOOK_FOR_FIRST", daily_totals.DAY * 4)
    for number in DAYS:
        at(f"2026-11-{number}T12:00")
        order = ledger.sale(ledger.order(TEA) if number % 2 else None, fee=100 + number)
        if number == 20:
            ledger.refund(order, 500, fee=None)
    daily_reports.export_closed_days(at("2026-11-22T09:00"))
    daily_totals.update_totals(at("2026-11-22T09:00"))
    at("2026-11-22T12:00")
    ledger.sale(ledger.order(CUP), fee=40)
    return ledger


@pytest.fixture
def finance(gateway: Gateway, month: Ledger) -> Shopper:
    """Return somebody from finance, logged in on that day."""
    return logged_in(gateway, "finance")


@pytest.fixture
def merchant(gateway: Gateway, month: Ledger) -> Shopper:
    """Return the merchant, logged in on that day."""
    return logged_in(gateway, "merchant")


def row(page: Answer, name: str) -> str:
    """Read the words of the row of a day, or of the month."""
    found = re.search(rf'<th scope="row">{re.escape(name)}.*?</tr>', page.body, re.DOTALL)
    assert found, name
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).strip()


def fetch(link: str) -> tuple[bytes, Any]:
    """Download what a link leads to."""
    with urllib.request.urlopen(link, timeout=10) as answer:
        return answer.read(), answer.headers


def test_each_day_has_its_files_rows_and_control_totals(finance: Shopper) -> None:
    page = finance.get("/staff/books?month=2026-11")
    assert row(page, "Friday, 20 November") == (
        "Friday, 20 November €35.70 −€5.00 €0.00 €1.20 €29.50 Orders 1 Lines 2 Ledger 2 Taxes 0 Manifest"
    )
    assert row(page, "Saturday, 21 November").endswith("Orders 1 Lines 1 Ledger 1 Taxes 0 Manifest")
    assert "provisional" in row(page, "Sunday, 22 November")
    assert "€9.90" in row(page, "Sunday, 22 November")
    assert "Wednesday, 18 November" not in page.text
    assert "The books begin on Thursday, 19 November 2026." in page.text


def test_the_sums_of_the_page_are_those_of_the_files_behind_its_links(finance: Shopper) -> None:
    page = finance.get("/staff/books")
    links = re.findall(r'href="[^"]*(/staff/books/[0-9-]+/ledger)"', page.body)
    assert len(links) == len(DAYS)
    amounts = {"sale": Decimal(0), "refund": Decimal(0)}
    fees = Decimal(0)
    for link in links:
        content, _ = fetch(finance.get(link).location)
        for line in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            amounts[line["kind"]] += Decimal(line["amount"])
            fees += Decimal(line["fee"] or 0)
    net = amounts["sale"] + amounts["refund"] - fees
    assert (
        f"€{amounts['sale']:,.2f} −€{-amounts['refund']:.2f} €0.00 €{fees:.2f} €{net:.2f} "
        "3 orders, 4 order lines, 4 transactions"
    ) in row(page, "November 2026")


def test_a_files_link_is_fresh_and_expires_and_saves_it_under_its_name(finance: Shopper) -> None:
    answer = finance.get("/staff/books/2026-11-20/manifest")
    assert (answer.status, answer.headers["cache-control"]) == (303, "private, no-store")
    assert parse_qs(urlsplit(answer.location).query)["X-Amz-Expires"] == ["300"]
    content, headers = fetch(answer.location)
    assert content == download("books/2026/11/20/manifest-2026-11-20.json")
    assert headers["Content-Disposition"] == 'attachment; filename="manifest-2026-11-20.json"'
    plain = answer.location.partition("?")[0]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(plain, timeout=10)


def test_what_is_not_there_is_said_in_words(finance: Shopper) -> None:
    for path, status in {
        "2026-11-20/customers": 404,
        "2026-11-18/orders": 404,
        "2026-11-22/orders": 404,
        "2026-11-23/orders": 400,
        "2026-02-30/orders": 400,
        "..%2F..%2Fexports/orders": 400,
        "2026-10": 404,
        "2026-12": 400,
        "november": 400,
    }.items():
        answer = finance.get(f"/staff/books/{path}")
        assert answer.status == status, path
        assert "Something went wrong" not in answer.text


def test_a_month_that_cannot_be_shown_is_a_400_beside_its_field(finance: Shopper) -> None:
    for text in ("2026-13", "2027-01", "november", "0001-01", "%22%3E%3Cscript%3E"):
        answer = finance.get(f"/staff/books?month={text}")
        assert answer.status == 400, text
        assert 'aria-describedby="month-error"' in answer.body
        assert "<script>" not in answer.body


def test_a_day_without_books_is_said_and_written_by_the_merchant_alone(
    merchant: Shopper, finance: Shopper, functions: Any
) -> None:
    before = download("books/2026/11/20/orders-2026-11-20.csv")
    s3 = clients.client("s3")
    for key in keys():
        if "2026-11-20" in key:
            s3.delete_object(Bucket=settings.books_bucket, Key=key)
    page = finance.get("/staff/books")
    assert "Books missing or damaged for 1 day" in page.text
    assert "missing – – – – – The day is over but has no files." in row(page, "Friday, 20 November")
    assert '<form method="post" action="/staff/books' not in page.body
    assert finance.post("/staff/books/2026-11-20").status == 403
    assert "Create files now" in row(merchant.get("/staff/books"), "Friday, 20 November")
    answers = [merchant.post("/staff/books/2026-11-20") for _ in range(2)]
    functions.drain("background-jobs")
    for answer in answers:  # the second compared what the first wrote
        assert (
            "The books for Friday, 20 November have been created: 1 order, 2 transactions."
            in merchant.follow(answer).text
        )
    assert download("books/2026/11/20/orders-2026-11-20.csv") == before
    assert "Orders 1" in row(finance.get("/staff/books"), "Friday, 20 November")
    asked = [entry for entry in trail() if entry.action == "requested a day’s books"]
    assert [entry.after for entry in asked] == [{"day": "2026-11-20"}] * 2


def test_a_day_that_goes_on_has_provisional_files_when_they_are_asked_for(
    merchant: Shopper, finance: Shopper, functions: Any
) -> None:
    answer = merchant.post("/staff/books/2026-11-22")
    functions.drain("background-jobs")
    assert "Provisional books for Sunday, 22 November have been created" in merchant.follow(answer).text
    assert "The files are from" in row(finance.get("/staff/books"), "Sunday, 22 November")
    content, headers = fetch(finance.get("/staff/books/2026-11-22/orders").location)
    assert content.count(b"\r\n") == 2
    assert headers["Content-Disposition"] == 'attachment; filename="provisional-orders-2026-11-22.csv"'


def test_a_day_that_has_no_books_to_write_is_refused(merchant: Shopper) -> None:
    for day, status in {"2026-11-23": 400, "2026-11-18": 409, "tomorrow": 400}.items():
        assert merchant.post(f"/staff/books/{day}").status == status, day


def test_a_difference_is_shown_by_the_job(merchant: Shopper, month: Ledger, at: At, functions: Any) -> None:
    at("2026-11-20T13:00")
    month.sale()
    at("2026-11-22T12:00")
    answer = merchant.post("/staff/books/2026-11-20")
    functions.drain("background-jobs")
    page = merchant.follow(answer)
    assert "The books for Friday, 20 November couldn’t be created." in page.text
    assert "orders-2026-11-20.csv differs from the current data" in page.text


def test_a_month_is_one_file_whose_sums_are_the_pages(finance: Shopper, functions: Any) -> None:
    first, second = (finance.get("/staff/books/2026-11") for _ in range(2))
    assert first.location == second.location  # followed twice, made once
    assert functions.drain("background-jobs") == 1
    page = finance.follow(first)
    assert "The books for 3 days, Thursday, 19 November to Saturday, 21 November." in page.text
    result = finance.get(urlsplit(first.location).path + "/result")
    content, headers = fetch(result.location)
    assert headers["Content-Disposition"] == 'attachment; filename="books-2026-11.zip"'
    archive = zipfile.ZipFile(io.BytesIO(content))
    text = archive.read("ledger-2026-11.csv").decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    sales = sum(Decimal(line["amount"]) for line in lines if line["kind"] == "sale")
    assert len(lines) == 4
    assert f"November 2026 3 closed days €{sales:,.2f}" in row(finance.get("/staff/books"), "November 2026")


def test_prefetching_starts_no_job(finance: Shopper) -> None:
    for answer in (
        finance.send("HEAD", "/staff/books/2026-11"),
        finance.get("/staff/books/2026-11", Sec_Purpose="prefetch"),
    ):
        assert answer.location.endswith("/staff/books?month=2026-11")
    assert not list(Job.scan())


def test_a_damaged_month_is_not_handed_out(finance: Shopper, functions: Any) -> None:
    key = "books/2026/11/20/ledger-2026-11-20.csv"
    clients.client("s3").put_object(Bucket=settings.books_bucket, Key=key, Body=download(key) + b"x")
    answer = finance.get("/staff/books/2026-11")
    functions.drain("background-jobs")
    page = finance.follow(answer)
    assert "The books for November 2026 couldn’t be combined." in page.text
    assert key in page.text
    assert not [one for one in keys() if one.startswith("exports/")]


def test_a_missing_file_is_said_beside_its_day(finance: Shopper) -> None:
    clients.client("s3").delete_object(
        Bucket=settings.books_bucket, Key="books/2026/11/20/ledger-2026-11-20.csv"
    )
    assert "damaged" in row(finance.get("/staff/books"), "Friday, 20 November")
    assert "Missing: ledger." in row(finance.get("/staff/books"), "Friday, 20 November")


def test_the_page_is_bounded_whatever_was_sold(finance: Shopper) -> None:
    assert read_json("books/2026/11/20/manifest-2026-11-20.json")["totals"]
    with counted_calls() as calls:
        assert finance.get("/staff/books?month=2026-11").status == 200
    assert calls["Scan"] == 0
    assert calls.total() <= 9, calls


def test_days_of_other_currencies_show_both(month: Ledger, finance: Shopper, at: At) -> None:
    at("2026-11-22T13:00")
    month.book("sale", month.order(CUP), 5000, fee=100, currency="USD")
    assert "$50.00" in row(finance.get("/staff/books"), "Sunday, 22 November")
