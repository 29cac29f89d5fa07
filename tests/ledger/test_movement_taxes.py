"""The taxes of movements: frozen with the sale, followed by refunds, reversals and returns, whatever their order."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from chalicelib import clock
from chalicelib.database.transactions import Transaction
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED, SALE
from chalicelib.money import Money
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order
from chalicelib.payments.movements import add_movement

TEA = OrderLine("TEA", "tea", "Tea", {}, 1, 1500, "7")
CUP = OrderLine("CUP", "cup", "Cup", {}, 1, 2000, "19")
SUMS = [
    {"tax_class": "standard", "rate": "19", "net": 1681, "tax": 319},
    {"tax_class": "food", "rate": "7", "net": 1402, "tax": 98},
]
ASSESSMENT = {"scheme": "oss", "territory": "FR", "region": "", "added_tax": 0, "sums": SUMS}


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Order:
    placed = new_order(lines=[TEA, CUP], customer={}, shipping=0, taxes={}, cart="c" * 64, cart_version=1)
    monkeypatch.setattr(placed, "tax_assessment", ASSESSMENT, raising=False)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 30, 12, tzinfo=UTC))
    return placed


def move(order: Order, kind: str, amount: int, capture_id: str | None = "CAP") -> dict[str, Any] | None:
    """Book a movement, and return the taxes in its row."""
    number = len(order.ledger_entries or ())
    paypal_id = capture_id if kind == SALE and capture_id else f"MOVE{number}"
    transaction = Transaction()
    lines = order.lines if kind == SALE and capture_id == "CAP" else ()
    add_movement(
        transaction, order, kind, paypal_id, Money(amount, "EUR"), 0, "", lines, capture_id=capture_id
    )
    entry = (order.ledger_entries or [])[-1]
    taxes: dict[str, Any] | None = entry.get("taxes")
    return taxes


def totals(order: Order) -> dict[str, tuple[int, int]]:
    """Sum net and tax of all movements by class."""
    found: dict[str, tuple[int, int]] = {}
    for entry in order.ledger_entries or ():
        for each in entry.get("taxes", {}).get("sums", ()):
            net, tax = found.get(each["tax_class"], (0, 0))
            found[each["tax_class"]] = (net + each["net"], tax + each["tax"])
    return found


def gross(taxes: dict[str, Any] | None) -> int:
    return sum(each["net"] + each["tax"] for each in taxes["sums"]) if taxes else 0


def test_sale_has_what_the_order_froze(order: Order) -> None:
    assert move(order, SALE, 3500) == {
        "scheme": "oss",
        "territory": "FR",
        "region": "",
        "sums": SUMS,
        "supply_period": "2026-11",
        "corrects_period": "",
    }


def test_refund_of_a_later_month_names_the_month_that_it_corrects(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(order, SALE, 3500)
    same = move(order, REFUND, -350)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 12, 1, 12, tzinfo=UTC))
    later = move(order, REFUND, -350)
    assert same is not None
    assert later is not None
    assert [each["corrects_period"] for each in (same, later)] == ["", "2026-11"]
    assert later["supply_period"] == "2026-11"
    assert gross(same) == gross(later) == -350


def test_whole_refund_takes_the_whole_tax(order: Order) -> None:
    move(order, SALE, 3500)
    for amount in (1, 1234, 2265):
        move(order, REFUND, -amount)
    assert set(totals(order).values()) == {(0, 0)}


def test_money_that_paid_no_order_has_no_taxes(order: Order) -> None:
    assert move(order, SALE, 9, "WRONG") is None
    assert move(order, REFUND, -9, "WRONG") is None
    move(order, SALE, 3500)
    assert move(order, REVERSAL, -9, "WRONG") is None
    assert gross(move(order, REFUND, -100)) == -100


def test_order_without_an_assessment_has_no_taxes(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "tax_assessment", None)
    assert move(order, SALE, 3500) is None
    assert move(order, REFUND, -3500) is None


def test_dispute_after_a_refund_takes_no_more_than_the_sale(order: Order) -> None:
    move(order, SALE, 3500)
    assert gross(move(order, REFUND, -1000)) == -1000
    assert gross(move(order, REVERSAL, -3500)) == -2500
    assert gross(move(order, REVERSAL_CANCELLED, 3500)) == 2500


@budget(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([REFUND, REVERSAL, REVERSAL_CANCELLED]), st.integers(1, 3500)), max_size=9
    )
)
def test_taxes_are_those_of_the_money_that_is_left(order: Order, moves: list[tuple[str, int]]) -> None:
    order.ledger_entries = None
    move(order, SALE, 3500)
    left = 3500
    for kind, amount in moves:
        signed = amount if kind == REVERSAL_CANCELLED else -amount
        move(order, kind, signed)
        left += signed
        assert sum(net + tax for net, tax in totals(order).values()) == max(0, min(left, 3500))
        assert all(net >= 0 and tax >= 0 for net, tax in totals(order).values())
    if left < 3500:
        move(order, REVERSAL_CANCELLED, 3500 - left)
    if left <= 3500:
        assert totals(order) == {"standard": (1681, 319), "food": (1402, 98)}
