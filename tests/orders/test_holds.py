"""Whatever happens to orders, in whatever order: what they hold is what SKUs and addresses are counted for."""

import random

import pytest

from chalicelib.database.transactions import Refused, Transaction
from chalicelib.orders import holds, states
from chalicelib.orders.base import Line
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change, new_order
from tests.invariants import check_stock, pieces
from tests.shop import Shop

CUSTOMER = {"name": "A", "email": "a@example.com", "country": "DE"}
BOUNDS = {"TEA-50": 4, "MUG": 6}
STEPS = 40


def new(number: int) -> Order:
    """Write an order that holds nothing yet."""
    lines = [
        Line(sku, "x", sku, {}, 1 + number % 3, 100, "19") for sku in list(BOUNDS)[: 1 + number % len(BOUNDS)]
    ]
    order = new_order(lines=lines, customer=CUSTOMER, shipping=0, taxes={}, cart=f"c{number}", cart_version=1)
    transaction = Transaction()
    order.write(transaction)
    transaction.commit()
    return order


def step(order: Order, transaction: Transaction, chance: random.Random) -> bool:
    """Let something happen to an order that may happen in its state."""
    if order.state == states.AWAITING:
        match chance.choice(["hold", "claim", "drop", "staff", "expire", "cancel"] + ["hold", "claim"] * 3):
            case "hold" if not order.reserved:
                order.hold_stock(transaction, chance.choice([None, "here", "there"]), BOUNDS)
            case "claim":
                order.claim_for_capture("claim", transaction)
            case "drop":
                order.drop_reservation(transaction)
            case "staff":
                order.release_hold(transaction, "merchant")
            case "expire":
                order.expire("dead", transaction)
            case "cancel":
                order.cancel("superseded", transaction)
            case _:
                return False
    elif order.state == states.CAPTURING:
        match chance.choice(["no", "paid", "pending", "unpaid"]):
            case "no":
                order.release(transaction, refused=True, approved=True)
            case "paid":
                order.mark_paid(f"CAPTURE-{order.number}", None, transaction)
            case "pending":
                order.mark_pending(f"CAPTURE-{order.number}", transaction)
            case "unpaid":
                order.mark_unpaid(transaction)
    elif order.state == states.PENDING:
        if chance.random() < 0.5:
            order.mark_paid(order.capture or "", None, transaction)
        else:
            order.mark_unpaid(transaction)
    else:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
def test_holds_are_counted_once_and_given_back_once(shop: Shop, seed: int) -> None:
    chance, before = random.Random(seed), pieces(shop)
    ids = [new(number).id for number in range(5)]
    refused = 0
    for _ in range(STEPS):
        try:
            change(chance.choice(ids), lambda order, transaction: step(order, transaction, chance))
        except Refused:
            refused += 1  # beyond the bound, or no pieces left
    check_stock(shop, before)
    rows = [row for row in holds.Hold.scan(consistent_read=True) if row.key.startswith("hold#")]
    assert rows
    for row in rows:
        assert 0 <= row.pieces <= BOUNDS[row.key.rpartition("#")[2]]
