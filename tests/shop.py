"""The whole shop in a test's hands: things to buy, shoppers, PayPal, the functions, and a clock that moves."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions
from infra.local.fake_paypal import Control
from tests.client import Answer, Shopper

if TYPE_CHECKING:
    from chalicelib.ledger.models import LedgerEntry
    from chalicelib.orders.models import Order

CUSTOMER = {
    "name": "Test Customer",
    "email": "customer@example.com",
    "address": "Teststraße 1",
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
}


NIGHT = 4  # hours around midnight in which “today” and “yesterday” may change their meaning in a test


@dataclass
class Shop:
    """One shop, one PayPal, one clock."""

    gateway: Gateway
    functions: Functions
    paypal: Control

    def fill_shelves(self) -> None:
        """Put a few things on the shelves."""
        from chalicelib.catalog.categories import Category
        from chalicelib.catalog.editing.category_editing import save_categories

        save_categories([Category("tea", "Tea", "For slow mornings.")])
        self.put_on_shelf(
            "green-tea", "Green tea", {"TEA-50": (690, None, 10), "TEA-100": (1290, 990, 5)}, tax_class="food"
        )
        self.put_on_shelf("mug", "Pebble mug", {"MUG": (1850, None, 100)})
        self.put_on_shelf("last-bowl", "Last bowl", {"BOWL": (3990, None, 1)})

    @staticmethod
    def put_on_shelf(
        slug: str,
        name: str,
        variants: Mapping[str, tuple[int, int | None, int]],
        tax_class: str = "standard",
        hidden: bool = False,
    ) -> None:
        """Sell a product: variants are SKU → price, sale price, units."""
        from chalicelib.catalog.editing.product_editing import save_product
        from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft

        save_product(
            ProductDraft(
                slug=slug,
                name=name,
                text="Good, and plain.",
                category="tea",
                tax_class=tax_class,
                added="2026-11-01",
                hidden=hidden,
                pictures=[],
                variants=[
                    VariantDraft(sku, {"Size": sku} if len(variants) > 1 else {}, price, sale, stock)
                    for sku, (price, sale, stock) in variants.items()
                ],
            )
        )

    # -- shopping -----------------------------------------------------------------------------------------

    def shopper(self) -> Shopper:
        """Let somebody in."""
        return Shopper(self.gateway)

    def shopper_with(self, **lines: int) -> Shopper:
        """Let somebody in who fills a cart; a SKU's dashes are written as underscores."""
        shopper = self.shopper()
        for sku, quantity in lines.items():
            answer = shopper.post("/cart/lines", {"sku": sku.replace("_", "-"), "quantity": str(quantity)})
            assert answer.status == 303, answer.text
        return shopper

    def place(self, shopper: Shopper, **changed: str) -> Answer:
        """Send the checkout form with the total it shows."""
        form = shopper.get("/checkout")
        return shopper.post("/checkout", {**CUSTOMER, "total": form.field("total"), **changed})

    def placed(self, **lines: int) -> tuple[Shopper, str]:
        """Let somebody place an order; return them and PayPal's order."""
        shopper = self.shopper_with(**(lines or {"MUG": 1}))
        answer = self.place(shopper)
        assert answer.status == 303, answer.text
        return shopper, token_of(answer)

    def paid(self, **lines: int) -> tuple[Shopper, str]:
        """Let somebody buy; return them and the order's ID."""
        shopper, token = self.placed(**lines)
        return shopper, order_id_of(self.come_back(shopper, token))

    def come_back(self, shopper: Shopper, token: str) -> Answer:
        """Approve at PayPal and come back to the shop."""
        self.paypal.approve(token)
        return shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")

    # -- what happens by itself ---------------------------------------------------------------------------

    def deliver_notifications(self) -> list[dict[str, Any]]:
        """Let PayPal post its pending notifications, then run the function behind the queue."""
        answers = self.paypal.deliver_pending()
        self.functions.drain("paypal-webhooks")
        return answers

    def notify(self, body: str | bytes, headers: dict[str, str]) -> Answer:
        """Post a notification to the webhook."""
        return self.shopper().send("POST", "/webhooks/paypal", headers=headers, body=body)

    def reconcile(self) -> Any:
        """Run the reconciler once."""
        return self.functions.fire("reconcile_payments")

    # -- looking behind the counter -----------------------------------------------------------------------

    @staticmethod
    def order(order_id: str) -> "Order":
        """Read an order."""
        from chalicelib.orders.models import Order

        return Order.fetch(order_id)

    @staticmethod
    def orders() -> "list[Order]":
        """Read all orders."""
        from chalicelib.orders.models import Order

        return [row for row in Order.scan() if "#" not in row.id]

    @staticmethod
    def stock(sku: str) -> int:
        """Count the units on the shelf."""
        from chalicelib.catalog.models import Stock

        return int(Stock.get(sku, consistent_read=True).available)

    @staticmethod
    def ledger() -> "list[LedgerEntry]":
        """Read the whole ledger, in order of booking."""
        from chalicelib.ledger.models import LedgerEntry

        return sorted(LedgerEntry.scan(), key=lambda row: str(row.entry))

    @contextmanager
    def later(self, **span: float) -> Iterator[datetime]:
        """Move the shop's clock and PayPal's on: `later(hours=4)`."""
        from chalicelib import clock

        moment = clock.now() + timedelta(**span)
        offset = moment - datetime.now(UTC)
        self.paypal.advance(timedelta(**span).total_seconds())
        with mock.patch.object(clock, "now", side_effect=lambda: datetime.now(UTC) + offset):
            yield moment

    @contextmanager
    def far_from_midnight(self) -> Iterator[None]:
        """Move on where it is night, so that what follows is of one day, and yesterday is closed."""
        with self.later(hours=NIGHT) if at_night() else nullcontext():
            yield

    def mails(self) -> list[str]:
        """List the mails that are due or sent, as kind#movement without the movement."""
        kinds: list[str] = []
        for order in self.orders():
            kinds += [entry.partition("#")[0] for entry in (*order.emails_due, *order.emails_sent)]
        return sorted(kinds)


def at_night() -> bool:
    """Return whether a day begins or ends about now."""
    return (datetime.now(UTC) + timedelta(hours=NIGHT / 2)).hour < NIGHT


def token_of(answer: Answer) -> str:
    """Read PayPal's order from the redirect to its approval page."""
    assert answer.status == 303, answer.text
    assert "token=" in answer.location, answer.location
    return answer.location.rpartition("token=")[2]


def order_id_of(answer: Answer) -> str:
    """Read the order's ID from a redirect to its page."""
    assert answer.status == 303, answer.text
    assert "/orders/" in answer.location, answer.location
    return answer.location.rpartition("/")[2]


def message(**fields: str) -> str:
    """Write a queue's message."""
    return json.dumps(fields)
