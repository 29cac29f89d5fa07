"""The taxes of refunds and reversals: the sale's, in proportion of what is left of it."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from chalicelib.taxes.assessment import TaxSum
from chalicelib.taxes.shares import share_out


def refund_shares(sums: Sequence[TaxSum], refunded: Iterable[TaxSum], amount: int) -> tuple[TaxSum, ...]:
    """Return the taxes of a refund: its amount in proportion of what is left of a sale.

    `sums` are the sale's, `refunded` what earlier movements took, in any order. Whatever the amounts, movements that take all
    of a sale add up to its sums. Raises ValueError where less is left than the amount.
    """
    left = _minus(sums, refunded)
    _check(amount, left)
    return _part_of(left, amount)


def restored_shares(refunded: Iterable[TaxSum], amount: int) -> tuple[TaxSum, ...]:
    """Return the taxes of money that came back after a refund or reversal, such as of a dispute that was won.

    It is taken in proportion of all that earlier movements took; whoever restores all of it restores each sum. Raises
    ValueError where they took less than the amount.
    """
    taken = _totals(refunded)
    _check(amount, taken)
    return _part_of(taken, amount)


def _check(amount: int, available: Sequence[TaxSum]) -> None:
    whole = sum(each.gross for each in available)
    if not 0 <= amount <= whole:
        raise ValueError(f"{amount} of {whole} cannot be taken")


def _part_of(available: Sequence[TaxSum], amount: int) -> tuple[TaxSum, ...]:
    shares = share_out(amount, [each.gross for each in available]) if available else []
    parts = []
    for each, gross in zip(available, shares, strict=True):
        if gross:
            # Never more than is there: the proportion is between gross − net and tax, which are whole.
            tax = int((Decimal(gross) * each.tax / each.gross).quantize(Decimal(1), ROUND_HALF_UP))
            parts.append(TaxSum(each.tax_class, each.rate, gross - tax, tax))
    return tuple(parts)


def _totals(sums: Iterable[TaxSum]) -> list[TaxSum]:
    totals: dict[tuple[str, str], TaxSum] = {}
    for each in sums:
        key = each.tax_class, each.rate
        known = totals.get(key, TaxSum(*key, 0, 0))
        totals[key] = TaxSum(*key, known.net + each.net, known.tax + each.tax)
    return list(totals.values())


def _minus(sums: Sequence[TaxSum], taken: Iterable[TaxSum]) -> list[TaxSum]:
    return _totals([*sums, *(-each for each in taken)])
