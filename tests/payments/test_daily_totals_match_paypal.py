"""A day of mixed outcomes: the books, the orders and PayPal's own ledger tell the same sums."""

import csv
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO

import pytest

from chalicelib import clock
from chalicelib.aws import client
from chalicelib.config import settings
from chalicelib.ledger import daily_reports
from tests.shop import Shop, token_of


@pytest.fixture
def shop(shop: Shop) -> Iterator[Shop]:
    """Give the day hours enough."""
    with shop.far_from_midnight():
        yield shop


def read_csv(shop: Shop, name: str, export: daily_reports.Export) -> list[dict[str, str]]:
    key = export.files[name].key
    body = client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()
    return list(csv.DictReader(StringIO(body.decode("utf-8-sig"))))


@pytest.mark.slow
def test_the_days_books_equal_the_money_at_paypal(shop: Shop) -> None:
    shop.paid(MUG=1)
    shop.paid(TEA_50=2, MUG=3)
    shop.placed(MUG=1)  # leaves
    shopper, token = shop.placed(TEA_100=1)
    shop.paypal.decline(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    shop.come_back(shopper, token)  # declined, then paid
    slow, token = shop.placed(MUG=2)
    shop.paypal.slow(token)
    slow.get(f"/payments/paypal/return?token={token}")
    (pending,) = [order for order in shop.orders() if order.state == "pending"]
    shop.paypal.complete(pending.capture_id or "")
    denied, token = shop.placed(MUG=2)
    shop.paypal.slow(token)
    denied.get(f"/payments/paypal/return?token={token}")
    (held,) = [order for order in shop.orders() if order.state == "pending" and order.id != pending.id]
    shop.paypal.deny(held.capture_id or "")
    _, token = shop.placed(TEA_50=1)
    shop.paypal.approve(token)  # closes the tab
    shopper, token = shop.placed(MUG=1)
    shop.paypal.next_capture("completed", value="1.00")
    shop.come_back(shopper, token)  # underpaid: refunded
    _, partly = shop.paid(MUG=4)
    shop.paypal.refund(shop.order(partly).capture_id or "", "10.00")
    _, wholly = shop.paid(TEA_50=1)
    shop.paypal.refund(shop.order(wholly).capture_id or "")
    _, charged_back = shop.paid(MUG=1)
    shop.paypal.reverse(shop.order(charged_back).capture_id or "")
    shopper, token = shop.placed(MUG=1)
    shop.paypal.fault("capture", "cut_after", times=None)
    shop.come_back(shopper, token)
    shop.paypal.clear_faults()

    shop.deliver_notifications()
    with shop.later(minutes=6):
        shop.reconcile()
        shop.reconcile()
        today = clock.now().date()
    export = daily_reports.export_day(today, provisional=True)

    ledger = read_csv(shop, "ledger", export)
    theirs = shop.paypal.ledger()
    assert Counter((row["kind"], Decimal(row["amount"])) for row in ledger) == Counter(
        (row.kind, row.amount) for row in theirs
    )
    assert sum(Decimal(row["amount"]) for row in ledger) == sum(row.amount for row in theirs)
    assert len({row["paypal_id"] for row in ledger}) == len(ledger)
    orders = read_csv(shop, "orders", export)
    states = {order.number: order.state for order in shop.orders()}
    assert {row["order_number"] for row in orders} == {n for n, state in states.items() if state == "paid"}
    for row in orders:
        lines = [
            line
            for line in read_csv(shop, "order-lines", export)
            if line["order_number"] == row["order_number"]
        ]
        assert sum(Decimal(line["line_total"]) for line in lines) == Decimal(row["items"])
    sold = sum(
        line.quantity
        for order in shop.orders()
        if order.state == "paid"
        for line in order.lines
        if line.sku == "MUG"
    )
    held_back = sum(
        line.quantity
        for order in shop.orders()
        if order.reserved
        for line in order.lines
        if line.sku == "MUG"
    )
    assert shop.stock("MUG") + sold + held_back == 100


def test_paying_again_after_a_day_ended_goes_into_the_new_days_books(shop: Shop) -> None:
    shopper, _token = shop.placed()
    with shop.later(hours=30):
        shop.reconcile()
        order = shop.orders()[0]
        assert order.state == "expired"
        again = token_of(shop.place(shopper))
        shop.come_back(shopper, again)
        today = clock.now().date()
        assert [row.partition.partition("#")[0] for row in shop.ledger()] == [today.isoformat()]
