"""Orders as CSV: what is ticked or filtered, in the books' columns; many of them by a job, in flat memory."""

import csv
import io
import tracemalloc
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib import aws as clients
from chalicelib import clock
from chalicelib.config import settings
from chalicelib.ledger import files
from chalicelib.ledger.sheets import ORDERS
from chalicelib.orders import lists
from chalicelib.staff import orders_csv
from chalicelib.staff.models import Job
from tests.client import Answer, Shopper
from tests.counting import counted_calls
from tests.orders.stock import order_id, stock_orders
from tests.shop import Shop
from tests.staff.desk import member

A_DAY = 24 * 60  # orders of the stock come once a minute


def rows(text: str) -> list[dict[str, str]]:
    """Read a file as a spreadsheet does."""
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def exported(visitor: Shopper, **question: str) -> list[dict[str, str]]:
    """Export what is asked for, at once."""
    answer = visitor.get("/staff/orders/csv?" + urlencode(question))
    assert answer.status == 200, answer.text
    return rows(answer.body)


def file_of(shop: Shop, visitor: Shopper, answer: Answer) -> str:
    """Let a job be done, and download what its page offers."""
    assert answer.status == 303, answer.text
    shop.functions.drain("staff-jobs")
    page = visitor.get(answer.location)
    assert "Download orders.csv" in page.text, page.text
    job = Job.get(answer.location.rpartition("/")[2])
    link = visitor.get(f"/staff/jobs/{job.id}/result")
    assert link.status == 303
    body = clients.client("s3").get_object(Bucket=settings.books_bucket, Key=job.result_key)["Body"].read()
    return body.decode()


def test_the_file_has_the_books_columns_and_runs_no_formula(shop: Shop, finance: Shopper) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.place(shopper, name='=HYPERLINK("https://evil.example")', email="a@example.com")
    shop.paid(MUG=2)
    answer = finance.get("/staff/orders/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="orders-2')
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    paid, unpaid = rows(answer.body)
    assert tuple(paid) == ORDERS.columns
    assert (paid["name"], paid["total"], paid["country"]) == ("Test Customer", "41.90", "DE")
    assert (unpaid["paid_at"], unpaid["paypal_capture_id"]) == ("", "")
    assert unpaid["name"].startswith("'=")


def test_what_is_ticked_or_filtered_is_in_it(shop: Shop, merchant: Shopper) -> None:
    stock_orders(range(60), name="Ann Lee", email="ann@shop.example")
    assert len(exported(merchant)) == 60
    assert len(exported(merchant, state="paid")) == 15
    assert len(exported(merchant, q="ann", state="paid")) == 15
    assert exported(merchant, day="2025-12-31") == []
    ticked = exported(merchant, **{f"pick-{order_id(3)}": "1", f"pick-{order_id(7)}": "1", "state": "paid"})
    assert [row["order_number"] for row in ticked] == ["00000-00007", "00000-00003"]
    assert merchant.get("/staff/orders/csv?day=never").status == 303


def test_many_are_written_by_a_job_and_linked(
    shop: Shop, finance: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock_orders(range(230))
    monkeypatch.setattr(orders_csv, "MOST_AT_ONCE", 50)
    monkeypatch.setattr(orders_csv, "TELL_EVERY", 100)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    with counted_calls() as calls:
        answer = finance.get("/staff/orders/csv?state=")
    assert calls["Query"] == 4
    assert calls["Scan"] == 0
    again = finance.get("/staff/orders/csv?state=")
    assert again.location == answer.location, "pressed twice, it is one job"
    stock_orders([50_000_000])  # in the year 2121: comes while the file is made
    written = rows(file_of(shop, finance, answer))
    assert [row["order_number"] for row in written] == [f"00000-{n:05d}" for n in reversed(range(230))]
    job = Job.get(answer.location.rpartition("/")[2])
    assert (job.state, job.progress, job.words) == ("done", 230, "The file has 230 orders.")
    # By text, not all of so many are found: half a file would look like a whole one, and nobody's name is in a job.
    refused = finance.get("/staff/orders/csv?q=many")
    assert (refused.status, refused.location) == (303, "/staff/orders?q=many")
    assert "no file was made" in finance.follow(refused).text
    assert len(rows(file_of(shop, finance, finance.get("/staff/orders/csv?state=paid")))) == 58


def test_a_head_request_starts_no_work(shop: Shop, finance: Shopper, monkeypatch: pytest.MonkeyPatch) -> None:
    stock_orders(range(5))
    monkeypatch.setattr(orders_csv, "MOST_AT_ONCE", 2)
    assert finance.send("HEAD", "/staff/orders/csv").location.endswith("/staff/orders")
    assert finance.get("/staff/orders/csv", Sec_Purpose="prefetch").location.endswith("/staff/orders")
    assert not list(Job.scan())


@pytest.mark.usefixtures("aws")
def test_memory_stays_flat_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # Parts this small stand for S3's 5 MB: the local cloud takes them.
    monkeypatch.setattr(files, "PART_BYTES", 20_000)
    monkeypatch.setattr(lists, "KEYS_A_STEP", 50)
    stock_orders(range(0, 10 * A_DAY, A_DAY // 110), found_every=10**9)
    merchant = member("merchant")
    two_days: dict[str, str] = {"last": "2026-01-02"}
    _first, few, many = (_peak(_job(merchant.email, days)) for days in (two_days, two_days, {}))
    assert many < few * 1.3, "of ten days as of two"


def _job(by: str, days: dict[str, str]) -> Job:
    first = {"first": "2026-01-01"} if days else {}
    arguments = {"state": "", "before": "9", **first, **days}
    job = Job(
        f"{len(days):032x}", kind="orders-csv", by=by, at="", arguments=arguments, problems=[], expires=0
    )
    job.save()
    return job


def _peak(job: Any) -> int:
    """Tell how much memory a job takes at most, in bytes."""
    tracemalloc.start()
    orders_csv.run(job)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert job.state == "done"
    return peak
