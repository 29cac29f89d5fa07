"""Settle: bring an order to what PayPal says now, in one transaction. The only way in for money.

The return page, the notifications, the reconciler and staff all come here. Each movement's PayPal id enters the
order's `booked` in the transaction that writes its ledger row, so settling twice, late, or from three places at
once changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids
from chalicelib.cart.models import Cart
from chalicelib.database.transactions import Refused, Transaction
from chalicelib.ledger.models import SALE
from chalicelib.mail import outbox
from chalicelib.money import Money
from chalicelib.orders import states
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change
from chalicelib.payments import movements
from chalicelib.payments.paypal.values import Capture, Payee, PayPalOrder
from chalicelib.payments.refund_settlement import WRONG_PAYEE, settle_refund

TAKEN = {"COMPLETED", "REFUNDED", "PARTIALLY_REFUNDED"}
REFUSED = {"DECLINED", "FAILED"}
PAYABLE = {states.AWAITING, states.CAPTURING, states.PENDING}


@dataclass(frozen=True)
class Circumstances:
    """What a settling attempt may rely on, and what an earlier attempt found it may not."""

    payee: Payee | None  # who PayPal's order says is paid; None where the capture is one the order points at
    shopper_present: bool = False  # then nobody needs a mail to learn of a decline
    in_stock: bool = True
    cart_unchanged: bool = True


def settle_paypal_order(order_id: str, seen: PayPalOrder, *, shopper_present: bool = False) -> Order:
    """Settle every capture, then every refund, of PayPal's order as it was just seen."""
    order = None
    for capture in seen.captures:
        order = settle_capture(order_id, capture, seen.payee, shopper_present=shopper_present)
    for refund in seen.refunds:
        order = settle_refund(order_id, refund)
    return order or Order.fetch(order_id)


def settle_capture(
    order_id: str, capture: Capture, payee: Payee | None, *, shopper_present: bool = False
) -> Order:
    """Settle one capture. `payee` is who PayPal's order pays; None for a capture that the order points at already."""
    circumstances = Circumstances(payee, shopper_present)
    while True:
        try:
            order = change(order_id, _settling(capture, circumstances))
        except Refused as refused:
            circumstances = _after(refused, circumstances)
        else:
            outbox.announce(order)
            return order


# -- one capture ------------------------------------------------------------------------------------------


def _settling(capture: Capture, circumstances: Circumstances) -> Callable[[Order, Transaction], bool]:
    def action(order: Order, transaction: Transaction) -> bool:
        # Before all else: money of somebody else's account is not ours to book or to give back, whatever it is for.
        moved = capture.status not in REFUSED and not order.has_booked(capture.id)
        if moved and _is_somebody_else(order, circumstances.payee, capture.payee):
            return _refuse_payee(order, capture, transaction)
        if capture.status in TAKEN:
            return _settle_taken(order, capture, circumstances, transaction)
        if capture.status == "PENDING":
            return _settle_pending(order, capture, circumstances, transaction)
        if capture.status in REFUSED:
            return _settle_refused(order, capture, circumstances, transaction)
        return False

    return action


def _settle_taken(
    order: Order, capture: Capture, circumstances: Circumstances, transaction: Transaction
) -> bool:
    if order.has_booked(capture.id):
        return False
    wrong = _what_is_wrong(order, capture, circumstances)
    order.book(capture.id)
    paid_for = () if wrong else order.lines
    movements.add_movement(
        transaction, order, SALE, capture.id, capture.money, capture.fee, capture.at, paid_for
    )
    if wrong:
        _give_back(order, capture, wrong, transaction)
        return True
    if order.state == states.AWAITING:
        order.claim_for_capture(ids.new_id(), transaction)
    elif not order.reserved:
        order.take_stock(transaction)
    order.mark_paid(capture.id, capture.order_id, transaction)
    if circumstances.cart_unchanged and order.cart is not None:
        _clear_cart(order, transaction)
    return True


def _what_is_wrong(order: Order, capture: Capture, circumstances: Circumstances) -> str | None:
    """Say why captured money does not pay this order; None where it does."""
    if order.state in (states.PAID, states.SHIPPED):
        return "second capture"
    if order.state not in PAYABLE:
        return "captured after closing"
    if order.state == states.PENDING and order.capture != capture.id:
        return "second capture"
    if capture.money != Money(int(order.total), order.currency):
        return "wrong amount"
    if capture.custom_id not in (None, order.id):
        return "wrong order"
    return None if circumstances.in_stock or order.reserved else "sold out"


