"""Settle: bring an order in line with what PayPal says now, in one transaction. The only code that books money.

The return page, the notifications, the reconciler and staff all use it. PayPal's ID of each movement is added
to the order's `recorded_transactions` in the transaction that writes its ledger entry, so settling twice, late,
or concurrently changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids
from chalicelib.cart.models import Cart
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.ledger.models import SALE
from chalicelib.mail import outbox
from chalicelib.money import Money
from chalicelib.orders.enums import CloseReason, EmailKind, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.payments import movements
from chalicelib.payments.paypal.values import Capture, Payee, PayPalOrder
from chalicelib.payments.refund_settlement import settle_refund

CAPTURED_STATUSES = {"COMPLETED", "REFUNDED", "PARTIALLY_REFUNDED"}
DENIED_STATUSES = {"DECLINED", "FAILED"}
PAYABLE = {OrderState.AWAITING, OrderState.CAPTURING, OrderState.PENDING}


@dataclass(frozen=True)
class SettlementContext:
    """What an attempt to settle may assume, and what an earlier attempt found to be wrong."""

    payee: Payee | None  # whom PayPal's order pays; None for a capture that the order names already
    shopper_present: bool = False  # then a decline needs no email
    in_stock: bool = True
    cart_unchanged: bool = True


def settle_paypal_order(order_id: str, paypal_order: PayPalOrder, *, shopper_present: bool = False) -> Order:
    """Settle every capture, then every refund, of PayPal's order as it was just read."""
    order = None
    for capture in paypal_order.captures:
        order = settle_capture(order_id, capture, paypal_order.payee, shopper_present=shopper_present)
    for refund in paypal_order.refunds:
        order = settle_refund(order_id, refund)
    return order or Order.fetch(order_id)


def settle_capture(
    order_id: str, capture: Capture, payee: Payee | None, *, shopper_present: bool = False
) -> Order:
    """Settle one capture. `payee` is whom PayPal's order pays; None for a capture that the order names already."""
    context = SettlementContext(payee, shopper_present)
    while True:
        try:
            order = update_order(order_id, _settle_action(capture, context))
        except ConditionFailed as refused:
            context = _next_context(refused, context)
        else:
            outbox.enqueue(order)
            return order


# -- one capture ------------------------------------------------------------------------------------------


def _settle_action(capture: Capture, context: SettlementContext) -> Callable[[Order, Transaction], bool]:
    def action(order: Order, transaction: Transaction) -> bool:
        # First of all: money that went to another account must be neither booked nor refunded, whatever it is
        # for.
        moved = capture.status not in DENIED_STATUSES and not order.has_recorded(capture.id)
        if moved and _payee_differs(order, context.payee, capture.payee):
            return _flag_payee_mismatch(order, capture, transaction)
        if capture.status in CAPTURED_STATUSES:
            return _settle_captured(order, capture, context, transaction)
        if capture.status == "PENDING":
            return _settle_pending(order, capture, context, transaction)
        if capture.status in DENIED_STATUSES:
            return _settle_denied(order, capture, context, transaction)
        return False

    return action


def _settle_captured(
    order: Order, capture: Capture, context: SettlementContext, transaction: Transaction
) -> bool:
    if order.has_recorded(capture.id):
        return False
    wrong = _mismatch_reason(order, capture, context)
    order.record_transaction(capture.id)
    paid_for = () if wrong else order.lines
    movements.add_movement(
        transaction, order, SALE, capture.id, capture.money, capture.fee, capture.at, paid_for
    )
    if wrong:
        _refund_unmatched(order, capture, wrong, transaction)
        return True
    if order.state == OrderState.AWAITING:
        order.claim_for_capture(ids.new_id(), transaction)
    elif not order.reserved:
        order.reserve_stock(transaction)
    order.mark_paid(capture.id, capture.order_id, transaction)
    _clear_cart(order, context, transaction)
    return True


def _mismatch_reason(order: Order, capture: Capture, context: SettlementContext) -> IssueKind | None:
    """Return why captured money does not pay this order; None if it does."""
    if order.state in (OrderState.PAID, OrderState.SHIPPED):
        return IssueKind.DUPLICATE_CAPTURE
    if order.state not in PAYABLE:
        return IssueKind.CAPTURED_AFTER_CLOSE
    if order.state == OrderState.PENDING and order.capture_id != capture.id:
        return IssueKind.DUPLICATE_CAPTURE
    if capture.money != Money(int(order.total), order.currency):
        return IssueKind.AMOUNT_MISMATCH
    if capture.custom_id not in (None, order.id):
        return IssueKind.ORDER_MISMATCH
    return None if context.in_stock or order.reserved else IssueKind.SOLD_OUT


