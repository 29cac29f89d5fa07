"""Settle money that went back: refunds, reversals and disputes that were won."""

from chalicelib import ids
from chalicelib.database.transactions import Transaction
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED
from chalicelib.mail import outbox
from chalicelib.money import Money
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change
from chalicelib.payments import movements
from chalicelib.payments.paypal.values import Refund, Reversal, Won

WRONG_PAYEE = "wrong payee"


def settle_refund(order_id: str, refund: Refund, own_id: str | None = None) -> Order:
    """Settle a refund, ours (`own_id`) or one made in PayPal's dashboard. Its capture must be the order's."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_issue(WRONG_PAYEE, refund.capture_id or ""):
            return False
        key = own_id or _refund_key(order, refund)
        known = order.refunds.get(key)
        if refund.status == "COMPLETED":
            if order.has_booked(refund.id):
                return _recognise(order, own_id, refund)
            order.book(refund.id)
            movements.add_movement(
                transaction, order, REFUND, refund.id, _negative(refund.money), refund.fee, refund.at
            )
            order.complete_refund(key, refund.id, refund.capture_id or order.capture or "", refund.money)
            return True
        status = "pending" if refund.status == "PENDING" else "failed"
        if known is not None and (known["status"], known["paypal_id"]) == (status, refund.id):
            return False
        if order.has_booked(refund.id):
            return _look_after_completion(order, own_id, refund)
        order.keep_refund(key, status, refund.id, refund.capture_id or "", refund.money)
        if status == "failed" and not order.has_issue("refund failed", refund.id):
            order.raise_issue("refund failed", refund.id)
        return True

    order = change(order_id, action)
    outbox.announce(order)
    return order


def _look_after_completion(order: Order, own_id: str | None, refund: Refund) -> bool:
    """A refund that is in the books stays there: PENDING is an older look, for anything else staff must look."""
    if refund.status != "PENDING" and not order.has_issue("refund undone", refund.id):
        order.raise_issue("refund undone", refund.id)
        return True
    return _recognise(order, own_id, refund)


def _recognise(order: Order, own_id: str | None, refund: Refund) -> bool:
    if own_id is None or order.refunds[own_id]["status"] == "completed":
        return False
    order.recognise_refund(own_id, refund.id)
    return True


def refuse_refund(order_id: str, own_id: str, issue: str) -> Order:
    """Note that PayPal will not make a refund of ours, and ask staff to look.

    Of a payment that goes back by itself a part may have gone before, on PayPal's own pages: then the rest is wanted.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        known = order.refunds[own_id]
        if known["status"] != "wanted":
            return False
        amount = Money(known["amount"], known["currency"])
        order.keep_refund(own_id, "failed", "", known["capture"], amount)
        order.refunds = {**order.refunds, own_id: {**order.refunds[own_id], "refused": issue}}
        if "by" in known:
            order.raise_issue("refund refused", issue)
            return True
        rest = amount.amount - order.gone_back_of(known["capture"])
        if 0 < rest < amount.amount:
            order.want_refund(ids.new_id(), known["capture"], rest, amount.currency, known["reason"])
        elif rest:
            order.raise_issue("return refused", issue)
        return True

    order = change(order_id, action)
    outbox.announce(order)
    return order


def settle_reversal(order_id: str, reversal: Reversal) -> Order:
    """Book money that a bank or PayPal took back, and ask staff to look."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_booked(reversal.id) or order.has_issue(WRONG_PAYEE, reversal.capture_id):
            return False
        order.book(reversal.id)
        order.take_back(reversal.id, reversal.capture_id, reversal.money, reversal.at)
        order.raise_issue("reversal", reversal.capture_id)
        movements.add_movement(
            transaction, order, REVERSAL, reversal.id, _negative(reversal.money), None, reversal.at
        )
        for key, known in (order.won or {}).items():  # told before what it ended
            amount = None if known["amount"] is None else Money(known["amount"], known["currency"])
            _book_return(order, Won(key, known["capture"], known["at"], amount), transaction)
        return True

    order = change(order_id, action)
    outbox.announce(order)
    return order


def settle_won(order_id: str, won: Won, *, keep: bool = True) -> Order:
    """Book what comes back of a reversal, since its dispute was won. `keep`: it may be told before the reversal is."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_booked(won.id) or order.has_issue(WRONG_PAYEE, won.capture_id):
            return False
        if _book_return(order, won, transaction):
            return True
        if not keep or won.id in (order.won or {}):
            return False
        amount = won.money._asdict() if won.money else {"amount": None, "currency": order.currency}
        order.won = {**(order.won or {}), won.id: {"capture": won.capture_id, "at": won.at, **amount}}
        return True

    order = change(order_id, action)
    outbox.announce(order)
    return order


def _book_return(order: Order, won: Won, transaction: Transaction) -> bool:
    """Book at most what was taken of the capture until the dispute was decided, once; False where there is nothing."""
    currency = won.money.currency if won.money else order.currency
    taken = order.taken_until(won.capture_id, currency, won.at)
    amount = Money(min(taken, won.money.amount) if won.money else taken, currency)
    if amount.amount <= 0 or order.has_booked(won.id):
        return False
    order.book(won.id)
    order.return_taken(won.capture_id, amount, won.at)
    order.raise_issue("reversal cancelled", won.capture_id)
    movements.add_movement(transaction, order, REVERSAL_CANCELLED, won.id, amount, None, won.at)
    return True


def _negative(amount: Money) -> Money:
    return Money(-amount.amount, amount.currency)


def _refund_key(order: Order, refund: Refund) -> str:
    """Find our own id of a refund that PayPal tells of; PayPal's id where it is not one of ours."""
    asked = order.refunds.get(refund.own_id)
    if asked is not None and asked["paypal_id"] in (None, "", refund.id):
        return refund.own_id
    return next((key for key, known in order.refunds.items() if known["paypal_id"] == refund.id), refund.id)
