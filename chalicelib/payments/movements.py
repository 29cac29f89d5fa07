"""What a transaction writes for each movement of money."""

from collections.abc import Iterable

from chalicelib.database.transactions import Transaction
from chalicelib.ledger.models import SALE, new_ledger_entry
from chalicelib.money import Money
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order


def add_movement(
    transaction: Transaction,
    order: Order,
    kind: str,
    paypal_id: str,
    amount: Money,
    fee: int | None,
    paypal_at: str,
    paid_for: Iterable[OrderLine] = (),
) -> None:
    row = new_ledger_entry(
        kind,
        order=order.id,
        order_number=order.number,
        amount=amount.amount,
        currency=amount.currency,
        paypal_id=paypal_id,
        paypal_at=paypal_at,
        fee=fee if kind == SALE else None if fee is None else -fee,
        sold=[(line.sku, line.full_name, line.quantity, line.total) for line in paid_for],
    )
    transaction.put("movement", row, type(row).partition.does_not_exist())
    order.copy_ledger_entry(
        at=row.booked_at,
        kind=kind,
        amount=row.amount,
        fee=row.fee,
        currency=row.currency,
        paypal_id=paypal_id,
    )
