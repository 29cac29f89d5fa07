"""Place an order: price the cart, compare the total with the one shown, reserve and write in one transaction."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import clock, deadlines, money, rate_limits
from chalicelib.cart import destinations
from chalicelib.cart import service as cart_service
from chalicelib.cart.models import Cart
from chalicelib.cart.service import CartLine
from chalicelib.cart.sessions import Session, unless_expired
from chalicelib.cart.totals import Totals, price_lines, totals_of
from chalicelib.checkout.customer_form import Customer
from chalicelib.checkout.order_totals import freeze_lines
from chalicelib.config import settings
from chalicelib.database.reads import get
from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown, Transaction
from chalicelib.errors import (
    BadInput,
    Conflict,
    OutOfStock,
    ServiceUnavailable,
    ShopError,
    SimultaneousChange,
)
from chalicelib.orders import holds, states
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.events import EmittedSoFar, emit_events
from chalicelib.orders.models import Order, OrderLookup
from chalicelib.orders.repository import new_order, update_order
from chalicelib.orders.search import search_index
from chalicelib.orders.states import OrderState
from chalicelib.payments.start_payment import PaymentInProgress
from chalicelib.shop_settings.delivery import NOT_SHIPPED_TO, Delivery
from chalicelib.shop_settings.delivery import current as current_delivery
from chalicelib.shop_settings.taxes import current as current_tax_rules
from chalicelib.taxes.assessment import CannotBeServed, Destination
from chalicelib.taxes.rules import TaxRules
from chalicelib.taxes.statement import freeze_assessment, included_taxes

MAX_ATTEMPTS = 30
PLACING_SECONDS = 12.0  # of the request's time; creating the payment at PayPal needs the rest
SENT_AT_ONCE = (
    "Your cart was changed or ordered in another tab. This attempt didn’t place an order. "
    "Please wait a few seconds and try again."
)
ATTEMPT_SECONDS = (
    1.0  # of conflicts with orders for the same units; then stock is read again, since they may be gone
)


class EmptyCart(ShopError):
    """Raised when there is nothing to order."""

    title = "Your cart is empty"


class TotalChanged(Conflict):
    """Raised when the current total is not the one that the shopper saw."""


@dataclass(frozen=True)
class _Terms:
    """By what an order is priced, for all attempts to place it."""

    delivery: Delivery
    rules: TaxRules
    day: date


@dataclass(frozen=True)
class _Draft:
    """The order that a cart would become, at current prices; and the order that was placed from it before."""

    cart: Cart
    cart_lines: list[CartLine]
    lines: list[OrderLine]
    totals: Totals
    tax_assessment: Mapping[str, Any]
    fingerprint: str
    previous: Order | None


def place_order(
    session: Session, customer: Customer, shown_total: int | None, address: str = ""
) -> tuple[Order, bool]:
    """Place an order for the cart, or find the one already placed with the same content; return it, and whether it is new.

    `shown_total` is the total that the shopper saw, in minor units; None if the form has none. `address` is the client's
    IP address. The order holds its units until it is paid, unless one visitor would hold too many; then they are taken
    when it is paid.

    Raises BadInput for a country that is shipped to no longer or whose taxes the shop cannot charge, TooManyRequests,
    EmptyCart, OutOfStock, TotalChanged, PaymentInProgress; SimultaneousChange if other requests of the same visitor keep
    changing the cart; ServiceUnavailable if too many others order the same units, or the outcome is unknown. Placing again
    is always safe.
    """
    rate_limits.check_order_rate(session.key, address)
    terms = _Terms(current_delivery(), current_tax_rules(), clock.today())
    if terms.delivery.zone_of(customer.country) is None:
        raise BadInput(NOT_SHIPPED_TO)  # it was in the list a moment ago
    ends = deadlines.deadline_in(PLACING_SECONDS)
    may_hold = True  # until the address holds all that it may
    is_simultaneous = False  # the last attempt conflicted with another request from this cart
    for _ in range(MAX_ATTEMPTS):
        draft = _draft_of(session, customer, terms)
        if draft.previous is not None and _is_placed(draft, draft.previous):
            _check_total(draft.totals, shown_total, terms.delivery)
            _check_unreserved(draft, draft.previous)
            return draft.previous, False
        _refuse_while_paying(draft.previous)
        if (missing := unavailable_message(draft.cart_lines)) is not None:
            if _cart_changed(session):
                continue  # another tab has just ordered: the missing units may be reserved for this shopper
            raise OutOfStock(missing)
        _check_total(draft.totals, shown_total, terms.delivery)
        if time.monotonic() > ends:
            break  # after the check above, so that a shopper whose items are gone reads that
        order, transaction = _new_order(draft, session.key, customer, address, may_hold=may_hold)
        try:
            _commit_order(order, draft, transaction)
        except (ConditionFailed, ServiceUnavailable) as failure:
            # The cart changed, units were sold, the number is taken, or there are too many conflicts: read again.
            refused = failure.names if isinstance(failure, ConditionFailed) else set()
            if "cart" not in refused and any(name.startswith("limit#") for name in refused):
                raise rate_limits.too_many() from failure
            may_hold = may_hold and not any(name.startswith("hold#") for name in refused)
            is_simultaneous = "cart" in refused or isinstance(failure, SimultaneousChange)
        except OutcomeUnknown as unknown:
            return _read_written(order, unknown), True
        else:
            return order, True
        _read_cart_again(session, draft.previous)
    if is_simultaneous:
        raise SimultaneousChange(SENT_AT_ONCE)
    raise ServiceUnavailable("The shop is very busy. Your order wasn’t placed; please try again.")


# -- reading ----------------------------------------------------------------------------------------------


def _draft_of(session: Session, customer: Customer, terms: _Terms) -> _Draft:
    """Price the cart as it is now. Raises EmptyCart; BadInput where no order can be taken for the destination."""
    if session.cart is None or not session.cart.lines.as_dict():
        raise EmptyCart("There’s nothing in your cart to order.")
    cart_lines = cart_service.get_lines(session)
    cart = session.cart
    destination = Destination(customer.country, customer.postal_code, customer.region)
    try:
        totals = totals_of(price_lines(cart_lines), destination, terms.delivery, terms.rules, terms.day)
    except CannotBeServed as refusal:
        raise BadInput(str(refusal)) from refusal
    lines = freeze_lines(cart_lines, totals.assessment)
    tax_assessment = freeze_assessment(totals.assessment, terms.rules)
    return _Draft(
        cart=cart,
        cart_lines=cart_lines,
        lines=lines,
        totals=totals,
        tax_assessment=tax_assessment,
        fingerprint=order_fingerprint(lines, customer, totals.total, tax_assessment),
        previous=get(Order, cart.order_id) if cart.order_id else None,
    )


def _is_placed(draft: _Draft, previous: Order) -> bool:
    """Return whether the order placed from the cart is this one, submitted twice."""
    if draft.cart.order_fingerprint != draft.fingerprint:
        return False
    if (
        previous.state in states.PURCHASED
    ):  # unless the cart was changed since: then it is a second, equal order
        return bool(previous.cart_version == draft.cart.version)
    return previous.state not in states.CLOSED


def _check_unreserved(draft: _Draft, order: Order) -> None:
    """Raise OutOfStock for an order that awaits payment without a reservation, and whose items are sold."""
    is_unreserved = order.state == OrderState.AWAITING and not order.reserved
    if is_unreserved and (gone := unavailable_message(draft.cart_lines)):
        raise OutOfStock(gone)


def _check_total(totals: Totals, shown: int | None, delivery: Delivery) -> None:
    if totals.total == shown:
        return
    amount = money.format_money(totals.total, settings.currency)
    if shown is not None and shown - totals.listed in {0, *(zone.rate for zone in delivery.zones)}:
        raise TotalChanged(
            f"Including shipping ({totals.shipping_name}), the total is now {amount}. Please check it and confirm."
        )
    raise TotalChanged(
        f"The total is now {amount}, including {money.format_money(totals.shipping, settings.currency)} "
        f"for shipping ({totals.shipping_name}). Please check it and confirm."
    )


def _refuse_while_paying(order: Order | None) -> None:
    if order is not None and order.state == OrderState.CAPTURING:
        raise PaymentInProgress(
            "PayPal is still processing the payment for your previous order. "
            "Please wait until it’s finished before you place another order."
        )


def order_fingerprint(
    lines: list[OrderLine], customer: Customer, total: int, tax_assessment: Mapping[str, Any]
) -> str:
    """Return a hash of lines, customer, total and taxes: equal fingerprints are the same order."""
    content = [
        [vars(line) | {"options": dict(line.options)} for line in lines],
        vars(customer),
        total,
        tax_assessment,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def unavailable_message(cart_lines: list[CartLine]) -> str | None:
    """Return a message that lists the unavailable lines; None if there are none."""
    return " ".join(_unavailable_message(line) for line in cart_lines if not line.sellable) or None


def _cart_changed(session: Session) -> bool:
    """Read the cart again; return whether it was changed, or ordered from, since the last read."""
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


# -- writing ----------------------------------------------------------------------------------------------


def _new_order(
    draft: _Draft, session_key: str, customer: Customer, address: str, *, may_hold: bool
) -> tuple[Order, Transaction]:
    """Make the order, and a transaction with its hold, if it may have one, and its rate limit counters."""
    order = new_order(
        lines=draft.lines,
        customer=vars(customer),
        shipping=draft.totals.shipping,
        taxes=included_taxes(draft.totals.assessment),
        tax_assessment=draft.tax_assessment,
        cart=session_key,
        cart_version=int(draft.cart.version),
    )
    transaction = Transaction()
    holder = holds.holder_of(address)
    quantities = {line.sku: line.offer.available + line.offer.held for line in draft.cart_lines if line.offer}
    most = holds.max_holds(draft.lines, quantities, holder) if may_hold else None
    if most is not None:
        order.hold_stock(transaction, holder, most)
    rate_limits.count_order(transaction, session_key, address)
    return order, transaction


def _commit_order(order: Order, draft: _Draft, transaction: Transaction) -> None:
    """Cancel the previous order, and write this one, on condition that the cart is unchanged."""
    if draft.previous is not None and draft.previous.state == OrderState.AWAITING:
        _refuse_while_paying(_cancel(draft.previous))
    order.add_to_transaction(transaction)
    pointer = OrderLookup(f"number#{order.number}", order_id=order.id)
    transaction.put("number", pointer, OrderLookup.id.does_not_exist())
    search_index.add_search_entries(order.number, order.customer, order.placed_key, transaction)
    cart = draft.cart
    unchanged = (Cart.version == cart.version) & (
        Cart.order_id.does_not_exist() if cart.order_id is None else (Cart.order_id == cart.order_id)
    )
    marks = [
        Cart.order_id.set(order.id),
        Cart.order_fingerprint.set(draft.fingerprint),
        Cart.reserved.set({line.sku: line.quantity for line in order.lines} if order.held else {}),
        Cart.reserved_until.set(order.reserved_until),
        destinations.keep_with_order(order.customer),
    ]
    transaction.update("cart", cart, marks, unchanged & (Cart.expires > clock.timestamp()))
    transaction.commit(ATTEMPT_SECONDS)
    emit_events(order, EmittedSoFar())


def _cancel(order: Order) -> Order:
    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING:
            return False
        order.cancel(CloseReason.SUPERSEDED, transaction)
        return True

    return update_order(order.id, action, loaded=order)


def _read_written(order: Order, unknown: OutcomeUnknown) -> Order:
    """Return an order whose write had no answer, if it exists. Raises ServiceUnavailable."""
    found = get(Order, order.id)
    if found is None:
        raise ServiceUnavailable(
            "We couldn’t confirm your order. Please try again: it won’t be placed twice."
        ) from unknown
    return found


def _read_cart_again(session: Session, previous: Order | None) -> None:
    session.cart = unless_expired(get(Cart, session.key))
    if session.cart is not None and session.cart.order_id == (previous.id if previous else None):
        # The order that held the units is closed, or paid: they are for sale again, or sold.
        session.cart.reserved = None
