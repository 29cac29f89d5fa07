"""An order as the lists' files need it: read from DynamoDB's plain attribute values, never written."""

import json
from typing import Any

from chalicelib.database.reads import Item
from chalicelib.orders.models import Order


class OrderRecord:
    """An order's fields in exported files; amounts in minor units of `currency`, times as ISO 8601 in UTC."""

    __slots__ = ("_item", "_taxes", "currency", "customer", "id", "lines", "number", "tax_assessment")

    def __init__(self, item: Item) -> None:
        self._item = item
        self.id: str = item["id"]["S"]
        self.number: str = item["number"]["S"]
        self.currency: str = item["currency"]["S"]
        # Read together: a call of json takes as long as what it reads here.
        assessment = self.text("tax_assessment") or "null"
        values = json.loads(
            f"[{item['customer']['S']},{item['lines']['S']},{item['taxes']['S']},{assessment}]"
        )
        self.customer: dict[str, str] = values[0]
        self.lines: list[dict[str, Any]] = values[1]  # as OrderLine has them
        self._taxes: dict[str, int] = values[2]
        self.tax_assessment: dict[str, Any] | None = values[3]  # as Order has it

    @classmethod
    def of(cls, order: Order) -> "OrderRecord":
        """Make the record of an order that was read as an object."""
        return cls(order.serialize())

    @property
    def placed_at(self) -> str:
        """When it was placed."""
        return self.text("placed_at")

    @property
    def list_status(self) -> str:
        """Under what staff find it, as `Order.list_status` was when the order was written."""
        return self.text("state_shard").rpartition("#")[0]

    @property
    def tax(self) -> int:
        """All tax included in the total."""
        return sum(self._taxes.values())

    @property
    def paypal_order_id(self) -> str:
        """PayPal's ID of the order that paid, else of the last attempt; "" where there is none."""
        paid = self.text("paid_paypal_order_id")
        if paid:
            return paid
        attempts = json.loads(self.text("payment_attempts") or "[]")
        return str(attempts[-1]["id"]) if attempts else ""

    @property
    def parcels(self) -> list[dict[str, str]]:
        """The parcels it went in, in the order they were added."""
        parcels: list[dict[str, str]] = json.loads(self.text("parcels") or "[]")
        return parcels

    def text(self, name: str) -> str:
        """Return a text; "" where the order has none."""
        try:
            text: str = self._item[name]["S"]
        except KeyError:  # missing, or stored as nothing
            return ""
        return text

    def amount(self, name: str) -> int:
        """Return an amount; 0 where the order has none."""
        try:
            return int(self._item[name]["N"])
        except KeyError:
            return 0
