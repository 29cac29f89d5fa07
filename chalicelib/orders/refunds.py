"""What goes back of an order: money that is refunded or taken back, pieces that are on the shelf again."""

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
    """Return whether a moment is not after another; where PayPal did not tell one of them, it may be."""
    if not (moment and than):
        return True
    return datetime.fromisoformat(moment) <= datetime.fromisoformat(than)


class RefundsMixin(OrderBase):
    """An order as refunds see it: none of this moves its state."""

    # -- reading ------------------------------------------------------------------------------------------

    def open_refunds(self) -> dict[str, dict[str, Any]]:
        """Refunds that were decided and are not through: our id → what is known."""
        return {key: refund for key, refund in self.refunds.items() if refund["status"] in OPEN_REFUNDS}

    @property
    def refunded_or_pending(self) -> int:
        """What went back of the payment by refunds, or is on its way."""
        # Where PayPal did not say which capture is refunded, it is the one that paid.
        under_way = (
            refund["amount"]
            for refund in self.open_refunds().values()
            if (refund.get("capture_id") or self.capture_id) == self.capture_id
        )
        return int(self.refunded + sum(under_way))

    def refunded_of_capture(self, capture_id: str) -> int:
        """What went back of one capture, the one that paid or another, or is on its way."""
        return sum(
            int(refund["amount"])
            for refund in self.refunds.values()
            if refund["capture_id"] == capture_id
            and refund["status"] in (RefundStatus.COMPLETED, RefundStatus.PENDING)
        )

    @property
    def refunded_or_reversed(self) -> int:
        """What is no longer ours of the payment: given back, or taken back by a bank or PayPal."""
        return self.refunded_or_pending + int(self.reversed)

    @property
    def refundable_amount(self) -> int:
        """What can still be given back of the payment."""
        return max(0, int(self.total) - self.refunded_or_reversed)

    @property
    def unreturned_quantities(self) -> dict[str, int]:
        """Count what was bought and is not back on the shelf, by SKU."""
        back = self.restocked_quantities
        return {line.sku: line.quantity - back[line.sku] for line in self.lines}

    @property
    def restocked_quantities(self) -> Counter[str]:
        """Count the sold pieces that are on the shelf again, by SKU; the refunds remember them."""
        return Counter(
            {
                line.sku: sum(
                    refund.get("restocked", {}).get(line.sku, 0) for refund in self.refunds.values()
                )
                for line in self.lines
            }
        )

    def reversed_until(self, capture_id: str, currency: str, moment: str) -> int:
        """What banks or PayPal took of a capture until a moment, in UTC, and has not come back."""
        return sum(
            reversal["amount"] - reversal["returned"]
            for reversal in (self.reversals or {}).values()
            if (reversal["capture_id"], reversal["currency"]) == (capture_id, currency)
            and is_not_later(reversal["at"], moment)
        )

    # -- actions ------------------------------------------------------------------------------------------

    def record_reversal(self, reversal_id: str, capture_id: str, amount: Money, moment: str) -> None:
        """Note that a bank or PayPal took money back."""
        reversal = {"capture_id": capture_id, **amount._asdict(), "at": moment, "returned": 0}
        self.reversals = {**(self.reversals or {}), reversal_id: reversal}
        if capture_id == self.capture_id:
            self.reversed += amount.amount
            self.add_event(HistoryEvent.PAYMENT_REVERSED)

    def record_reversal_return(self, capture_id: str, amount: Money, moment: str) -> None:
        """Note that so much of what was taken until a moment came back, the oldest first."""
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
        """Decide a refund; its id is stored before PayPal is asked. By staff: `by`, `note`, `pieces`."""
        refund = {"capture_id": capture_id, "amount": amount, "currency": currency, "reason": reason, **more}
        entry = {**refund, "at": clock.iso_now(), "status": RefundStatus.REQUESTED, "paypal_refund_id": None}
        self.refunds = {**self.refunds, refund_id: entry}
        self.next_refund_at = clock.timestamp() + NEXT_RUN

    def restock(self, quantities: Mapping[str, int], transaction: Transaction) -> None:
        """Return sold pieces to the shelf, SKU → number, where it still is their product's.

        The refund that says so remembers them.
        """
        slugs = {line.sku: line.slug for line in self.lines}
        for sku, quantity in quantities.items():
            transaction.update(f"stock#{sku}", *Stock.restock(sku, quantity, slugs[sku]))

    def update_refund(
        self, key: str, status: RefundStatus, paypal_id: str, capture_id: str, amount: Money
    ) -> None:
        """Note what PayPal says of a refund: pending or failed. `key` is our id, or PayPal's where it is not ours."""
        known = self.refunds.get(key, {"capture_id": capture_id, "reason": "PayPal", "at": clock.iso_now()})
        entry = {**known, **amount._asdict(), "status": status, "paypal_refund_id": paypal_id}
        others = {other: refund for other, refund in self.refunds.items() if other != paypal_id}
        self.refunds = {**others, key: entry}
        self.next_refund_at = clock.timestamp() + NEXT_RUN if self.open_refunds() else None

    def complete_refund(self, key: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Note that money went back, and owe the customer a mail."""
        self.update_refund(key, RefundStatus.COMPLETED, paypal_id, capture_id, amount)
        if capture_id == self.capture_id:
            self.refunded += amount.amount
        self.add_event(HistoryEvent.REFUNDED, money.format_money(*amount))
        self.queue_email(EmailKind.REFUND_COMPLETED, paypal_id)

    def match_refund(self, refund_id: str, paypal_id: str) -> None:
        """Note that a refund booked under PayPal's id is one of ours, whose answer was lost."""
        done = {**self.refunds[refund_id], "status": RefundStatus.COMPLETED, "paypal_refund_id": paypal_id}
        others = {key: refund for key, refund in self.refunds.items() if key != paypal_id}
        self.refunds = {**others, refund_id: done}
        self.next_refund_at = clock.timestamp() + NEXT_RUN if self.open_refunds() else None
