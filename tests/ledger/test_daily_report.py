"""What a closed day's files hold."""

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest

from chalicelib import aws as clients
from chalicelib import clock
from chalicelib.config import settings
from chalicelib.ledger import daily_reports, report_files
from chalicelib.ledger.models import REFUND, SALE, LedgerEntry, partitions_of
from chalicelib.orders.base import OrderLine
from tests.ledger.conftest import CUP, TEA, Ledger, download, everything, keys, read_json, rows

DAY = date(2026, 11, 22)
FOLDER = "books/2026/11/22"
LEDGER, ORDERS = f"{FOLDER}/ledger-2026-11-22.csv", f"{FOLDER}/orders-2026-11-22.csv"
LINES, MANIFEST = f"{FOLDER}/order-lines-2026-11-22.csv", f"{FOLDER}/manifest-2026-11-22.json"
TAXES = f"{FOLDER}/taxes-2026-11-22.csv"
At = Callable[[str], datetime]


def test_the_files_have_the_promised_names_and_columns(ledger: Ledger, at: At) -> None:
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    assert keys() == sorted([LEDGER, ORDERS, LINES, TAXES, MANIFEST])
    bom = b"\xef\xbb\xbf"
    assert download(ORDERS) == bom + (
        b"order_number,order_id,placed_at,paid_at,email,name,country,currency,items,shipping,tax_included,total,"
        b"paypal_order_id,paypal_capture_id,scheme,territory,added_tax\r\n"
    )
    assert download(LINES) == bom + (
        b"order_number,sku,name,options,quantity,unit_price,line_total,tax_rate,currency,tax_class\r\n"
    )
    assert download(LEDGER) == bom + (
        b"booked_at,paypal_at,kind,order_number,amount,fee,net,currency,paypal_id\r\n"
    )
    assert download(TAXES) == bom + (
        b"order_number,kind,booked_at,scheme,territory,region,tax_class,rate,net,tax,gross,currency,"
        b"supply_period,corrects_period\r\n"
    )


def test_an_empty_day_has_books_too(ledger: Ledger, at: At) -> None:
    at("2026-11-23T01:00")
    export = daily_reports.export_day(DAY)
    assert [file.rows for file in export.files.values()] == [0, 0, 0, 0]
    manifest = read_json(MANIFEST)
    assert (manifest["day"], manifest["timezone"]) == ("2026-11-22", "UTC")
    assert (manifest["totals"], manifest["currencies"]) == ({}, [])


def test_a_sale_is_in_the_sheets_of_orders_lines_and_ledger(ledger: Ledger, at: At) -> None:
    order = ledger.sale(fee=125)
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    noon = "2026-11-22T12:00:00.000Z"
    assert rows(ORDERS) == [
        {
            "order_number": order.number,
            "order_id": order.id,
            "placed_at": noon,
            "paid_at": noon,
            "email": "test@example.com",
            "name": "Test Customer",
            "country": "GB",
            "currency": "EUR",
            "items": "30.80",
            "shipping": "4.90",
            "tax_included": "3.27",
            "total": "35.70",
            "paypal_order_id": order.paypal_order_id,
            "paypal_capture_id": order.capture_id,
            "scheme": "",
            "territory": "",
            "added_tax": "0.00",
        }
    ]
    assert rows(LINES)[0] == {
        "order_number": order.number,
        "sku": "TEA-G",
        "name": "Green tea",
        "options": "Size: Large; Colour: Moss",
        "quantity": "2",
        "unit_price": "12.90",
        "line_total": "25.80",
        "tax_rate": "7",
        "currency": "EUR",
        "tax_class": "",
    }
    assert [line["sku"] for line in rows(LINES)] == ["TEA-G", "CUP"]
    assert rows(LEDGER) == [
        {
            "booked_at": noon,
            "paypal_at": noon,
            "kind": "sale",
            "order_number": order.number,
            "amount": "35.70",
            "fee": "1.25",
            "net": "34.45",
            "currency": "EUR",
            "paypal_id": order.capture_id,
        }
    ]


def test_the_ledger_is_in_order_of_time_across_all_partitions(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_reports, "ROWS_PER_PAGE", 3)  # so that each partition takes several pages
    booked = []
    for minute in range(40):
        at(f"2026-11-22T12:{minute:02}")
        booked.append(ledger.sale().capture_id)
    assert all(LedgerEntry.count(partition) > 3 for partition in partitions_of(str(DAY)))
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    assert [row["paypal_id"] for row in rows(LEDGER)] == booked
    assert [row["paypal_capture_id"] for row in rows(ORDERS)] == booked


