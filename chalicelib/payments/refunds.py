"""Refunds: stored under an ID of our own first, then requested from PayPal until its answer is known.

Staff decide them here; settlement decides them for money that pays no order. Both use the request ID
`refund:{our ID}`: immediately if staff wait for it, otherwise by the reconciler.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib import money
from chalicelib.database.transactions import AuditWriter, ConditionFailed, Transaction, no_audit
from chalicelib.errors import BadInput, Conflict, ServiceUnavailable
from chalicelib.money import Money
from chalicelib.orders.enums import HistoryEvent, RefundStatus
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.payments import capture_payment
from chalicelib.payments.paypal import gateway
from chalicelib.payments.paypal.errors import PayPalError, PayPalNotFound, PayPalRejected
from chalicelib.payments.refund_settlement import reject_refund, settle_refund

log = logging.getLogger("awning")


@dataclass(frozen=True)
class RefundRequest:
    """What staff want to refund, in minor units of the order's currency, and why."""

    amount: int
    shown_refundable: int  # what could still be refunded when the form was shown
    reason: str  # for the shop's own records
    note: str = ""  # for the customer: in the email and at PayPal
    restock: Mapping[str, int] = field(default_factory=dict)  # SKU → units to restock


class NothingToRefund(Conflict):
    """The order has no money that can be refunded."""


class RefundableAmountChanged(Conflict):
    """Since the form was shown, another refund was requested, or money was taken back."""


class FormAlreadySubmitted(Conflict):
    """The form has already made a refund."""


class InvalidRefund(BadInput):
    """The order does not allow this refund. `problems`: field → message; `amount`, or `restock-` and the SKU."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


# -- by staff ---------------------------------------------------------------------------------------------


def refund_payment(
    order_id: str,
    form_token: str,
    refund_request: RefundRequest,
    actor: str,
    write_audit: AuditWriter = no_audit,
    loaded: Order | None = None,
) -> tuple[Order, str]:
    """Refund all or part of what paid an order; return the updated order and the refund's own ID.

    `form_token` is the form's one-time ID: submitted twice, it makes one refund. Callers that have just read the order
    pass it as `loaded`; it is read again only if someone else changes it. Raises NotFound, NothingToRefund,
    RefundableAmountChanged, InvalidRefund and FormAlreadySubmitted, all before anything is stored. If PayPal does not
    answer, nothing is raised: the reconciler asks again.
    """
    refund_id = refund_id_for(order_id, form_token)
    order = _store_refund(order_id, refund_id, refund_request, actor, write_audit, loaded)
    return submit_refund(order, refund_id), refund_id


def refund_id_for(order_id: str, form_token: str) -> str:
    """Return the ID under which a form's refund is stored."""
    return hashlib.sha256(f"{order_id}:{form_token}".encode()).hexdigest()[:32]


def can_refund(order: Order) -> bool:
    """Return whether some of the payment can still be refunded."""
    return _is_paid(order) and order.refundable_amount > 0


def submit_refund(order: Order, refund_id: str) -> Order:
    """Ask PayPal for a stored refund, for 20 s at most; return the updated order."""
    refund = order.open_refunds().get(refund_id)
    if refund is None:
        return order
    try:
        with gateway.time_budget(gateway.SECONDS_PER_REQUEST):
            return _submit(order, refund_id, refund, loaded=order)
    except (PayPalError, ServiceUnavailable) as error:
        log.warning("refund %s of order %s will be retried: %s", refund_id, order.number, error)
        return Order.fetch(order.id)


def _store_refund(
    order_id: str,
    refund_id: str,
    refund_request: RefundRequest,
    actor: str,
    write_audit: AuditWriter,
    loaded: Order | None,
) -> Order:
    def action(order: Order, transaction: Transaction) -> bool:
        if refund_id in order.refunds:
            _check_same(order.refunds[refund_id], refund_request)
            return False
        _check(order, refund_request)
        before = _audit_fields(order)
        order.request_refund(
            refund_id,
            str(order.capture_id),
            refund_request.amount,
            order.currency,
            refund_request.reason,
            note=refund_request.note,
            restocked=dict(refund_request.restock),
            actor=actor,
        )
        order.restock(refund_request.restock, transaction)
        order.add_event(
            HistoryEvent.REFUND_REQUESTED,
            money.format_money(refund_request.amount, order.currency),
            actor=actor,
        )
        write_audit(transaction, order.audit_subject, before, _audit_fields(order))
        return True

    try:
        return update_order(order_id, action, loaded)
    except ConditionFailed as refused:
        raise _sku_reassigned_error(refused) from refused


