"""Orders as CSV: what is ticked or filtered, in the books' columns; many of them by a job, in flat memory."""

import csv
import io
import json
import logging
import tracemalloc
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import pytest

from chalicelib import aws as clients
from chalicelib import clock, ids
from chalicelib.config import settings
from chalicelib.ledger import report_files
from chalicelib.ledger.report_columns import ORDERS
from chalicelib.orders import erasure
from chalicelib.orders.search import order_list, search_index
from chalicelib.payments.refunds import RefundRequest, refund_payment
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import Job
from chalicelib.staff.orders import csv_export, order_actions
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.orders.bulk_orders import order_id, stock_orders
from tests.shop import Shop, token_of
from tests.staff.staff_client import member, trail

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
    shop.functions.drain("background-jobs")
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
    booked = ORDERS.in_format(1).columns
    assert tuple(paid)[: len(booked)] == booked
    assert (paid["scheme"], paid["territory"], paid["added_tax"]) == ("home", "DE", "0.00")
    assert (paid["name"], paid["total"], paid["country"]) == ("Test Customer", "41.90", "DE")
    assert (unpaid["paid_at"], unpaid["paypal_capture_id"]) == ("", "")
    assert unpaid["name"].startswith("'=")


def test_what_is_packed_and_where_it_goes_is_behind_the_books_columns(shop: Shop, finance: Shopper) -> None:
    address = {
        "address": "Lange Straße 12",
        "address2": "=1+1",
        "postal_code": "04109",
        "city": "Leipzig",
        "region": "Sachsen",
        "phone": "+49 30 1234567",
    }
    shopper = shop.shopper_with(MUG=2, TEA_50=1)
    shop.come_back(shopper, token_of(shop.place(shopper, **address)))
    (order,) = shop.orders()
    order_actions.add_parcel(
        order.id, order_actions.Parcel("DHL", "0034"), "merchant@shop.example", "1" * 32, mail=True
    )
    order_actions.ship(order.id, order_actions.Parcel("Cargo bike"), "merchant@shop.example")
    (row,) = exported(finance)
    assert list(row)[len(ORDERS.in_format(1).columns) :] == [
        *address,
        "line_items",
        "carrier",
        "tracking_number",
        "state",
        "refunded",
        "reversed",
        "scheme",
        "territory",
        "added_tax",
    ]
    assert {name: row[name] for name in address} == {
        **address,
        "address2": "'=1+1",
        "phone": "+49 30 1234567",
    }
    assert row["line_items"] == "2 × MUG Pebble mug; 1 × TEA-50 Green tea"
    assert (row["carrier"], row["tracking_number"]) == ("DHL; Cargo bike", "0034; ")
    assert (row["state"], row["refunded"], row["reversed"]) == ("shipped", "0.00", "0.00")


def test_state_refunds_and_reversals_are_exported(shop: Shop, finance: Shopper) -> None:
    _, order_id = shop.paid(MUG=2)
    refund_request = RefundRequest(550, int(shop.order(order_id).total), "A crack.", restock={})
    refund_payment(order_id, ids.new_id(), refund_request, "merchant@shop.example")
    shop.placed(MUG=1)
    unpaid, paid = exported(finance)
    assert (unpaid["state"], unpaid["refunded"], unpaid["reversed"]) == ("awaiting", "0.00", "0.00")
    assert (paid["state"], paid["refunded"], paid["reversed"]) == ("paid", "5.50", "0.00")