def test_more_orders_than_one_read_takes_are_all_there(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_reports, "SALES_PER_BATCH", 4)
    numbers = [ledger.sale(ledger.order(CUP)).number for _ in range(11)]
    at("2026-11-23T01:00")
    export = daily_reports.export_day(DAY)
    assert {name: file.rows for name, file in export.files.items()} == {
        "orders": 11,
        "order-lines": 11,
        "ledger": 11,
        "taxes": 0,
    }
    assert sorted(row["order_number"] for row in rows(ORDERS)) == sorted(numbers)


def test_taxes_have_a_row_for_each_rate_of_a_movement(ledger: Ledger, at: At) -> None:
    sums = [
        {"tax_class": "standard", "rate": "19", "net": 1597, "tax": 303},
        {"tax_class": "tea", "rate": "7", "net": 925, "tax": 65},
    ]
    taxes = {
        "scheme": "oss", "territory": "FR-20", "region": "", "sums": sums,
        "supply_period": "2026-10", "corrects_period": "2026-10",
    }  # fmt: skip
    order = ledger.order()
    ledger.book(REFUND, order, -2890, fee=0, taxes={**taxes, "sums": [negated(each) for each in sums]})
    ledger.book(SALE, order, 1, fee=0)  # paid no order
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    written = rows(TAXES)
    assert [(row["tax_class"], row["rate"], row["net"], row["tax"], row["gross"]) for row in written] == [
        ("standard", "19", "-15.97", "-3.03", "-19.00"),
        ("tea", "7", "-9.25", "-0.65", "-9.90"),
    ]
    assert {(row["order_number"], row["kind"], row["scheme"], row["territory"]) for row in written} == {
        (order.number, "refund", "oss", "FR-20")
    }
    assert {(row["supply_period"], row["corrects_period"]) for row in written} == {("2026-10", "2026-10")}


def negated(sums: dict[str, Any]) -> dict[str, Any]:
    return {**sums, "net": -sums["net"], "tax": -sums["tax"]}


def test_money_that_paid_no_order_is_in_the_ledger_alone(ledger: Ledger, at: At) -> None:
    paid = ledger.sale()
    ledger.book(SALE, paid, int(paid.total), fee=62)  # a second capture
    ledger.book(SALE, ledger.order(), 1, fee=0)  # a wrong amount
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    assert [row["order_number"] for row in rows(ORDERS)] == [paid.number]
    assert len(rows(LEDGER)) == 3


def test_the_orders_are_those_whose_money_was_booked_that_day(ledger: Ledger, at: At) -> None:
    order = ledger.sale()
    at("2026-11-23T12:00")
    ledger.refund(order, 500)
    at("2026-11-24T01:00")
    daily_reports.export_day(DAY)
    daily_reports.export_day(date(2026, 11, 23))
    assert [row["order_number"] for row in rows(ORDERS)] == [order.number]
    assert rows("books/2026/11/23/orders-2026-11-23.csv") == []
    assert [row["amount"] for row in rows("books/2026/11/23/ledger-2026-11-23.csv")] == ["-5.00"]


def test_the_manifest_sums_what_moved_by_kind_and_currency(ledger: Ledger, at: At) -> None:
    order = ledger.sale(fee=125)
    ledger.sale(fee=None)
    ledger.refund(order, 1000, fee=-30)
    ledger.reversal(order, 257)
    ledger.book(SALE, order, 1200, fee=40, currency="JPY")
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    manifest = read_json(MANIFEST)
    assert manifest["currencies"] == ["EUR", "JPY"]
    assert manifest["totals"] == {
        "refund": {
            "EUR": {"amount": "-10.00", "count": 1, "fee": "-0.30", "net": "-9.70", "without_fee": 0},
        },
        "reversal": {
            "EUR": {"amount": "-2.57", "count": 1, "fee": "0.00", "net": "0.00", "without_fee": 1},
        },
        "sale": {
            "EUR": {"amount": "71.40", "count": 2, "fee": "1.25", "net": "34.45", "without_fee": 1},
            "JPY": {"amount": "1200", "count": 1, "fee": "40", "net": "1160", "without_fee": 0},
        },
    }


def test_the_manifest_vouches_for_every_byte(ledger: Ledger, at: At) -> None:
    ledger.sale()
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    vouched = read_json(MANIFEST)["files"]
    assert {entry["key"] for entry in vouched.values()} == {LEDGER, ORDERS, LINES, TAXES}
    for entry in vouched.values():
        content = download(entry["key"])
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["bytes"] == len(content)
        assert entry["rows"] == len(rows(entry["key"]))


def test_currencies_without_decimals_have_none(ledger: Ledger, at: At) -> None:
    ledger.sale(ledger.order(OrderLine("CUP", "cup", "Cup", {}, 2, 1200, "10"), currency="JPY"), fee=86)
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    assert rows(ORDERS)[0]["total"] == "2890"
    assert rows(LINES)[0]["unit_price"] == "1200"
    assert {name: rows(LEDGER)[0][name] for name in ("amount", "fee", "net")} == {
        "amount": "2890",
        "fee": "86",
        "net": "2804",
    }


