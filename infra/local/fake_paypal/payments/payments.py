"""Everything about money, combined."""

from __future__ import annotations

from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.captures import Captures
from infra.local.fake_paypal.payments.disputes import Disputes
from infra.local.fake_paypal.payments.ledger import Ledger
from infra.local.fake_paypal.payments.orders import Orders
from infra.local.fake_paypal.payments.refunds import Refunds
from infra.local.fake_paypal.store import Document


class Payments:
    """Captures, refunds, disputes and the ledger they share; `orders` with what was paid for them."""

    def __init__(self, context: Context) -> None:
        self.ledger = Ledger(context.store, context.clock)
        self.orders = Orders(context)
        self.captures = Captures(context, self.orders, self.ledger)
        self.refunds = Refunds(context, self.captures, self.ledger)
        self.disputes = Disputes(context, self.captures, self.refunds)

    def order_view(self, order: Document) -> Document:
        """Return an order as PayPal shows it in full, with its captures and refunds."""
        captures = [self.captures.find(id_) for id_ in order["captures"]]
        refunds = [self.refunds.find(id_) for capture in captures for id_ in capture["refunds"]]
        payments: Document = {}
        if captures:
            payments["captures"] = [self.captures.view_within_order(capture) for capture in captures]
        if refunds:
            payments["refunds"] = [self.refunds.view(refund) for refund in refunds]
        return self.orders.view(order, payments)