@pytest.mark.parametrize(
    ("phone", "cell"),
    [
        ("+49 30 1234567", "+49 30 1234567"),
        ("+493012345678", "+493012345678"),
        ("+49 (30) 123-4567", "+49 30 123 4567"),  # E.123: nothing in it that a spreadsheet could compute
        ("+49 (0)30 1234567", "+49 30 1234567"),
        ("+49/30-1234.5", "+49 30 1234 5"),
        ("+1-1", "+1 1"),
        ("030 1234567", "030 1234567"),
        ("+49 30 123 ext. 5", "'+49 30 123 ext. 5"),
        ("+A1 12345", "'+A1 12345"),
        ("=1+12345", "'=1+12345"),
        ("-4930123", "'-4930123"),
        ("+4930123;=1+1", "'+4930123;'=1+1"),
        ("+", "'+"),
        ("", ""),
    ],
)
def test_an_international_telephone_number_is_written_without_an_apostrophe(phone: str, cell: str) -> None:
    assert csv_export.phone_cell(phone) == cell


def test_codes_are_written_as_they_are_and_not_as_a_spreadsheet_would_like_them(
    shop: Shop, finance: Shopper
) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.come_back(shopper, token_of(shop.place(shopper, postal_code="01067", city="Dresden")))
    (order,) = shop.orders()
    order_actions.ship(order.id, order_actions.Parcel("DHL", "00340434161123456789"), "merchant@shop.example")
    (row,) = exported(finance)
    assert (row["postal_code"], row["tracking_number"]) == ("01067", "00340434161123456789")


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
    monkeypatch.setattr(csv_export, "MAX_DIRECT", 50)
    monkeypatch.setattr(csv_export, "REPORT_EVERY", 100)
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
    assert (job.state, job.progress, job.message) == ("done", 230, "The file contains 230 orders.")
    assert len(rows(file_of(shop, finance, finance.get("/staff/orders/csv?state=paid")))) == 58


def test_a_head_request_starts_no_work(shop: Shop, finance: Shopper, monkeypatch: pytest.MonkeyPatch) -> None:
    stock_orders(range(5))
    monkeypatch.setattr(csv_export, "MAX_DIRECT", 2)
    monkeypatch.setattr(search_index, "MAX_ROWS", 2)
    for address in ("/staff/orders/csv", "/staff/orders/csv?q=many"):
        assert finance.send("HEAD", address).location.endswith("/staff/orders")
        assert finance.get(address, Sec_Purpose="prefetch").location.endswith("/staff/orders")
    assert not list(Job.scan())


# -- more than a search lists: a job looks for the text in every order ------------------------------------


