"""Placing an order: price the cart, compare with what was shown, reserve and write in one transaction."""

import hashlib
import json
import time

from chalicelib import clock, deadlines, money, rate_limits
from chalicelib.cart import service as cart_service
from chalicelib.cart.models import Cart
from chalicelib.cart.service import CartLine
from chalicelib.cart.sessions import Session, unless_expired
from chalicelib.checkout.customer_form import Customer
from chalicelib.checkout.order_totals import Totals, freeze_lines, totals_of
from chalicelib.config import settings
from chalicelib.database.reads import get
from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown, Transaction
from chalicelib.errors import Conflict, OutOfStock, ServiceUnavailable, ShopError, SimultaneousChange
from chalicelib.orders import holds, states
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.events import EmittedSoFar, emit_events
from chalicelib.orders.models import Order, OrderLookup
from chalicelib.orders.repository import new_order, update_order
from chalicelib.orders.search import search_index
from chalicelib.orders.states import OrderState
from chalicelib.payments.start_payment import PaymentInProgress

MAX_ATTEMPTS = 30
PLACING_SECONDS = 12.0  # of the request's time: sending the shopper to PayPal needs some, too
SENT_AT_ONCE = (
    "Your cart was changed or ordered in another tab. This attempt didn’t place an order. "
    "Please wait a few seconds and try again."
)
ATTEMPT_SECONDS = 1.0  # against others who want the same pieces; then look again, for they may be gone


class EmptyCart(ShopError):
    """There is nothing to order."""

    title = "Your cart is empty"


class TotalChanged(Conflict):
    """Today's total is not the one the shopper saw."""


def place_order(
    session: Session, customer: Customer, shown_total: int | None, address: str = ""
) -> tuple[Order, bool]:
    """Place an order for the cart, or find the one that was placed already with the same content; and whether it is new.

    `shown_total` is what the shopper saw, in minor units; None where the form does not tell. `address` is where the
    request comes from. The order's pieces are held for it until it is paid, unless that is beyond what one visitor may
    hold; then they are taken when it is paid.

    Raises TooManyRequests, EmptyCart, OutOfStock, TotalChanged, PaymentInProgress; SimultaneousChange where other requests of
    the same visitor keep changing the cart; ServiceUnavailable where others want the same pieces, or the answer of the table was lost.
    Placing again is always safe.
    """
    rate_limits.check_order_rate(session.key, address)
    ends = deadlines.deadline_in(PLACING_SECONDS)
    holder = holds.holder_of(address)
    is_full = False  # the address holds all that it may
    is_simultaneous = False  # the last try was in the way of another one from this cart
    for _ in range(MAX_ATTEMPTS):
        if session.cart is None or not session.cart.lines.as_dict():
            raise EmptyCart("There’s nothing in your cart to order.")
        cart_lines = cart_service.get_lines(session)
        lines = freeze_lines(cart_lines)
        totals = totals_of(lines, customer.country)
        digest = order_fingerprint(lines, customer, totals.total)
        before = get(Order, session.cart.order_id) if session.cart.order_id else None
        if (
            before is not None
            and session.cart.order_fingerprint == digest
            and _is_same_order(before, session.cart)
        ):
            if totals.total != shown_total:
                raise TotalChanged(_total_changed_message(totals, shown_total))
            if (
                before.state == OrderState.AWAITING
                and not before.reserved
                and (gone := unavailable_message(cart_lines))
            ):
                raise OutOfStock(gone)
            return before, False
        _refuse_while_paying(before)
        missing = unavailable_message(cart_lines)
        if missing:
            if _cart_changed(session):
                continue  # another tab has just ordered: what is missing may be reserved for this very shopper
            raise OutOfStock(missing)
        if totals.total != shown_total:
            raise TotalChanged(_total_changed_message(totals, shown_total))
        if time.monotonic() > ends:
            break  # after the look: who can be told that it is gone is told so
        order = new_order(
            lines=lines,
            customer=vars(customer),
            shipping=totals.shipping,
            taxes=totals.taxes,
            cart=session.key,
            cart_version=int(session.cart.version),
        )
        quantities = {line.sku: line.offer.available + line.offer.held for line in cart_lines if line.offer}
        transaction = Transaction()
        most = None if is_full else holds.max_holds(lines, quantities, holder)
        if most is not None:
            order.hold_stock(transaction, holder, most)
        rate_limits.count_order(transaction, session.key, address)
        try:
            if before is not None and before.state == OrderState.AWAITING:
                _refuse_while_paying(_cancel_previous(before))
            _commit_order(order, session.cart, digest, transaction)
        except (ConditionFailed, ServiceUnavailable) as failure:
            # The cart changed, a piece went, the number is taken, or too many want the same: look again.
            refused = failure.names if isinstance(failure, ConditionFailed) else set()
            if "cart" not in refused and any(name.startswith("limit#") for name in refused):
                raise rate_limits.too_many() from failure
            is_full = is_full or any(name.startswith("hold#") for name in refused)
            is_simultaneous = "cart" in refused or isinstance(failure, SimultaneousChange)
        except OutcomeUnknown as unknown:
            found = get(Order, order.id)
            if found is None:
                raise ServiceUnavailable(
                    "We couldn’t confirm your order. Please try again: it won’t be placed twice."
                ) from unknown
            return found, True
        else:
            return order, True
        session.cart = unless_expired(get(Cart, session.key))
        if session.cart is not None and session.cart.order_id == (before.id if before else None):
            session.cart.reserved = None  # the order that held them is closed, or PayPal has its money: they are on the shelf, or gone
    if is_simultaneous:
        raise SimultaneousChange(SENT_AT_ONCE)
    raise ServiceUnavailable("The shop is very busy. Your order wasn’t placed; please try again.")