def _sku_reassigned_error(refused: ConditionFailed) -> InvalidRefund:
    """Return an error for the SKUs that now belong to other products.

    Raises `refused` if something else was refused.
    """
    skus = sorted(name.removeprefix("stock#") for name in refused.names if name.startswith("stock#"))
    if not skus:
        raise refused
    message = "{} is now a different product, so these items can’t be restocked here. Please adjust the stock by hand."
    return InvalidRefund({f"restock-{sku}": message.format(sku) for sku in skus})


def _check_same(known: Mapping[str, Any], refund_request: RefundRequest) -> None:
    if (known["amount"], known["restocked"]) != (refund_request.amount, dict(refund_request.restock)):
        raise FormAlreadySubmitted(
            "This form has already been submitted with a different refund. Please check the refunds above."
        )


def _check(order: Order, refund_request: RefundRequest) -> None:
    left = order.refundable_amount
    if not _is_paid(order):
        raise NothingToRefund("There is no payment for this order to refund.")
    if left == 0:
        raise NothingToRefund("The whole payment has already been or is being returned.")
    if left != refund_request.shown_refundable:
        was, now = (
            money.format_money(refund_request.shown_refundable, order.currency),
            money.format_money(left, order.currency),
        )
        raise RefundableAmountChanged(
            f"Since you opened this page, the amount left to refund has changed from {was} to {now}."
        )
    problems = validate_refund(order, refund_request.amount, refund_request.restock)
    if problems:
        raise InvalidRefund(problems)


def validate_refund(order: Order, amount: int, quantities: Mapping[str, int]) -> dict[str, str]:
    """Return a message per invalid field of a refund of this order; empty if it is valid."""
    problems = {}
    if amount <= 0:
        problems["amount"] = "The refund must be above zero."
    if amount > order.refundable_amount:
        left = money.format_money(order.refundable_amount, order.currency)
        problems["amount"] = f"You can refund at most {left}."
    most = max_restock(order)
    for sku, quantity in quantities.items():
        if not 0 <= quantity <= most.get(sku, -1):
            problems[f"restock-{sku}"] = f"At most {most.get(sku, 0)} can be restocked."
    return problems


def max_restock(order: Order) -> dict[str, int]:
    """Return how many sold units of each SKU are not restocked yet."""
    return order.unreturned_quantities


def _is_paid(order: Order) -> bool:
    return order.state in (OrderState.PAID, OrderState.SHIPPED) and order.capture_id is not None


def _audit_fields(order: Order) -> dict[str, Any]:
    """Return what a refund changes, without entered text: it may name the customer."""
    return {
        "left to refund": f"{money.to_decimal_string(order.refundable_amount, order.currency)} {order.currency}",
        "restocked": {sku: count for sku, count in order.restocked_quantities.items() if count},
    }


# -- at PayPal --------------------------------------------------------------------------------------------


def submit_pending_refunds(order: Order) -> None:
    """Make stored refunds, under the ID stored with them, and check pending ones."""
    unanswered = None
    for refund_id, refund in order.open_refunds().items():
        try:
            _submit(order, refund_id, refund)
        except PayPalError as error:
            unanswered = error  # the next refund is still tried
    if unanswered is not None:
        raise unanswered


def _submit(order: Order, refund_id: str, refund: Mapping[str, Any], *, loaded: Order | None = None) -> Order:
    """Ask PayPal for a refund, and settle its answer; `loaded` is the order, unless another refund of it was settled since."""
    if refund["status"] == RefundStatus.PENDING:
        return settle_refund(order.id, gateway.get_refund(refund["paypal_refund_id"]), refund_id, loaded)
    amount = Money(refund["amount"], refund["currency"])
    # Stored with the refund, so that the same request ID always has the same text.
    note = refund.get("note") or f"Refund of order {order.number}"
    try:
        made = gateway.refund_capture(refund["capture_id"], amount, refund_id, note)
    except (PayPalRejected, PayPalNotFound) as error:
        # It may have been refunded in PayPal's dashboard meanwhile.
        capture_payment.settle_capture_id(refund["capture_id"])
        return reject_refund(order.id, refund_id, error.issue)
    return settle_refund(order.id, made, refund_id, loaded)