@pytest.fixture
def few_found(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a search find so few that a job is asked for the rest; return how many."""
    monkeypatch.setattr(search_index, "MAX_ROWS", 20)
    return 20


def everything_kept_of(job: Job) -> str:
    """Return all that the table of jobs and the audit trail hold, as they hold it."""
    rows = [Job.get(job.id), *(entry for entry in trail() if job.id in entry.subject)]
    assert len(rows) > 1
    return json.dumps([row.serialize() for row in rows], ensure_ascii=False)


def job_of(answer: Answer) -> Job:
    """Read the job that an answer leads to."""
    assert answer.location.startswith("/staff/jobs/"), answer.location
    return Job.get(answer.location.rpartition("/")[2])


def test_a_search_that_finds_more_than_it_lists_is_written_whole_by_a_job(
    shop: Shop, finance: Shopper, few_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "REPORT_EVERY", 100)
    stock_orders(range(110), name="Ann-Sophie Lee", email="ann@shop.example")
    stock_orders(range(110, 130), name="Leeroy Kay", email="kay@shop.example")
    stock_orders(range(130, 150), name="Annabel Leeds", email="leeds@shop.example")
    question = urlencode({"q": "lee ANN"})
    # Of both words others are found first, so that none of them is common: that is not nothing.
    assert "Too many orders match" in finance.get(f"/staff/orders?{question}").text
    assert "or export the results" in finance.get("/staff/orders?q=ann").text
    answer = finance.get(f"/staff/orders/csv?{question}")
    stock_orders([50_000_000], name="Ann Lee")  # in the year 2121: comes while the file is made
    written = rows(file_of(shop, finance, answer))
    expected = [*reversed(range(130, 150)), *reversed(range(110))]
    assert [row["order_number"] for row in written] == [f"00000-{n:05d}" for n in expected]
    job = job_of(answer)
    assert (job.progress, job.total, job.message) == (150, 150, "The file contains 130 orders."), (
        "walked, and kept"
    )


def test_a_search_within_a_state_and_days_is_written_within_them(
    shop: Shop, merchant: Shopper, few_found: int
) -> None:
    stock_orders(range(A_DAY - 60, A_DAY + 60), name="Ann Lee", email="ann@shop.example")
    question = {"q": "ann@shop.example", "state": "paid", "day": "2026-01-02"}
    written = rows(file_of(shop, merchant, merchant.get("/staff/orders/csv?" + urlencode(question))))
    expected = reversed(range(A_DAY, A_DAY + 60, 4))
    assert [row["order_number"] for row in written] == [f"00000-{n:05d}" for n in expected]


def test_the_search_text_is_in_no_audit_entry_log_or_finished_job(
    shop: Shop, finance: Shopper, few_found: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stock_orders(range(30), name="Ann Quill", email="quill@shop.example")
    answer = finance.get("/staff/orders/csv?q=Ann+Quill")
    again = finance.get("/staff/orders/csv?q=Ann+Quill")
    assert answer.location != again.location, "an id made of the text would let it be guessed for ever"
    assert job_of(answer).private_arguments == {"text": "Ann Quill"}
    with mock.patch.object(
        report_files.ReportWriter, "finish", side_effect=RuntimeError("a neighbour was silent")
    ):
        shop.functions.drain("background-jobs")
    assert job_of(answer).private_arguments == {"text": "Ann Quill"}, "it comes again, and has to know"
    job_queue.send({"job": job_of(answer).id})
    assert len(rows(file_of(shop, finance, answer))) == 30
    assert "quill" not in everything_kept_of(job_of(answer)).lower()
    assert "a neighbour was silent" in caplog.text
    assert "quill" not in caplog.text.lower()


def test_a_customer_erased_during_the_job_is_not_in_its_file(
    shop: Shop, merchant: Shopper, few_found: int
) -> None:
    stock_orders(range(30), name="Ann Lee", email="ann@shop.example")
    answer = merchant.get("/staff/orders/csv?q=ann@shop.example")
    account = member("merchant")
    assert erasure.erase(order_id(5), account.email, audit_log.writer_for(account, "erased customer data"))
    written = {row["order_number"] for row in rows(file_of(shop, merchant, answer))}
    assert written == {f"00000-{n:05d}" for n in range(30) if n != 5}


@pytest.mark.slow
@pytest.mark.usefixtures("aws")
def test_memory_stays_flat_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # Parts this small stand for S3's 5 MB: the local cloud takes them.
    monkeypatch.setattr(report_files, "PART_BYTES", 20_000)
    monkeypatch.setattr(order_list, "KEYS_PER_QUERY", 50)
    monkeypatch.setattr(order_list, "BATCHES_AHEAD", 1)  # which two days fill
    stock_orders(range(0, 10 * A_DAY, A_DAY // 110), found_every=10**9)
    merchant = member("merchant")
    two_days: dict[str, str] = {"last": "2026-01-02"}
    _first, few, many = (_peak(_job(merchant.email, days)) for days in (two_days, two_days, {}))
    assert many < few * 1.3, "of ten days as of two"


def _job(actor: str, days: dict[str, str]) -> Job:
    first = {"first": "2026-01-01"} if days else {}
    arguments = {"state": "", "before": "9", **first, **days}
    job = Job(
        f"{len(days):032x}",
        kind="orders-export",
        actor=actor,
        created_at="",
        arguments=arguments,
        problems=[],
        expires=0,
    )
    job.save()
    return job


def _peak(job: Any) -> int:
    """Return how much memory a job takes at most, in bytes."""
    tracemalloc.start()
    csv_export.run(job)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert job.state == "done"
    return peak
