"""What a transaction writes for each movement of money."""

from collections.abc import Iterable
from typing import Any

from chalicelib.database.transactions import Transaction
from chalicelib.ledger.models import SALE, new_ledger_entry
from chalicelib.money import Money
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order
from chalicelib.taxes.assessment import TaxSum
from chalicelib.taxes.refunds import refund_shares, restored_shares


def add_movement(
    transaction: Transaction,
    order: Order,
    kind: str,
    paypal_id: str,
    amount: Money,
    fee: int | None,
    paypal_at: str,
    paid_for: Iterable[OrderLine] = (),
    capture_id: str | None = None,
) -> None:
    """Write a movement to the ledger, with its taxes, and keep a copy in the order.

    `paid_for` is what a sale paid for; `capture_id` is the capture of which a refund or reversal took, or got back, a part.
    """
    sold = [(line.sku, line.full_name, line.quantity, line.total) for line in paid_for]
    row = new_ledger_entry(
        kind,
        order=order.id,
        order_number=order.number,
        amount=amount.amount,
        currency=amount.currency,
        paypal_id=paypal_id,
        paypal_at=paypal_at,
        fee=fee if kind == SALE else None if fee is None else -fee,
        sold=sold,
    )
    month = row.partition[:7]  # of the shop's calendar
    if kind == SALE:
        row.taxes = _taxes_of_sale(order, month) if sold else None
    else:
        row.taxes = _taxes_of_part(order, capture_id, amount.amount, month)
    transaction.put("movement", row, type(row).partition.does_not_exist())
    order.copy_ledger_entry(
        at=row.booked_at,
        kind=kind,
        amount=row.amount,
        fee=row.fee,
        currency=row.currency,
        paypal_id=paypal_id,
        **({"taxes": row.taxes} if row.taxes else {}),
    )


def _taxes_of_sale(order: Order, month: str) -> dict[str, Any] | None:
    """Return what the order froze when it was placed; None for one that was placed before orders had taxes."""
    if not order.tax_assessment:
        return None
    kept = {name: order.tax_assessment[name] for name in ("scheme", "territory", "region", "sums")}
    return {**kept, "supply_period": month, "corrects_period": ""}


def _taxes_of_part(order: Order, capture_id: str | None, amount: int, month: str) -> dict[str, Any] | None:
    """Return the taxes of a part of what the order was paid with; None for money that paid no order.

    They follow what is left of the payment, from nothing to the whole sale: a dispute after a refund may take back more than
    that, and what exceeds it is no supply.
    """
    booked = [entry for entry in order.ledger_entries or () if "taxes" in entry]
    sale = next(
        (entry for entry in booked if (entry["kind"], entry["paypal_id"]) == (SALE, capture_id)), None
    )
    if sale is None:
        return None
    sums = _sums_of(sale["taxes"])
    taken = [-each for entry in booked if entry is not sale for each in _sums_of(entry["taxes"])]
    paid = sum(entry["amount"] for entry in booked) + amount
    change = max(0, min(paid, _gross(sums))) - (_gross(sums) - _gross(taken))
    parts = restored_shares(taken, change) if change > 0 else refund_shares(sums, taken, -change)
    signed = parts if change > 0 else [-each for each in parts]
    supplied = sale["taxes"]["supply_period"]
    return {
        **sale["taxes"],
        "sums": [dict(vars(each)) for each in signed],
        "corrects_period": supplied if supplied != month else "",
    }


def _sums_of(taxes: dict[str, Any]) -> list[TaxSum]:
    return [TaxSum(**each) for each in taxes["sums"]]


def _gross(sums: Iterable[TaxSum]) -> int:
    return sum(each.gross for each in sums)
