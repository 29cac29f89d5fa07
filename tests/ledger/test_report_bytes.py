"""The files' bytes: what was recorded when they were first written by pynamodb's objects, and never changes."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from chalicelib.database.transactions import Transaction
from chalicelib.ledger import daily_reports
from chalicelib.staff.models import Job
from chalicelib.staff.orders import csv_export
from tests.ledger.conftest import Ledger, download, everything
from tests.ledger.golden_orders import ORDERS, golden_movements, golden_order

GOLDEN = Path(__file__).parent / "golden"
At = Callable[[str], datetime]


@pytest.fixture
def golden(ledger: Ledger, at: At) -> None:
    """Fill the ledger and the orders, and close the day."""
    for number in range(ORDERS):
        order = golden_order(number)
        order.add_to_transaction(Transaction())  # its keys in the lists
        order.save()
        for movement in golden_movements(order, number):
            movement.save()
    at("2026-11-23T01:00")


def test_the_books_are_the_recorded_bytes(golden: None) -> None:
    daily_reports.export_day(date(2026, 11, 22))
    written = {key.rpartition("/")[2]: body for key, body in everything().items()}
    assert written == {file.name: file.read_bytes() for file in GOLDEN.glob("*-2026-11-22.*")}


@pytest.mark.parametrize("state", ["", "paid", "shipped", "refunded_before_shipping"])
def test_the_orders_export_is_the_recorded_bytes(golden: None, state: str) -> None:
    job = Job(
        "a" * 32,
        kind="orders-export",
        actor="ann@example.com",
        created_at="2026-11-23T01:00:00+00:00",
        arguments={"state": state, "before": f"{datetime(2026, 11, 23, tzinfo=UTC).isoformat()}~"},
        problems=[],
        updated_at=0,
        expires=0,
    )
    csv_export.run(job)
    recorded = GOLDEN / f"export-{state or 'all'}.csv"
    assert download(f"exports/{job.id}/orders.csv") == recorded.read_bytes()
