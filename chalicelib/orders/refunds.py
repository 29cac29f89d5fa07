"""An order's refunds and reversals, and the units that were restocked."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib import clock, money
from chalicelib.catalog.models import Stock
from chalicelib.database.transactions import Transaction
from chalicelib.money import Money
from chalicelib.orders.base import OrderBase
from chalicelib.orders.enums import OPEN_REFUNDS, EmailKind, HistoryEvent, RefundStatus
from chalicelib.orders.timeouts import NEXT_RUN


def is_not_later(moment: str, than: str) -> bool:
    """Return whether a moment is not after another; True if PayPal did not report one of them."""
    if not (moment and than):
        return True
    return datetime.fromisoformat(moment) <= datetime.fromisoformat(than)


class RefundsMixin(OrderBase):
    """An order's refunds and reversals: none of this changes its state."""

    # -- reading ------------------------------------------------------------------------------------------

    def open_refunds(self) -> dict[str, dict[str, Any]]:
        """Refunds that were requested and are not completed: our ID → what is known."""
        return {key: refund for key, refund in self.refunds.items() if refund["status"] in OPEN_REFUNDS}

    @property
    def refunded_or_pending(self) -> int:
        """The completed and open refunds of the payment."""
        # If PayPal did not report which capture is refunded, it is the one that paid.
        under_way = (
            refund["amount"]
            for refund in self.open_refunds().values()
            if (refund.get("capture_id") or self.capture_id) == self.capture_id
        )
        return int(self.refunded + sum(under_way))

    def refunded_of_capture(self, capture_id: str) -> int:
        """The completed and open refunds of one capture, the one that paid or another."""
        return sum(
            int(refund["amount"])
            for refund in self.refunds.values()
            if refund["capture_id"] == capture_id
            and refund["status"] in (RefundStatus.COMPLETED, RefundStatus.PENDING)
        )

    @property
    def refunded_or_reversed(self) -> int:
        """The part of the payment that was refunded or reversed."""
        return self.refunded_or_pending + int(self.reversed)

    @property
    def refundable_amount(self) -> int:
        """The part of the payment that can still be refunded."""
        return max(0, int(self.total) - self.refunded_or_reversed)

    @property
    def unreturned_quantities(self) -> dict[str, int]:
        """Count the units that were bought and not restocked, by SKU."""
        back = self.restocked_quantities
        return {line.sku: line.quantity - back[line.sku] for line in self.lines}

    @property
    def restocked_quantities(self) -> Counter[str]:
        """Count the sold units that were restocked, by SKU, from the refunds."""
        return Counter(
            {
                line.sku: sum(
                    refund.get("restocked", {}).get(line.sku, 0) for refund in self.refunds.values()
                )
                for line in self.lines
            }
        )

    def reversed_until(self, capture_id: str, currency: str, moment: str) -> int:
        """What banks or PayPal took back from a capture until a moment, in UTC, and did not return."""
        return sum(
            reversal["amount"] - reversal["returned"]
            for reversal in (self.reversals or {}).values()
            if (reversal["capture_id"], reversal["currency"]) == (capture_id, currency)
            and is_not_later(reversal["at"], moment)
        )

    # -- actions ------------------------------------------------------------------------------------------

    def record_reversal(self, reversal_id: str, capture_id: str, amount: Money, moment: str) -> None:
        """Record that a bank or PayPal took money back."""
        reversal = {"capture_id": capture_id, **amount._asdict(), "at": moment, "returned": 0}
        self.reversals = {**(self.reversals or {}), reversal_id: reversal}
        if capture_id == self.capture_id:
            self.reversed += amount.amount
            self.add_event(HistoryEvent.PAYMENT_REVERSED)

    def record_reversal_return(self, capture_id: str, amount: Money, moment: str) -> None:
        """Record that an amount of what was taken back until a moment was returned, the oldest reversal first."""
        left = amount.amount
        reversals = dict(self.reversals or {})
        for key, reversal in reversals.items():
            same = (reversal["capture_id"], reversal["currency"]) == (capture_id, amount.currency)
            if same and is_not_later(reversal["at"], moment):
                back = min(left, reversal["amount"] - reversal["returned"])
                reversals[key] = {**reversal, "returned": reversal["returned"] + back}
                left -= back
        self.reversals = reversals
        if capture_id == self.capture_id:
            self.reversed -= amount.amount
            self.add_event(HistoryEvent.REVERSAL_CANCELLED, money.format_money(*amount))

    def request_refund(
        self, refund_id: str, capture_id: str, amount: int, currency: str, reason: str, **more: Any
    ) -> None:
        """Store a refund with its ID, before PayPal is asked. By staff with `actor`, `note`, `restocked`."""
        refund = {"capture_id": capture_id, "amount": amount, "currency": currency, "reason": reason, **more}
        entry = {**refund, "at": clock.iso_now(), "status": RefundStatus.REQUESTED, "paypal_refund_id": None}
        self.refunds = {**self.refunds, refund_id: entry}
        self.next_refund_at = clock.timestamp() + NEXT_RUN

    def restock(self, quantities: Mapping[str, int], transaction: Transaction) -> None:
        """Return sold units to the stock, SKU → number, if the SKU still belongs to their product.

        The refund that restocks them records them.
        """
        slugs = {line.sku: line.slug for line in self.lines}
        for sku, quantity in quantities.items():
            transaction.update(f"stock#{sku}", *Stock.restock(sku, quantity, slugs[sku]))

    def update_refund(
        self, key: str, status: RefundStatus, paypal_id: str, capture_id: str, amount: Money
    ) -> None:
        """Record what PayPal reports about a refund: pending or failed.

        `key` is our ID, or PayPal's if it is not ours.
        """
        known = self.refunds.get(key, {"capture_id": capture_id, "reason": "PayPal", "at": clock.iso_now()})
        entry = {**known, **amount._asdict(), "status": status, "paypal_refund_id": paypal_id}
        others = {other: refund for other, refund in self.refunds.items() if other != paypal_id}
        self.refunds = {**others, key: entry}
        self.next_refund_at = clock.timestamp() + NEXT_RUN if self.open_refunds() else None

    def complete_refund(self, key: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Record a completed refund, and email the customer."""
        self.update_refund(key, RefundStatus.COMPLETED, paypal_id, capture_id, amount)
        if capture_id == self.capture_id:
            self.refunded += amount.amount
        self.add_event(HistoryEvent.REFUNDED, money.format_money(*amount))
        self.queue_email(EmailKind.REFUND_COMPLETED, paypal_id)

    def match_refund(self, refund_id: str, paypal_id: str) -> None:
        """Record that a refund booked under PayPal's ID is one of ours whose answer was lost."""
        done = {**self.refunds[refund_id], "status": RefundStatus.COMPLETED, "paypal_refund_id": paypal_id}
        others = {key: refund for key, refund in self.refunds.items() if key != paypal_id}
        self.refunds = {**others, refund_id: done}
        self.next_refund_at = clock.timestamp() + NEXT_RUN if self.open_refunds() else None
