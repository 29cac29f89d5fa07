"""Create orders, and the only way to change one."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib import clock, deadlines, ids
from chalicelib.config import settings
from chalicelib.database.transactions import SIMULTANEOUS, ConditionFailed, OutcomeUnknown, Transaction
from chalicelib.errors import NotFound, ServiceUnavailable, SimultaneousChange
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import HistoryEvent
from chalicelib.orders.events import emit_events, emitted_so_far
from chalicelib.orders.models import Order

MAX_ATTEMPTS = 10


def new_order(
    *,
    lines: list[OrderLine],
    customer: Mapping[str, str],
    shipping: int,
    taxes: Mapping[str, int],
    cart: str,
    cart_version: int,
    tax_assessment: Mapping[str, Any] | None = None,
) -> Order:
    """Return a new order that awaits payment, with its ID and number; nothing is written or reserved yet."""
    items = sum(line.total for line in lines)
    order = Order(
        ids.new_id(),
        number=ids.new_order_number(),
        placed_at=clock.iso_now(),
        currency=settings.currency,
        customer=dict(customer),
        line_snapshot=[{**vars(line), "options": dict(line.options)} for line in lines],
        items=items,
        shipping=shipping,
        taxes=dict(taxes),
        tax_assessment=None if tax_assessment is None else dict(tax_assessment),
        total=items + shipping + (tax_assessment["added_tax"] if tax_assessment else 0),
        cart=cart,
        cart_version=cart_version,
        reserved=False,
        reserved_until=clock.timestamp(),
        payment_attempts=[],
        refunds={},
        issues=[],
        emails_due={},
        emails_sent={},
        history=[],
    )
    order.add_event(HistoryEvent.PLACED)
    order.schedule_next_check()
    return order


def update_order(
    order_id: str, action: Callable[[Order, Transaction], bool], loaded: Order | None = None
) -> Order:
    """Read an order, let `action` change it, and write it; start again if another change was faster.

    `action` returns whether to write. It may be called several times, each time with the currently stored order.
    Callers that have just read or written the order pass it as `loaded`, which saves the first read. Raises NotFound,
    ConditionFailed if a condition of another item failed, and ServiceUnavailable; SimultaneousChange if others keep
    changing the order.
    """
    for _ in range(MAX_ATTEMPTS):
        order, loaded = loaded or Order.fetch(order_id), None
        transaction, emitted_before = Transaction(), emitted_so_far(order)
        if not action(order, transaction):
            return order
        order.add_to_transaction(transaction)
        try:
            transaction.commit()
        except ConditionFailed as refused:
            if "order" not in refused.names:
                raise  # else another change was faster, and the other refusals may only follow from that
            last: Exception = refused
        except OutcomeUnknown as unknown:
            last = unknown  # read again: if it was written after all, `action` finds nothing left to do
        else:
            emit_events(order, emitted_before)
            return order
        if deadlines.is_expired():
            break
    if isinstance(last, ConditionFailed):
        raise SimultaneousChange(SIMULTANEOUS) from last
    raise ServiceUnavailable("The shop is very busy. Please try again in a moment.") from last


def get_order(order_id: str) -> Order:
    """Return the order of an address. Raises NotFound."""
    if not ids.is_id(order_id):
        raise NotFound("We couldn’t find this order. Please check the link in your email.")
    return Order.fetch(order_id)
