"""A ledger that tests write into directly, a clock they move, and the books as finance downloads them."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from chalicelib import aws as clients
from chalicelib import clock
from chalicelib.config import settings
from chalicelib.ledger.models import REFUND, REVERSAL, SALE, LedgerEntry, SoldLine, new_ledger_entry
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order
from chalicelib.orders.states import OrderState
from infra.local.local_cloud import LocalCloud

TEA = OrderLine("TEA-G", "tea", "Green tea", {"Size": "Large", "Colour": "Moss"}, 2, 1290, "7")
CUP = OrderLine("CUP", "cup", "Cup", {}, 1, 500, "19")
CUSTOMER = {"name": "Test Customer", "email": "test@example.com", "country": "GB"}


class Ledger:
    """What settling would have written."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def order(
        self, *lines: OrderLine, customer: dict[str, str] | None = None, currency: str = "EUR"
    ) -> Order:
        """Place an order."""
        order = new_order(
            lines=list(lines or (TEA, CUP)),
            customer=customer or CUSTOMER,
            shipping=490,
            taxes={"7": 169, "19": 158},
            cart="c" * 64,
            cart_version=1,
        )
        order.currency = currency
        order.payment_attempts = [
            {"id": f"PP{next(self._numbers)}", "payee": "M", "link": "https://example.com"}
        ]
        order.save()
        return order

    def sale(self, order: Order | None = None, *, fee: int | None = 62) -> Order:
        """Book the capture that pays an order."""
        order = order or self.order()
        sold = [(line.sku, line.name, line.quantity, line.total) for line in order.lines]
        row = self.book(SALE, order, int(order.total), fee=fee, sold=sold)
        order.state, order.paid_at, order.capture_id = OrderState.PAID, clock.iso_now(), row.paypal_id
        order.save()
        return order

    def refund(self, order: Order, amount: int, *, fee: int | None = 0) -> LedgerEntry:
        """Book money that went back."""
        return self.book(REFUND, order, -amount, fee=fee)

    def reversal(self, order: Order, amount: int) -> LedgerEntry:
        """Book money that a bank took back."""
        return self.book(REVERSAL, order, -amount, fee=None)

    def book(
        self,
        kind: str,
        order: Order,
        amount: int,
        *,
        fee: int | None,
        currency: str | None = None,
        sold: Sequence[SoldLine] = (),
        taxes: dict[str, Any] | None = None,
    ) -> LedgerEntry:
        """Book any movement."""
        row = new_ledger_entry(
            kind,
            order=order.id,
            order_number=order.number,
            amount=amount,
            currency=currency or order.currency,
            paypal_id=f"MOVE{next(self._numbers)}",
            paypal_at=clock.iso_now(),
            fee=fee,
            sold=sold,
        )
        row.taxes = taxes
        row.save()
        return row


@pytest.fixture
def ledger(aws: LocalCloud) -> Ledger:
    """Return an empty ledger."""
    return Ledger()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], datetime]:
    """Set the clock: `at("2026-11-22T10:00")`, in UTC. It starts at noon of that day."""

    def move(text: str) -> datetime:
        now = datetime.fromisoformat(text).replace(tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: now)
        return now

    move("2026-11-22T12:00")
    return move


def download(key: str) -> bytes:
    """Download a file of the books."""
    return clients.client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()


def keys() -> list[str]:
    """List all files of the books."""
    page = clients.client("s3").list_objects_v2(Bucket=settings.books_bucket)
    return [item["Key"] for item in page.get("Contents", [])]


def everything() -> dict[str, bytes]:
    """Download all files of the books."""
    return {key: download(key) for key in keys()}


def rows(key: str) -> list[dict[str, str]]:
    """Read a sheet as a CSV reader sees it."""
    return list(csv.DictReader(io.StringIO(download(key).decode("utf-8-sig"), newline="")))


def read_json(key: str) -> dict[str, Any]:
    """Read a manifest."""
    content: dict[str, Any] = json.loads(download(key))
    return content
