"""Whatever happens to orders, in whatever order: what they hold is what SKUs and addresses are counted for."""

import random

import pytest

from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.orders import holds
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order, update_order
from chalicelib.orders.states import OrderState
from tests.invariants import check_stock, units
from tests.shop import Shop

CUSTOMER = {"name": "A", "email": "a@example.com", "country": "DE"}
BOUNDS = {"TEA-50": 4, "MUG": 6}
STEPS = 40


def new(number: int) -> Order:
    """Write an order that holds nothing yet."""
    lines = [
        OrderLine(sku, "x", sku, {}, 1 + number % 3, 100, "19")
        for sku in list(BOUNDS)[: 1 + number % len(BOUNDS)]
    ]
    order = new_order(lines=lines, customer=CUSTOMER, shipping=0, taxes={}, cart=f"c{number}", cart_version=1)
    transaction = Transaction()
    order.add_to_transaction(transaction)
    transaction.commit()
    return order


def step(order: Order, transaction: Transaction, chance: random.Random) -> bool:
    """Let something happen to an order that may happen in its state."""
    if order.state == OrderState.AWAITING:
        match chance.choice(["hold", "claim", "drop", "staff", "expire", "cancel"] + ["hold", "claim"] * 3):
            case "hold" if not order.reserved:
                order.hold_stock(transaction, chance.choice([None, "here", "there"]), BOUNDS)
            case "claim":
                order.claim_for_capture("claim", transaction)
            case "drop":
                order.expire_reservation(transaction)
            case "staff":
                order.release_hold(transaction, "merchant")
            case "expire":
                order.expire(CloseReason.PAYMENT_EXPIRED, transaction)
            case "cancel":
                order.cancel(CloseReason.SUPERSEDED, transaction)
            case _:
                return False
    elif order.state == OrderState.CAPTURING:
        match chance.choice(["no", "paid", "pending", "unpaid"]):
            case "no":
                order.release_claim(transaction, refused=True, approved=True)
            case "paid":
                order.mark_paid(f"CAPTURE-{order.number}", None, transaction)
            case "pending":
                order.mark_pending(f"CAPTURE-{order.number}", transaction)
            case "unpaid":
                order.mark_unpaid(transaction)
    elif order.state == OrderState.PENDING:
        if chance.random() < 0.5:
            order.mark_paid(order.capture_id or "", None, transaction)
        else:
            order.mark_unpaid(transaction)
    else:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
def test_holds_are_counted_once_and_given_back_once(shop: Shop, seed: int) -> None:
    chance, before = random.Random(seed), units(shop)
    ids = [new(number).id for number in range(5)]
    refused = 0
    for _ in range(STEPS):
        try:
            update_order(chance.choice(ids), lambda order, transaction: step(order, transaction, chance))
        except ConditionFailed:
            refused += 1  # beyond the bound, or no units left
    check_stock(shop, before)
    rows = [row for row in holds.Hold.scan(consistent_read=True) if row.key.startswith("hold#")]
    assert rows
    for row in rows:
        assert 0 <= row.quantity <= BOUNDS[row.key.rpartition("#")[2]]
