"""The ledger: every movement of money, written once."""

from __future__ import annotations

from decimal import Decimal

from infra.local.fake_paypal.payments.money import to_value
from infra.local.fake_paypal.store import Clock, Document, Store


class Ledger:
    """Movements of money; refunds and reversals are negative."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def book(self, kind: str, id_: str, capture: Document, amount: int, fee: int = 0) -> None:
        """Write a `sale`, `refund`, `reversal` or `reversal_cancelled` of a capture, in minor units."""
        currency = capture["currency"]
        row = {
            "id": id_,
            "kind": kind,
            "amount": to_value(amount, currency),
            "fee": to_value(fee, currency),
            "net": to_value(amount - fee, currency),
            "currency": currency,
            "order_id": capture["order_id"],
            "capture_id": capture["id"],
            "custom_id": capture["custom_id"],
            "invoice_id": capture["invoice_id"],
            "time": self._clock.iso(),
        }
        self._store.put("ledger", id_, row)

    def rows(self) -> list[Document]:
        """Return every movement, oldest first."""
        return self._store.all("ledger")

    def totals(self) -> dict[str, Document]:
        """Return the sums of amounts, fees and nets by currency."""
        totals: dict[str, Document] = {}
        for row in self.rows():
            sums = totals.setdefault(row["currency"], {"amount": "0", "fee": "0", "net": "0"})
            for name in sums:
                sums[name] = str(Decimal(sums[name]) + Decimal(row[name]))
        return totals
