"""Whoever visits the deployed shop: addresses as the pages have them, stage included."""

from typing import Any

from tests.client import Answer, Shopper
from tests.deployed.stack import NAME, Stack
from tests.shop import CUSTOMER, order_id_of, token_of


class Visitor(Shopper):
    """A visitor, who never leaves the stage: an address without it is nobody's."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.stack = stack

    def send(self, method: str, address: str, **more: Any) -> Answer:
        """Send a request; where the function broke, say what it wrote."""
        answer = super().send(method, address, **more)
        assert answer.status != 500, self.stack.errors()
        return answer

    def puts_in_cart(self, sku: str, quantity: int = 1) -> None:
        """Put units into the cart."""
        answer = self.post("/api/cart/lines", {"sku": sku, "quantity": str(quantity)})
        assert answer.status == 303, answer.text

    def orders(self, sku: str, **changed: str) -> str:
        """Order a unit; return PayPal's order, which is to be paid now."""
        self.puts_in_cart(sku)
        form = self.get("/api/checkout")
        answer = self.post("/api/checkout", {**CUSTOMER, "total": form.field("total"), **changed})
        return token_of(answer)

    def comes_back(self, token: str) -> Answer:
        """Come back from PayPal; return the order's page."""
        answer = self.get(f"/api/payments/paypal/return?token={token}&PayerID=PAYER")
        assert order_id_of(answer)
        return self.follow(answer)

    def row(self, token: str) -> dict[str, Any]:
        """Read the row of the order that one of PayPal's belongs to, in DynamoDB's own form."""
        return self._order(self._order(f"paypal#{token}")["order_id"]["S"])

    def _order(self, key: str) -> dict[str, Any]:
        database = self.stack.region.client("dynamodb")
        found: dict[str, Any] = database.get_item(
            TableName=f"{NAME}-orders", Key={"id": {"S": key}}, ConsistentRead=True
        )
        return dict(found["Item"])
