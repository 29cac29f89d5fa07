"""Orders and transactions without a database: rules are read and tested on plain objects."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.catalog.models import Stock
from chalicelib.database.connection import Table
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.ledger.models import LedgerEntry
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order

SKU, QUANTITY, PRICE, SHIPPING = "MUG", 2, 1850, 490
TOTAL = QUANTITY * PRICE + SHIPPING
PAYPAL_ORDER = "5O190127TN364715T"
STOCK_WRITES = {
    name: [str(action) for action in getattr(Stock, name)(SKU, QUANTITY)[1]]
    for name in ("reserve", "hold", "end_hold", "release_hold", "release")
}


class PlainTransaction(Transaction):
    """A transaction that is never committed: `writes` maps the name of each write onto what it does.

    A change of the stock is named after the method of `Stock`, such as "reserve"; other changes are "update", a whole
    row is "put".
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes: dict[str, str] = {}
        self.rows: list[Table] = []  # what was put, in order

    def put(self, name: str, item: Table, condition: Condition | None = None) -> None:
        """Record that a whole item is written."""
        self.writes[name] = "put"
        self.rows.append(item)

    def update(
        self, name: str, item: Table, actions: Sequence[Action], condition: Condition | None = None
    ) -> None:
        """Record that attributes of an item are changed."""
        texts = [str(action) for action in actions]
        kinds = [kind for kind, known in STOCK_WRITES.items() if known == texts and isinstance(item, Stock)]
        self.writes[name] = kinds[0] if kinds else "update"


def plain_order(**values: Any) -> Order:
    """Return an order of two mugs, placed from a cart and never written, that awaits payment and holds nothing."""
    order = new_order(
        lines=[OrderLine(SKU, "mug", "Pebble mug", {}, QUANTITY, PRICE, "19")],
        customer={"name": "A", "email": "a@example.com", "country": "DE"},
        shipping=SHIPPING,
        taxes={"19": 669},
        cart="cart-1",
        cart_version=3,
    )
    for name, value in values.items():
        setattr(order, name, value)
    return order


def fields_of(order: Order) -> dict[str, Any]:
    """Return a copy of an order's fields, to compare with what they are later."""
    copied: dict[str, Any] = json.loads(json.dumps(order.attribute_values, default=sorted))
    return copied


@dataclass
class PlainRepository:
    """One order in memory instead of the table. A transaction that makes a write of `refused` is refused as a whole."""

    order: Order
    refused: frozenset[tuple[str, str]] = frozenset()
    transaction: PlainTransaction | None = None  # the one that took effect

    def update_order(
        self, order_id: str, action: Callable[[Order, Transaction], bool], loaded: Order | None = None
    ) -> Order:
        """Run an action on a copy, as `orders.repository.update_order` does, and keep the copy if it is accepted."""
        order, transaction = Order(**deepcopy(self.order.attribute_values)), PlainTransaction()
        if not action(order, transaction):
            return order
        if names := {name for name, kind in transaction.writes.items() if (name, kind) in self.refused}:
            raise ConditionFailed(names)
        self.order, self.transaction = order, transaction
        return order

    @property
    def writes(self) -> dict[str, str]:
        """What was written beside the order."""
        return self.transaction.writes if self.transaction else {}

    @property
    def movement(self) -> LedgerEntry | None:
        """The ledger entry that was written last."""
        rows = self.transaction.rows if self.transaction else []
        entries = [row for row in rows if isinstance(row, LedgerEntry)]
        return entries[-1] if entries else None

    @property
    def issues(self) -> list[str]:
        """The kinds of the order's issues."""
        return [issue["kind"] for issue in self.order.issues]

    @property
    def emails(self) -> list[str]:
        """The kinds of the emails in the outbox."""
        return sorted(entry.partition("#")[0] for entry in self.order.emails_due)


NewRepository = Callable[..., PlainRepository]