def _give_back(order: Order, capture: Capture, wrong: str, transaction: Transaction) -> None:
    """Refund money that does not pay the order, tell staff, and let the order be paid properly where it can be."""
    order.want_refund(ids.new_id(), capture.id, capture.money.amount, capture.money.currency, wrong)
    order.point_at(capture.id, transaction)
    order.raise_issue(wrong, capture.id)
    _let_go(order, capture, transaction)
    if wrong == "sold out" and order.state == states.AWAITING:
        order.approved = True
        order.expire("sold out", transaction)


def _refuse_payee(order: Order, capture: Capture, transaction: Transaction) -> bool:
    """Money that went to somebody else is not ours to book or to give back: ask staff, let the order be paid."""
    if order.has_issue(WRONG_PAYEE, capture.id):
        return False
    order.raise_issue(WRONG_PAYEE, capture.id)
    _let_go(order, capture, transaction)
    return True


def _let_go(order: Order, capture: Capture, transaction: Transaction) -> None:
    """Let an unpaid order be paid by a new attempt: this one is used up at PayPal."""
    about = _is_about(order, capture)
    if about:
        order.mark_unpaid(transaction)
    if about or (order.state == states.AWAITING and capture.order_id is not None):
        order.end_attempt(capture.order_id)


def _is_about(order: Order, capture: Capture) -> bool:
    """Tell whether a capture is the one the order waits for: not a late word about an attempt that ended before."""
    if order.state == states.CAPTURING:
        return capture.order_id is not None and capture.order_id == order.paypal_id
    return order.state == states.PENDING and order.capture == capture.id


def _settle_pending(
    order: Order, capture: Capture, circumstances: Circumstances, transaction: Transaction
) -> bool:
    if order.state not in (states.AWAITING, states.CAPTURING):
        return False  # pending already, or settled: a late PENDING never downgrades
    if order.state == states.CAPTURING and not _is_about(order, capture):
        return False
    if order.state == states.AWAITING:
        if not order.may_be_paid_by(capture.order_id):
            return False  # a look from before it was denied
        order.take_up(ids.new_id())
        if not order.reserved and circumstances.in_stock:
            order.take_stock(transaction)
    order.mark_pending(capture.id, transaction)
    return True


def _settle_refused(
    order: Order, capture: Capture, circumstances: Circumstances, transaction: Transaction
) -> bool:
    if not _is_about(order, capture):
        return False
    was_pending = order.state == states.PENDING
    order.mark_unpaid(transaction)
    order.mark_declined()
    if was_pending or not circumstances.shopper_present:
        order.owe_mail("failed", capture.id)
    order.end_attempt(capture.order_id)
    return True


def _after(refused: Refused, circumstances: Circumstances) -> Circumstances:
    """Learn from a refused transaction what the next attempt may not rely on. Raises it where nothing is learnt."""
    stock = any(name.startswith("stock#") for name in refused.names)
    cart = "cart" in refused.names
    if refused.names - {"order", "cart"} and not stock:
        raise refused
    return Circumstances(
        circumstances.payee,
        circumstances.shopper_present,
        in_stock=circumstances.in_stock and not stock,
        cart_unchanged=circumstances.cart_unchanged and not cart,
    )


def _clear_cart(order: Order, transaction: Transaction) -> None:
    """Empty the cart the order was placed from, if it is still that cart; what features keep in it stays."""
    placed = (Cart.order == order.id) & (Cart.version == order.cart_version)
    actions = [
        Cart.lines.set({}),
        Cart.version.set(Cart.version + 1),
        Cart.order.remove(),
        Cart.digest.remove(),
        Cart.held.remove(),
    ]
    transaction.update("cart", Cart(order.cart), actions, placed)


def _is_somebody_else(order: Order, *payees: Payee | None) -> bool:
    """Return whether PayPal names a payee that is not the one stored before the shopper was sent there.

    An account keeps its id when its e-mail address changes: the addresses decide only where PayPal names no id.
    """
    ids = {attempt["payee"] for attempt in order.attempts if attempt["payee"]}
    emails = {attempt["payee_email"] for attempt in order.attempts if attempt.get("payee_email")}
    # Before both were stored, `payee` was the address where PayPal had named no id.
    emails |= {payee for payee in ids if "@" in payee}
    ids -= emails

    def is_foreign(payee: Payee) -> bool:
        if payee.merchant_id and ids:
            return payee.merchant_id not in ids
        return bool(payee.email and emails and payee.email not in emails)

    return any(is_foreign(payee) for payee in payees if payee is not None)
