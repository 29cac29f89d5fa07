"""How an order comes to be, and the one way in which it is changed."""

from collections.abc import Callable, Mapping

from chalicelib import clock, deadlines, ids
from chalicelib.config import settings
from chalicelib.database.transactions import SIMULTANEOUS, Refused, Transaction, Unknown
from chalicelib.errors import Busy, NotFound, SimultaneousChange
from chalicelib.orders.base import Line
from chalicelib.orders.events import known_of, tell
from chalicelib.orders.models import Order

TRIES = 10


def new_order(
    *,
    lines: list[Line],
    customer: Mapping[str, str],
    shipping: int,
    taxes: Mapping[str, int],
    cart: str,
    cart_version: int,
) -> Order:
    """Make an order that is awaiting payment, with fresh ID and number; nothing is written, and nothing reserved."""
    items = sum(line.total for line in lines)
    order = Order(
        ids.new_id(),
        number=ids.new_number(),
        placed_at=clock.moment(),
        currency=settings.currency,
        customer=dict(customer),
        frozen_lines=[{**vars(line), "options": dict(line.options)} for line in lines],
        items=items,
        shipping=shipping,
        taxes=dict(taxes),
        total=items + shipping,
        cart=cart,
        cart_version=cart_version,
        reserved=False,
        reserved_until=clock.timestamp(),
        attempts=[],
        refunds={},
        issues=[],
        emails_due={},
        emails_sent={},
        history=[],
    )
    order.note("placed")
    order.wait()
    return order


def change(order_id: str, action: Callable[[Order, Transaction], bool], known: Order | None = None) -> Order:
    """Read an order, let `action` change it, write it; again from the start where somebody else was quicker.

    `action` says whether anything is to be written. It may be called several times, each time with what is stored
    now, and must be right each time. Who has just read or written the order passes it as `known` and saves the first read.
    Raises NotFound, Refused where another item of the transaction refused, and Busy, which is a SimultaneousChange where
    others keep being quicker.
    """
    for _ in range(TRIES):
        order, known = known or Order.fetch(order_id), None
        transaction, told_before = Transaction(), known_of(order)
        if not action(order, transaction):
            return order
        order.write(transaction)
        try:
            transaction.commit()
        except Refused as refused:
            if "order" not in refused.names:
                raise  # else somebody was quicker, and what else refused may only follow from that
            last: Exception = refused
        except Unknown as unknown:
            last = unknown  # read again: if it was written after all, `action` finds it done
        else:
            tell(order, told_before)
            return order
        if deadlines.is_late():
            break
    if isinstance(last, Refused):
        raise SimultaneousChange(SIMULTANEOUS) from last
    raise Busy("The shop is very busy. Please try again in a moment.") from last


def find_order(order_id: str) -> Order:
    """Read the order of an address. Raises NotFound."""
    if not ids.is_id(order_id):
        raise NotFound("We know no order with this address.")
    return Order.fetch(order_id)
