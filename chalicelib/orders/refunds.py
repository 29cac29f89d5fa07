"""What goes back of an order: money that is refunded or taken back, pieces that are on the shelf again."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib import clock, money
from chalicelib.catalog.models import Stock
from chalicelib.database.transactions import Transaction
from chalicelib.money import Money
from chalicelib.orders.base import OrderRow
from chalicelib.orders.timeouts import EVERY_ROUND


def is_not_later(moment: str, than: str) -> bool:
    """Return whether a moment is not after another; where PayPal did not tell one of them, it may be."""
    if not (moment and than):
        return True
    return datetime.fromisoformat(moment) <= datetime.fromisoformat(than)


class Refundable(OrderRow):
    """An order as refunds see it: none of this moves its state."""

    # -- reading ------------------------------------------------------------------------------------------

    def open_refunds(self) -> dict[str, dict[str, Any]]:
        """Refunds that were decided and are not through: our id → what is known."""
        return {
            key: refund for key, refund in self.refunds.items() if refund["status"] in ("wanted", "pending")
        }

    @property
    def given_back(self) -> int:
        """What went back of the payment by refunds, or is on its way."""
        # Where PayPal did not say which capture is refunded, it is the one that paid.
        under_way = (
            refund["amount"]
            for refund in self.open_refunds().values()
            if (refund.get("capture") or self.capture) == self.capture
        )
        return int(self.refunded + sum(under_way))

    def gone_back_of(self, capture_id: str) -> int:
        """What went back of one capture, the one that paid or another, or is on its way."""
        return sum(
            int(refund["amount"])
            for refund in self.refunds.values()
            if refund["capture"] == capture_id and refund["status"] in ("completed", "pending")
        )

    @property
    def gone_back(self) -> int:
        """What is no longer ours of the payment: given back, or taken back by a bank or PayPal."""
        return self.given_back + int(self.reversed)

    @property
    def left_to_refund(self) -> int:
        """What can still be given back of the payment."""
        return max(0, int(self.total) - self.gone_back)

    @property
    def pieces_kept(self) -> dict[str, int]:
        """Count what was bought and is not back on the shelf, by SKU."""
        back = self.pieces_back
        return {line.sku: line.quantity - back[line.sku] for line in self.lines}

    @property
    def pieces_back(self) -> Counter[str]:
        """Count the sold pieces that are on the shelf again, by SKU; the refunds remember them."""
        return Counter(
            {
                line.sku: sum(refund.get("pieces", {}).get(line.sku, 0) for refund in self.refunds.values())
                for line in self.lines
            }
        )

    def taken_until(self, capture_id: str, currency: str, moment: str) -> int:
        """What banks or PayPal took of a capture until a moment, in UTC, and has not come back."""
        return sum(
            reversal["amount"] - reversal["back"]
            for reversal in (self.reversals or {}).values()
            if (reversal["capture"], reversal["currency"]) == (capture_id, currency)
            and is_not_later(reversal["at"], moment)
        )

    # -- actions ------------------------------------------------------------------------------------------

    def take_back(self, reversal_id: str, capture_id: str, amount: Money, moment: str) -> None:
        """Note that a bank or PayPal took money back."""
        reversal = {"capture": capture_id, **amount._asdict(), "at": moment, "back": 0}
        self.reversals = {**(self.reversals or {}), reversal_id: reversal}
        if capture_id == self.capture:
            self.reversed += amount.amount
            self.note("reversed")

    def return_taken(self, capture_id: str, amount: Money, moment: str) -> None:
        """Note that so much of what was taken until a moment came back, the oldest first."""
        left = amount.amount
        reversals = dict(self.reversals or {})
        for key, reversal in reversals.items():
            same = (reversal["capture"], reversal["currency"]) == (capture_id, amount.currency)
            if same and is_not_later(reversal["at"], moment):
                back = min(left, reversal["amount"] - reversal["back"])
                reversals[key] = {**reversal, "back": reversal["back"] + back}
                left -= back
        self.reversals = reversals
        if capture_id == self.capture:
            self.reversed -= amount.amount
            self.note("reversal cancelled", money.spoken(*amount))

    def want_refund(
        self, refund_id: str, capture_id: str, amount: int, currency: str, reason: str, **more: Any
    ) -> None:
        """Decide a refund; its id is stored before PayPal is asked. By staff: `by`, `note`, `pieces`."""
        refund = {"capture": capture_id, "amount": amount, "currency": currency, "reason": reason, **more}
        entry = {**refund, "at": clock.moment(), "status": "wanted", "paypal_id": None}
        self.refunds = {**self.refunds, refund_id: entry}
        self.refund_due = clock.timestamp() + EVERY_ROUND

    def put_back(self, pieces: Mapping[str, int], transaction: Transaction) -> None:
        """Return sold pieces to the shelf, SKU → number, where it still is their product's.

        The refund that says so remembers them.
        """
        slugs = {line.sku: line.slug for line in self.lines}
        for sku, quantity in pieces.items():
            transaction.update(f"stock#{sku}", *Stock.take_in(sku, quantity, slugs[sku]))

    def keep_refund(self, key: str, status: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Note what PayPal says of a refund: pending or failed. `key` is our id, or PayPal's where it is not ours."""
        known = self.refunds.get(key, {"capture": capture_id, "reason": "PayPal", "at": clock.moment()})
        entry = {**known, **amount._asdict(), "status": status, "paypal_id": paypal_id}
        others = {other: refund for other, refund in self.refunds.items() if other != paypal_id}
        self.refunds = {**others, key: entry}
        self.refund_due = clock.timestamp() + EVERY_ROUND if self.open_refunds() else None

    def complete_refund(self, key: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Note that money went back, and owe the customer a mail."""
        self.keep_refund(key, "completed", paypal_id, capture_id, amount)
        if capture_id == self.capture:
            self.refunded += amount.amount
        self.note("refunded", money.spoken(*amount))
        self.owe_mail("refunded", paypal_id)

    def recognise_refund(self, own_id: str, paypal_id: str) -> None:
        """Note that a refund booked under PayPal's id is one of ours, whose answer was lost."""
        done = {**self.refunds[own_id], "status": "completed", "paypal_id": paypal_id}
        others = {key: refund for key, refund in self.refunds.items() if key != paypal_id}
        self.refunds = {**others, own_id: done}
        self.refund_due = clock.timestamp() + EVERY_ROUND if self.open_refunds() else None
