"""Refunds: decided and stored under an id of our own first, then asked for at PayPal until its answer is known.

Staff decide them here, settling decides them for money that pays no order. Both are made in the same way, under the
request id `refund:{our id}`: at once where staff wait for it, by the reconciler otherwise.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib import money
from chalicelib.database.transactions import Refused, Transaction, Witness, unseen
from chalicelib.errors import BadInput, Busy, Conflict
from chalicelib.money import Money
from chalicelib.orders import states
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change
from chalicelib.payments import capture_payment
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.errors import PayPalError, PayPalGone, PayPalRefused
from chalicelib.payments.refund_settlement import refuse_refund, settle_refund

log = logging.getLogger("awning")


@dataclass(frozen=True)
class Wish:
    """What staff want to give back, in minor units of the order's currency, and why."""

    amount: int
    left: int  # what could still be refunded when they looked
    reason: str  # for the shop's own records
    note: str = ""  # for the customer: in the mail and at PayPal
    pieces: Mapping[str, int] = field(default_factory=dict)  # SKU → how many go back on the shelf


class NothingToRefund(Conflict):
    """The order holds no money that could go back."""


class LeftChanged(Conflict):
    """Since staff looked, another refund was decided, or money was taken back."""


class FormUsed(Conflict):
    """The form made another refund already."""


class WrongWish(BadInput):
    """The refund is not one the order allows. `problems`: field → words; `amount`, or `pieces-` and the SKU."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


# -- by staff ---------------------------------------------------------------------------------------------


def refund_payment(
    order_id: str, form: str, wish: Wish, by: str, witness: Witness = unseen
) -> tuple[Order, str]:
    """Refund all or part of what paid an order; return the order as it is then, and the refund's own id.

    `form` is the form's one-time id: sent twice, it is one refund. Raises NotFound, NothingToRefund, LeftChanged,
    WrongWish and FormUsed; then nothing was decided. No answer of PayPal is no error: the reconciler asks again.
    """
    own_id = own_id_of(order_id, form)
    order = _decide(order_id, own_id, wish, by, witness)
    return ask_now(order, own_id), own_id


def own_id_of(order_id: str, form: str) -> str:
    """Tell under which id a form's refund is stored."""
    return hashlib.sha256(f"{order_id}:{form}".encode()).hexdigest()[:32]


def can_refund(order: Order) -> bool:
    """Tell whether some of the payment is left to give back."""
    return _is_paid(order) and order.left_to_refund > 0


def ask_now(order: Order, own_id: str) -> Order:
    """Ask PayPal for a decided refund, for 20 s at most; return the order as it is then."""
    refund = order.open_refunds().get(own_id)
    if refund is None:
        return order
    try:
        with gateway.within(gateway.SECONDS_A_REQUEST):
            _pursue(order, own_id, refund)
    except (PayPalError, Busy) as error:
        log.warning("refund %s of order %s stays due: %s", own_id, order.number, error)
    return Order.fetch(order.id)


def _decide(order_id: str, own_id: str, wish: Wish, by: str, witness: Witness) -> Order:
    def action(order: Order, transaction: Transaction) -> bool:
        if own_id in order.refunds:
            _check_same(order.refunds[own_id], wish)
            return False
        _check(order, wish)
        before = _audited(order)
        order.want_refund(
            own_id,
            str(order.capture),
            wish.amount,
            order.currency,
            wish.reason,
            note=wish.note,
            pieces=dict(wish.pieces),
            by=by,
        )
        order.put_back(wish.pieces, transaction)
        order.note("refund decided", money.spoken(wish.amount, order.currency), by=by)
        witness(transaction, f"order {order.number}", before, _audited(order))
        return True

    try:
        return change(order_id, action)
    except Refused as refused:
        raise _no_longer_theirs(refused) from refused


def _no_longer_theirs(refused: Refused) -> WrongWish:
    """Say which SKUs were given to other products since the order. Raises what else was refused."""
    skus = sorted(name.removeprefix("stock#") for name in refused.names if name.startswith("stock#"))
    if not skus:
        raise refused
    words = "{} is another product by now, so nothing can go back there. Count these pieces by hand."
    return WrongWish({f"pieces-{sku}": words.format(sku) for sku in skus})


def _check_same(known: Mapping[str, Any], wish: Wish) -> None:
    if (known["amount"], known["pieces"]) != (wish.amount, dict(wish.pieces)):
        raise FormUsed(
            "This form was sent before, with another refund. Please look at what was decided then."
        )


def _check(order: Order, wish: Wish) -> None:
    left = order.left_to_refund
    if not _is_paid(order):
        raise NothingToRefund("Nothing was paid for this order that could be refunded.")
    if left == 0:
        raise NothingToRefund("All of the payment went back before, or is on its way back.")
    if left != wish.left:
        was, now = money.spoken(wish.left, order.currency), money.spoken(left, order.currency)
        raise LeftChanged(f"Since you opened this page, what is left to refund went from {was} to {now}.")
    problems = problems_of(order, wish.amount, wish.pieces)
    if problems:
        raise WrongWish(problems)


def problems_of(order: Order, amount: int, pieces: Mapping[str, int]) -> dict[str, str]:
    """Say by field what an order does not allow; nothing where it does."""
    problems = {}
    if amount <= 0:
        problems["amount"] = "A refund is more than nothing."
    if amount > order.left_to_refund:
        left = money.spoken(order.left_to_refund, order.currency)
        problems["amount"] = f"That is more than the {left} that is left."
    most = most_back(order)
    for sku, quantity in pieces.items():
        if not 0 <= quantity <= most.get(sku, -1):
            problems[f"pieces-{sku}"] = f"At most {most.get(sku, 0)} can go back on the shelf."
    return problems


def most_back(order: Order) -> dict[str, int]:
    """Tell how many sold pieces of each SKU are not back on the shelf."""
    return order.pieces_kept


def _is_paid(order: Order) -> bool:
    return order.state in (states.PAID, states.SHIPPED) and order.capture is not None


def _audited(order: Order) -> dict[str, Any]:
    """Tell what a refund changes, without a word that somebody typed: it may name the customer."""
    return {
        "left to refund": f"{money.decimal_string(order.left_to_refund, order.currency)} {order.currency}",
        "back on the shelf": {sku: count for sku, count in order.pieces_back.items() if count},
    }


# -- at PayPal --------------------------------------------------------------------------------------------


def pursue_refunds(order: Order) -> None:
    """Make refunds that were decided, under the id stored with the decision, and look after pending ones."""
    unanswered = None
    for own_id, refund in order.open_refunds().items():
        try:
            _pursue(order, own_id, refund)
        except PayPalError as error:
            unanswered = error  # the next refund is tried all the same
    if unanswered is not None:
        raise unanswered


def _pursue(order: Order, own_id: str, refund: Mapping[str, Any]) -> None:
    if refund["status"] == "pending":
        settle_refund(order.id, gateway.get_refund(refund["paypal_id"]), own_id)
        return
    amount = Money(refund["amount"], refund["currency"])
    # Stored with the decision, so that the same request id never comes with other words.
    note = refund.get("note") or f"Refund of order {order.number}"
    try:
        made = gateway.refund_capture(refund["capture"], amount, own_id, note)
    except (PayPalRefused, PayPalGone) as error:
        # It may have been refunded in PayPal's dashboard meanwhile.
        capture_payment.settle_by_capture(refund["capture"])
        refuse_refund(order.id, own_id, error.issue)
    else:
        settle_refund(order.id, made, own_id)