def _refund_unmatched(order: Order, capture: Capture, wrong: IssueKind, transaction: Transaction) -> None:
    """Refund money that does not pay the order, open an issue, and let the order be paid by a new attempt if possible."""
    order.request_refund(ids.new_id(), capture.id, capture.money.amount, capture.money.currency, wrong)
    order.add_capture_lookup(capture.id, transaction)
    order.open_issue(wrong, capture.id)
    _end_attempt(order, capture, transaction)
    if wrong == IssueKind.SOLD_OUT and order.state == OrderState.AWAITING:
        order.approved = True
        order.expire(CloseReason.SOLD_OUT, transaction)


def _flag_payee_mismatch(order: Order, capture: Capture, transaction: Transaction) -> bool:
    """Open an issue for money that went to another account, which is neither booked nor refunded; let the order be paid."""
    if order.has_issue(IssueKind.PAYEE_MISMATCH, capture.id):
        return False
    order.open_issue(IssueKind.PAYEE_MISMATCH, capture.id)
    _end_attempt(order, capture, transaction)
    return True


def _end_attempt(order: Order, capture: Capture, transaction: Transaction) -> None:
    """Let an unpaid order be paid by a new attempt: this one is used up at PayPal."""
    about = _is_current_capture(order, capture)
    if about:
        order.mark_unpaid(transaction)
    if about or (order.state == OrderState.AWAITING and capture.order_id is not None):
        order.end_attempt(capture.order_id)


def _is_current_capture(order: Order, capture: Capture) -> bool:
    """Return whether a capture is the one that the order waits for, not a late report about an attempt that has ended."""
    if order.state == OrderState.CAPTURING:
        return capture.order_id is not None and capture.order_id == order.paypal_order_id
    return order.state == OrderState.PENDING and order.capture_id == capture.id


def _settle_pending(
    order: Order, capture: Capture, context: SettlementContext, transaction: Transaction
) -> bool:
    if order.state not in (OrderState.AWAITING, OrderState.CAPTURING):
        return False  # pending already, or settled: a late PENDING changes nothing
    if order.state == OrderState.CAPTURING and not _is_current_capture(order, capture):
        return False
    if order.state == OrderState.AWAITING:
        if not order.can_be_paid_by(capture.order_id):
            return False  # read before the capture was denied
        order.mark_capturing(ids.new_id())
        if not order.reserved and context.in_stock:
            order.reserve_stock(transaction)
    order.mark_pending(capture.id, transaction)
    _clear_cart(order, context, transaction)
    return True


def _settle_denied(
    order: Order, capture: Capture, context: SettlementContext, transaction: Transaction
) -> bool:
    if not _is_current_capture(order, capture):
        return False
    was_pending = order.state == OrderState.PENDING
    order.mark_unpaid(transaction)
    order.mark_declined()
    if was_pending or not context.shopper_present:
        order.queue_email(EmailKind.PAYMENT_FAILED, capture.id)
    order.end_attempt(capture.order_id)
    return True


def _next_context(refused: ConditionFailed, context: SettlementContext) -> SettlementContext:
    """Return what the next attempt may assume after a refused transaction.

    Raises `refused` if that would change nothing.
    """
    stock = any(name.startswith("stock#") for name in refused.names)
    cart = "cart" in refused.names
    if refused.names - {"order", "cart"} and not stock:
        raise refused
    return SettlementContext(
        context.payee,
        context.shopper_present,
        in_stock=context.in_stock and not stock,
        cart_unchanged=context.cart_unchanged and not cart,
    )


def _clear_cart(order: Order, context: SettlementContext, transaction: Transaction) -> None:
    """Empty the cart that the order was placed from, if it is unchanged; other values in the session stay."""
    if order.cart is None or not context.cart_unchanged:
        return
    placed = (Cart.order_id == order.id) & (Cart.version == order.cart_version)
    actions = [
        Cart.lines.set({}),
        Cart.version.set(Cart.version + 1),
        Cart.order_id.remove(),
        Cart.order_fingerprint.remove(),
        Cart.reserved.remove(),
    ]
    transaction.update("cart", Cart(order.cart), actions, placed)


def _payee_differs(order: Order, *payees: Payee | None) -> bool:
    """Return whether PayPal names another payee than the one stored before the shopper was sent there.

    An account keeps its ID when its email address changes, so addresses are compared only if PayPal names no
    ID.
    """
    ids = {attempt["payee"] for attempt in order.payment_attempts if attempt["payee"]}
    emails = {attempt["payee_email"] for attempt in order.payment_attempts if attempt["payee_email"]}
    ids -= emails  # `payee` is the address if PayPal named no ID

    def is_foreign(payee: Payee) -> bool:
        if payee.merchant_id and ids:
            return payee.merchant_id not in ids
        return bool(payee.email and emails and payee.email not in emails)

    return any(is_foreign(payee) for payee in payees if payee is not None)
