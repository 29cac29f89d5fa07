"""Settle refunds, reversals and won disputes."""

from chalicelib import ids
from chalicelib.database.transactions import Transaction
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED
from chalicelib.mail import outbox
from chalicelib.money import Money
from chalicelib.orders.enums import IssueKind, RefundStatus
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.payments import movements
from chalicelib.payments.paypal.values import Refund, Reversal, WonDispute


def settle_refund(
    order_id: str, refund: Refund, refund_id: str | None = None, loaded: Order | None = None
) -> Order:
    """Settle a refund, ours (`refund_id`) or one made in PayPal's dashboard. Its capture must be the order's.

    `loaded` is the order as just read or written, which saves a read.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_issue(IssueKind.PAYEE_MISMATCH, refund.capture_id or ""):
            return False
        key = refund_id or _refund_id_of(order, refund)
        known = order.refunds.get(key)
        if refund.status == "COMPLETED":
            if order.has_recorded(refund.id):
                return _match_refund(order, refund_id, refund)
            order.record_transaction(refund.id)
            movements.add_movement(
                transaction,
                order,
                REFUND,
                refund.id,
                _negative(refund.money),
                refund.fee,
                refund.at,
                capture_id=refund.capture_id or order.capture_id,
            )
            order.complete_refund(key, refund.id, refund.capture_id or order.capture_id or "", refund.money)
            return True
        status = RefundStatus.PENDING if refund.status == "PENDING" else RefundStatus.FAILED
        if known is not None and (known["status"], known["paypal_refund_id"]) == (status, refund.id):
            return False
        if order.has_recorded(refund.id):
            return _settle_completed_refund(order, refund_id, refund)
        order.update_refund(key, status, refund.id, refund.capture_id or "", refund.money)
        if status == RefundStatus.FAILED and not order.has_issue(IssueKind.REFUND_FAILED, refund.id):
            order.open_issue(IssueKind.REFUND_FAILED, refund.id)
        return True

    order = update_order(order_id, action, loaded)
    outbox.enqueue(order)
    return order


def _settle_completed_refund(order: Order, refund_id: str | None, refund: Refund) -> bool:
    """Handle a report on a refund that is in the books, where it stays.

    PENDING is outdated, anything else is an issue.
    """
    if refund.status != "PENDING" and not order.has_issue(IssueKind.REFUND_REVERSED, refund.id):
        order.open_issue(IssueKind.REFUND_REVERSED, refund.id)
        return True
    return _match_refund(order, refund_id, refund)


def _match_refund(order: Order, refund_id: str | None, refund: Refund) -> bool:
    if refund_id is None or order.refunds[refund_id]["status"] == RefundStatus.COMPLETED:
        return False
    order.match_refund(refund_id, refund.id)
    return True


def reject_refund(order_id: str, refund_id: str, issue: str) -> Order:
    """Record that PayPal definitely refuses a refund of ours, and open an issue.

    If part of an automatic refund was made before, in PayPal's dashboard, the rest is requested again.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        known = order.refunds[refund_id]
        if known["status"] != RefundStatus.REQUESTED:
            return False
        amount = Money(known["amount"], known["currency"])
        order.update_refund(refund_id, RefundStatus.FAILED, "", known["capture_id"], amount)
        order.refunds = {**order.refunds, refund_id: {**order.refunds[refund_id], "rejection": issue}}
        if "actor" in known:
            order.open_issue(IssueKind.REFUND_REJECTED, issue)
            return True
        rest = amount.amount - order.refunded_of_capture(known["capture_id"])
        if 0 < rest < amount.amount:
            order.request_refund(ids.new_id(), known["capture_id"], rest, amount.currency, known["reason"])
        elif rest:
            order.open_issue(IssueKind.RETURN_REJECTED, issue)
        return True

    order = update_order(order_id, action)
    outbox.enqueue(order)
    return order


def settle_reversal(order_id: str, reversal: Reversal) -> Order:
    """Book money that a bank or PayPal took back, and open an issue."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_recorded(reversal.id) or order.has_issue(IssueKind.PAYEE_MISMATCH, reversal.capture_id):
            return False
        order.record_transaction(reversal.id)
        order.record_reversal(reversal.id, reversal.capture_id, reversal.money, reversal.at)
        order.open_issue(IssueKind.REVERSAL, reversal.capture_id)
        movements.add_movement(
            transaction,
            order,
            REVERSAL,
            reversal.id,
            _negative(reversal.money),
            None,
            reversal.at,
            capture_id=reversal.capture_id,
        )
        for key, known in (order.won_disputes or {}).items():  # reported before the reversal that they ended
            amount = None if known["amount"] is None else Money(known["amount"], known["currency"])
            _record_return(order, WonDispute(key, known["capture_id"], known["at"], amount), transaction)
        return True

    order = update_order(order_id, action)
    outbox.enqueue(order)
    return order


def settle_won_dispute(order_id: str, won: WonDispute, *, keep: bool = True) -> Order:
    """Book what is returned of a reversal whose dispute was won.

    `keep`: store it if it is reported before the reversal.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_recorded(won.id) or order.has_issue(IssueKind.PAYEE_MISMATCH, won.capture_id):
            return False
        if _record_return(order, won, transaction):
            return True
        if not keep or won.id in (order.won_disputes or {}):
            return False
        amount = won.money._asdict() if won.money else {"amount": None, "currency": order.currency}
        order.won_disputes = {
            **(order.won_disputes or {}),
            won.id: {"capture_id": won.capture_id, "at": won.at, **amount},
        }
        return True

    order = update_order(order_id, action)
    outbox.enqueue(order)
    return order


def _record_return(order: Order, won: WonDispute, transaction: Transaction) -> bool:
    """Book once what was taken back from the capture until the dispute was decided, at most; False if there is nothing."""
    currency = won.money.currency if won.money else order.currency
    taken = order.reversed_until(won.capture_id, currency, won.at)
    amount = Money(min(taken, won.money.amount) if won.money else taken, currency)
    if amount.amount <= 0 or order.has_recorded(won.id):
        return False
    order.record_transaction(won.id)
    order.record_reversal_return(won.capture_id, amount, won.at)
    order.open_issue(IssueKind.REVERSAL_CANCELLED, won.capture_id)
    movements.add_movement(
        transaction,
        order,
        REVERSAL_CANCELLED,
        won.id,
        amount,
        None,
        won.at,
        capture_id=won.capture_id,
    )
    return True


def _negative(amount: Money) -> Money:
    return Money(-amount.amount, amount.currency)


def _refund_id_of(order: Order, refund: Refund) -> str:
    """Return our ID of a refund that PayPal reports; PayPal's ID if it is not one of ours."""
    asked = order.refunds.get(refund.refund_id)
    if asked is not None and asked["paypal_refund_id"] in (None, "", refund.id):
        return refund.refund_id
    return next(
        (key for key, known in order.refunds.items() if known["paypal_refund_id"] == refund.id), refund.id
    )