def test_texts_that_a_spreadsheet_would_run_are_defused(ledger: Ledger, at: At) -> None:
    evil = OrderLine("-5", "x", "=1+1", {"Size": "+1"}, 1, 100, "19")
    customer = {"name": '=HYPERLINK("https://evil.example"),\r\n-1', "email": "@sum", "country": "DE"}
    order = ledger.sale(ledger.order(evil, customer=customer))
    ledger.refund(order, 100)
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY)
    assert rows(ORDERS)[0]["name"] == "'=HYPERLINK(\"https://evil.example\"),\r\n'-1"
    assert rows(ORDERS)[0]["email"] == "'@sum"
    assert [rows(LINES)[0][name] for name in ("sku", "name")] == ["'-5", "'=1+1"]
    assert rows(LEDGER)[1]["amount"] == "-1.00"  # a number stays a number


def test_large_sheets_go_up_in_parts_and_are_the_same_file(
    ledger: Ledger, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        ledger.sale(ledger.order(TEA))
    at("2026-11-23T01:00")
    daily_reports.export_day(DAY, provisional=True)
    whole = {key.replace("provisional/", ""): body for key, body in everything().items()}
    monkeypatch.setattr(report_files, "PART_BYTES", 100)
    monkeypatch.setattr(daily_reports, "SALES_PER_BATCH", 2)
    daily_reports.export_day(DAY)
    s3 = clients.client("s3")
    assert s3.head_object(Bucket=settings.books_bucket, Key=LEDGER)["ETag"].endswith('-6"')
    for key in (LEDGER, ORDERS, LINES):
        assert download(key) == whole[key]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=settings.books_bucket)


def test_an_order_that_is_gone_is_an_error_and_leaves_nothing(ledger: Ledger, at: At) -> None:
    order = ledger.sale()
    order.delete()
    at("2026-11-23T01:00")
    with pytest.raises(daily_reports.ReportError, match=order.number):
        daily_reports.export_day(DAY)
    assert keys() == []


def test_a_day_that_is_not_closed_gets_no_final_books(ledger: Ledger, at: At) -> None:
    at("2026-11-23T00:59:59")
    with pytest.raises(daily_reports.ReportError, match="2026-11-23 01:00 UTC"):
        daily_reports.export_day(DAY)
    assert keys() == []


def test_provisional_books_follow_the_day(ledger: Ledger, at: At) -> None:
    ledger.sale()
    first = daily_reports.export_day(DAY, provisional=True)
    ledger.sale()
    second = daily_reports.export_day(DAY, provisional=True)
    assert (first.files["ledger"].rows, second.files["ledger"].rows) == (1, 2)
    key = "books/provisional/2026/11/22/ledger-2026-11-22.csv"
    assert second.files["ledger"].key == key
    assert len(rows(key)) == 2
    assert not [key for key in keys() if not key.startswith("books/provisional/")]


def test_each_movement_is_in_exactly_one_days_file(
    ledger: Ledger, at: At, setting: Callable[..., None]
) -> None:
    from zoneinfo import ZoneInfo

    setting(timezone=ZoneInfo("Europe/Berlin"))
    booked = 0
    # Around the midnights of the two days on which clocks change, and of one between them.
    for instant in ("2026-03-28T22", "2026-03-28T23", "2026-03-29T00", "2026-03-29T21", "2026-03-29T22"):
        for minute in ("00", "29", "59:59.999"):
            at(f"{instant}:{minute}")
            booked += int(ledger.sale().total)
    at("2026-04-01T12:00")
    days = [date(2026, 3, day) for day in (28, 29, 30)]
    exports = [daily_reports.export_day(day) for day in days]
    ids = [row["paypal_id"] for export in exports for row in rows(export.files["ledger"].key)]
    assert len(ids) == len(set(ids)) == 15
    assert [export.files["ledger"].rows for export in exports] == [3, 9, 3]
    cents = [export.totals["sale"]["EUR"]["amount"].replace(".", "") for export in exports]
    assert sum(map(int, cents)) == booked == sum(int(row.amount) for row in LedgerEntry.scan())


def test_erased_customers_leave_empty_cells(ledger: Ledger, at: At) -> None:
    order = ledger.sale()
    order.customer = {}
    order.save()
    daily_reports.export_day(DAY, provisional=True)
    row = rows("books/provisional/2026/11/22/orders-2026-11-22.csv")[0]
    assert (row["email"], row["name"], row["country"]) == ("", "", "")
    assert clock.iso_now() == row["paid_at"]