def order_fingerprint(lines: list[OrderLine], customer: Customer, total: int) -> str:
    """Digest what is ordered by whom for how much: the same digest is the same order."""
    content = [[vars(line) | {"options": dict(line.options)} for line in lines], vars(customer), total]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def unavailable_message(cart_lines: list[CartLine]) -> str | None:
    """Return which lines cannot be had as they are; None where all can."""
    return " ".join(_unavailable_message(line) for line in cart_lines if not line.sellable) or None


def _cart_changed(session: Session) -> bool:
    """Read the cart again; tell whether it was changed, or ordered from, since it was last read."""
    known, session.cart = session.cart, unless_expired(get(Cart, session.key))
    if known is None or session.cart is None:
        return known is not session.cart
    moved_on = (known.version, known.order_id) != (session.cart.version, session.cart.order_id)
    if not moved_on:
        session.cart = known
    return moved_on


def _unavailable_message(line: CartLine) -> str:
    if line.offer is None or not line.offer.sellable:
        return "An item in your cart is no longer available."
    name = line.offer.quoted_name + (f" ({line.offer.label})" if line.offer.label else "")
    if line.available <= 0:
        return f"{name} has just sold out."
    return f"Only {line.available} of {name} left."


def _total_changed_message(totals: Totals, shown: int | None) -> str:
    amount = money.format_money(totals.total, settings.currency)
    if shown is not None and shown - totals.items in {0, *(zone.rate for zone in settings.shop.zones)}:
        return f"Including shipping ({totals.shipping_name}), the total is now {amount}. Please check it and confirm."
    return (
        f"The total is now {amount}, including {money.format_money(totals.shipping, settings.currency)} "
        f"for shipping ({totals.shipping_name}). Please check it and confirm."
    )


def _refuse_while_paying(order: Order | None) -> None:
    if order is not None and order.state == OrderState.CAPTURING:
        raise PaymentInProgress(
            "PayPal is still processing the payment for your previous order. "
            "Please wait until it’s finished before you place another order."
        )


def _is_same_order(order: Order, cart: Cart) -> bool:
    if order.state in states.PURCHASED:
        # Sent twice; unless the cart was changed since, for then it is the same thing once more.
        return bool(order.cart_version == cart.version)
    return order.state not in states.CLOSED


def _cancel_previous(order: Order) -> Order:
    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING:
            return False
        order.cancel(CloseReason.SUPERSEDED, transaction)
        return True

    return update_order(order.id, action, loaded=order)


def _commit_order(order: Order, cart: Cart, digest: str, transaction: Transaction) -> None:
    order.add_to_transaction(transaction)
    pointer = OrderLookup(f"number#{order.number}", order_id=order.id)
    transaction.put("number", pointer, OrderLookup.id.does_not_exist())
    search_index.add_search_entries(order.number, order.customer, order.placed_key, transaction)
    unchanged = (Cart.version == cart.version) & (
        Cart.order_id.does_not_exist() if cart.order_id is None else (Cart.order_id == cart.order_id)
    )
    marks = [
        Cart.order_id.set(order.id),
        Cart.order_fingerprint.set(digest),
        Cart.reserved.set({line.sku: line.quantity for line in order.lines} if order.held else {}),
        Cart.reserved_until.set(order.reserved_until),
    ]
    transaction.update("cart", cart, marks, unchanged & (Cart.expires > clock.timestamp()))
    transaction.commit(ATTEMPT_SECONDS)
    emit_events(order, EmittedSoFar())
