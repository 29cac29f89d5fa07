"""Sums of movements by kind and currency, in minor units: in the manifests and on staff pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chalicelib import money
from chalicelib.ledger.ledger_record import LedgerRecord
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED, SALE

Sums = list[int]  # count, amount, fee, net, without_fee; fee and net exclude the rows whose fee is unknown
NOTHING: Sums = [0, 0, 0, 0, 0]


def sums_of(ledger_entry: LedgerRecord) -> Sums:
    """Return what one movement adds."""
    amount, fee = ledger_entry.amount, ledger_entry.fee
    return [1, amount, 0, 0, 1] if fee is None else [1, amount, fee, amount - fee, 0]


class Totals:
    """Control totals by kind and currency, in minor units until they are written."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Sums] = {}

    def add(self, ledger_entry: LedgerRecord) -> None:
        """Add a movement."""
        self.add_sums(ledger_entry.kind, ledger_entry.currency, sums_of(ledger_entry))

    def add_sums(self, kind: str, currency: str, sums: Iterable[int]) -> None:
        """Add what several movements of a kind and currency came to."""
        known = self._sums.setdefault((kind, currency), [*NOTHING])
        for place, number in enumerate(sums):
            known[place] += number

    def add_json(self, totals: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Add the totals of a manifest."""
        for kind, currencies in totals.items():
            for currency, sums in currencies.items():
                amounts = (_minor(sums[name], currency) for name in ("amount", "fee", "net"))
                self.add_sums(kind, currency, [sums["count"], *amounts, sums["without_fee"]])

    def merge(self, other: "Totals") -> None:
        """Add other totals."""
        for (kind, currency), sums in other._sums.items():
            self.add_sums(kind, currency, sums)

    def as_json(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return kind → currency → sums; fee and net exclude the `without_fee` rows whose fee is unknown."""
        totals: dict[str, dict[str, dict[str, Any]]] = {}
        for (kind, currency), (count, amount, fee, net, without_fee) in self._sums.items():
            totals.setdefault(kind, {})[currency] = {
                "count": count,
                "amount": money.to_decimal_string(amount, currency),
                "fee": money.to_decimal_string(fee, currency),
                "net": money.to_decimal_string(net, currency),
                "without_fee": without_fee,
            }
        return totals

    @property
    def currencies(self) -> list[str]:
        """List the currencies that money moved in."""
        return sorted({currency for _, currency in self._sums})

    def summary(self, currency: str) -> "Summary":
        """Return a summary for staff, in one currency."""
        sale, refund, taken, returned = (
            self._sums.get((kind, currency), NOTHING) for kind in (SALE, REFUND, REVERSAL, REVERSAL_CANCELLED)
        )
        reversal = [one + other for one, other in zip(taken, returned, strict=True)]
        amounts = [sums[1] for sums in (sale, refund, reversal)]
        fees, known = (sum(sums[index] for sums in (sale, refund, reversal)) for index in (2, 3))
        return Summary(
            currency=currency,
            sales=sale[0],
            movements=sale[0] + refund[0] + reversal[0],
            revenue=amounts[0],
            refunds=amounts[1],
            reversals=amounts[2],
            fees=fees,
            net=sum(amounts) - fees,
            without_fee=sale[4] + refund[4] + reversal[4],
            unknown=sum(amounts) - fees - known,
        )


@dataclass(frozen=True)
class Summary:
    """Sums in one currency, in minor units.

    Refunds are negative, as are reversals less what was returned; fees are positive.

    `net` is what is left: all amounts less the known fees. `unknown` is the part of it from the `without_fee`
    movements whose fee PayPal has not reported in this currency.
    """

    currency: str
    sales: int
    movements: int
    revenue: int
    refunds: int
    reversals: int
    fees: int
    net: int
    without_fee: int
    unknown: int


def _minor(text: str, currency: str) -> int:
    return int(Decimal(text).scaleb(money.decimals(currency)))
