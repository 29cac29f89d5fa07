"""What a shopper does with a cart: add, change, remove, view."""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action

from chalicelib import deadlines, ids, money
from chalicelib.cart import sessions
from chalicelib.cart.models import MAX_LINES, MAX_QUANTITY_PER_LINE, Cart
from chalicelib.cart.sessions import Session
from chalicelib.catalog.models import Stock, is_sku
from chalicelib.catalog.offers import Offer, read_offers
from chalicelib.config import settings
from chalicelib.database.connection import Table
from chalicelib.database.reads import batch_get
from chalicelib.database.transactions import is_contended
from chalicelib.errors import BadInput, NotFound, OutOfStock, ServiceUnavailable, SimultaneousChange

MAX_ATTEMPTS = 12


@dataclass(frozen=True)
class CartLine:
    """A line as the cart page shows it; amounts in minor units."""

    sku: str
    quantity: int
    offer: Offer | None  # None if it is no longer sold
    price_seen: int | None
    available: int = 0  # what this shopper can buy: in stock, or reserved for their own order
    stock_notes: list[str] = field(default_factory=list)
    price_notes: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What the shopper should know about the line."""
        return [*self.stock_notes, *self.price_notes]

    @property
    def sellable(self) -> bool:
        """Return whether the whole line can be bought now."""
        return self.offer is not None and self.offer.sellable and self.available >= self.quantity

    @property
    def total(self) -> int:
        """The line's total at today's price; 0 if it is no longer sold."""
        return self.offer.price * self.quantity if self.offer else 0

    @property
    def max_quantity(self) -> int:
        """How many units are available to this shopper."""
        return min(MAX_QUANTITY_PER_LINE, self.available) if self.offer else 0


def add_line(session_id: str | None, sku: str, quantity: int) -> Session:
    """Add units of a SKU to the cart. Two calls: read cart and stock, write the line.

    Raises NotFound for an unknown SKU, BadInput for a quantity or cart out of bounds, OutOfStock.
    """
    _check_quantity(quantity, least=1)

    def line_after(lines: dict[str, Any], stock: Stock, held: int) -> dict[str, Any]:
        before = int(lines[sku]["quantity"]) if sku in lines else 0
        if sku not in lines and len(lines) >= MAX_LINES:
            raise BadInput(
                f"Your cart is full: it can hold {MAX_LINES} different items. Please place two orders instead."
            )
        if before + quantity > MAX_QUANTITY_PER_LINE:
            raise BadInput(
                f"You can order up to {MAX_QUANTITY_PER_LINE} of each item. Your cart already contains {before}."
            )
        _check_stock(int(stock.available) + held, before + quantity, in_cart=before)
        return _line(stock, before + quantity)

    return _change_line(session_id, sku, line_after)


def set_quantity(session_id: str | None, sku: str, quantity: int) -> Session:
    """Set the quantity of a line; 0 removes it. Raises NotFound, BadInput, OutOfStock."""
    if quantity == 0:
        return _remove_line(session_id, sku)
    _check_quantity(quantity, least=0)

    def line_after(lines: dict[str, Any], stock: Stock, held: int) -> dict[str, Any]:
        if sku not in lines:
            raise NotFound("This item is no longer in your cart.")
        if quantity > int(lines[sku]["quantity"]):
            _check_stock(int(stock.available) + held, quantity, in_cart=0)
        return _line(stock, quantity)

    return _change_line(session_id, sku, line_after)


def get_lines(session: Session) -> list[CartLine]:
    """Read the cart's lines with today's prices and stock, and note what changed since it was last shown."""
    if session.cart is None:
        return []
    stored: Mapping[str, Any] = session.cart.lines.as_dict()
    offers = read_offers({sku: line["slug"] for sku, line in stored.items()})
    cart = session.cart
    lines = [_cart_line(cart, sku, line, offers.get(sku)) for sku, line in sorted(stored.items())]
    _store_seen_prices(session.cart, lines)
    return lines


def extend_reservation(key: str, order_id: str, quantities: Mapping[str, int], until: int) -> None:
    """Record in the cart what its own order has reserved again, until `until`.

    A cart with another order is unchanged.
    """
    actions: list[Action] = [Cart.reserved.set(dict(quantities)), Cart.reserved_until.set(until)]
    try:
        Cart(key).update(actions, condition=Cart.order_id == order_id)
    except UpdateError:
        return  # the reservation is still valid: the cart's page would only show fewer units as available


def _cart_line(cart: Cart, sku: str, line: Mapping[str, Any], offer: Offer | None) -> CartLine:
    quantity, seen = int(line["quantity"]), line.get("price")
    available = offer.available + cart.reserved_quantity(sku) if offer else 0
    stock_notes, price_notes = [], []
    if offer is None or not offer.sellable:
        stock_notes.append("This item is no longer available. Please remove it.")
    elif available <= 0:
        stock_notes.append("This item is now sold out. Please remove it.")
    elif available < quantity:
        stock_notes.append(f"Only {available} left. Please reduce the quantity.")
    if offer is not None and seen is not None and seen != offer.price:
        old, new = (money.format_money(amount, settings.currency) for amount in (int(seen), offer.price))
        price_notes.append(f"The price has changed from {old} to {new} since you last looked.")
    price_seen = None if seen is None else int(seen)
    return CartLine(sku, quantity, offer, price_seen, available, stock_notes, price_notes)


def _store_seen_prices(cart: Cart, lines: list[CartLine]) -> None:
    changed = [line for line in lines if line.offer is not None and line.price_seen != line.offer.price]
    if not changed:
        return
    actions: list[Action] = [
        Cart.line(line.sku, "price").set(line.offer.price) for line in changed if line.offer
    ]
    condition = Cart.version == cart.version
    try:
        cart.update(actions, condition=condition)
    except UpdateError:
        return  # the cart changed meanwhile; its next view notes the change again


def _change_line(
    session_id: str | None, sku: str, line_after: Callable[[dict[str, Any], Stock, int], dict[str, Any]]
) -> Session:
    if not is_sku(sku):
        raise NotFound("We couldn’t find this item.")
    write_id = ids.new_id()
    failure: UpdateError | None = None
    for attempt in range(MAX_ATTEMPTS):
        _back_off(attempt, failure)
        session, stock = _read(session_id, sku)
        lines = session.cart.lines.as_dict() if session.cart else {}
        if sku in lines and lines[sku].get("write_id") == write_id:
            return session  # an earlier attempt took effect, and only its answer was lost
        if stock is None or stock.slug is None:
            raise NotFound("We couldn’t find this item.")
        held = session.reserved_quantity(sku)
        line = {**line_after(lines, stock, held), "write_id": write_id}
        if session.cart is None:
            session.create({sku: line})
            return session
        failure = _write(session.cart, sku, line)
        if failure is None:
            return session
    raise _give_up_error(failure)


def _remove_line(session_id: str | None, sku: str) -> Session:
    failure: UpdateError | None = None
    for attempt in range(MAX_ATTEMPTS):
        _back_off(attempt, failure)
        session, _stock = _read(session_id, None)
        if session.cart is None or sku not in session.cart.lines.as_dict():
            if attempt:
                return session  # it is removed: an earlier attempt took effect, or another tab was faster
            raise NotFound("This item is no longer in your cart.")
        failure = _write(session.cart, sku, None)
        if failure is None:
            return session
    raise _give_up_error(failure)


def _back_off(attempt: int, failure: UpdateError | None) -> None:
    if deadlines.is_expired():
        raise _give_up_error(failure)
    if attempt:
        time.sleep(random.uniform(0, 0.01 * min(attempt, 5)))


def _give_up_error(failure: UpdateError | None) -> ServiceUnavailable:
    if failure is not None and is_contended(failure):
        return SimultaneousChange("Your cart was being changed at the same time. Please try again.")
    return ServiceUnavailable("Your cart couldn’t be updated. Please try again.")


def _read(session_id: str | None, sku: str | None) -> tuple[Session, Stock | None]:
    wanted: dict[type[Table], Iterable[str]] = {}
    if sku is not None:
        wanted[Stock] = [sku]
    if session_id is not None:
        wanted[Cart] = [sessions.session_key(session_id)]
    found = batch_get(wanted) if wanted else {}
    cart = next(iter(found.get(Cart, {}).values()), None)
    stock = found.get(Stock, {}).get(sku or "")
    return Session(session_id, sessions.unless_expired(cart)), stock


def _write(cart: Cart, sku: str, line: dict[str, Any] | None) -> UpdateError | None:
    """Set or remove one line on condition of the cart's version.

    Returns the error if another change was faster or the answer was lost: read again, and look for the line's
    `write_id`.
    """
    path = Cart.line(sku)
    actions: list[Action] = [
        path.remove() if line is None else path.set(line),
        Cart.version.set(cart.version + 1),
        Cart.expires.set(sessions.new_expiry()),
    ]
    try:
        cart.update(actions, condition=Cart.version == cart.version)
    except UpdateError as error:
        return error
    return None


def _line(stock: Stock, quantity: int) -> dict[str, Any]:
    return {"quantity": quantity, "price": stock.current_price, "slug": stock.slug}


def _check_quantity(quantity: int, least: int) -> None:
    if not least <= quantity <= MAX_QUANTITY_PER_LINE:
        raise BadInput(f"Please choose a quantity between 1 and {MAX_QUANTITY_PER_LINE}.")


def _check_stock(available: int, quantity: int, in_cart: int) -> None:
    if available <= 0:
        raise OutOfStock("Sorry, this item is sold out.")
    if quantity > available:
        beside = f", and your cart already contains {in_cart}" if in_cart else ""
        fewer = " Please choose fewer." if in_cart < available else ""
        raise OutOfStock(f"Only {available} left{beside}.{fewer}")
