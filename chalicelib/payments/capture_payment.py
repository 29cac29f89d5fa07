"""Capture payments: claim the order, take the money once, and settle PayPal's answer."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids, rate_limits
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.mail import outbox
from chalicelib.orders.enums import CloseReason, EmailKind, HistoryEvent
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.payments.paypal import gateway, refusals
from chalicelib.payments.paypal.errors import (
    PayPalError,
    PayPalNotFound,
    PayPalOutcomeUnknown,
    PayPalRejected,
)
from chalicelib.payments.paypal.refusals import Responsible
from chalicelib.payments.paypal.values import Capture
from chalicelib.payments.settlement import settle_capture, settle_paypal_order

log = logging.getLogger("awning")


def change_refused(
    order_id: str, kind: refusals.RefusalKind, action: Callable[[Order, Transaction], bool]
) -> Order:
    """Change an order that PayPal definitely refused; the first such order also emails the merchant."""

    def action_and_mail(order: Order, transaction: Transaction) -> bool:
        if not action(order, transaction):
            return False
        refusals.queue_merchant_email(kind, order, transaction)
        return True

    try:
        return update_order(order_id, action_and_mail)
    except ConditionFailed as refused:
        if "refusal" not in refused.names:
            raise
        return update_order(order_id, action)  # another order has queued the email by now


# -- taking the money -------------------------------------------------------------------------------------


def capture_after_return(order_id: str, token: str, source: str = "") -> Order:
    """Capture the payment of a shopper who returns from PayPal; `token` is PayPal's order ID, `source` the IP address."""
    order = Order.fetch(order_id)
    if order.state != OrderState.AWAITING:
        return order
    # Anyone can open this page with a token, so an order without a hold must be approved before it takes units.
    is_current = token == order.paypal_order_id
    approved = not (is_current and order.reserved) and _is_approved(token)
    paypal_id = token if approved and not is_current else None
    return capture_payment(
        order_id, shopper_present=True, paypal_id=paypal_id, loaded=order, approved=approved, source=source
    )


def _is_approved(paypal_id: str) -> bool:
    """Return whether the shopper approved an earlier attempt, which seemed to have ended when the last one was started."""
    try:
        return gateway.get_order(paypal_id).status == "APPROVED"
    except PayPalError:
        return False


def capture_payment(
    order_id: str,
    *,
    shopper_present: bool,
    paypal_id: str | None = None,
    loaded: Order | None = None,
    approved: bool = True,
    source: str = "",
) -> Order:
    """Claim an approved order, capture it at PayPal, and settle PayPal's answer.

    Callers that have just read the order pass it as `loaded`, which saves a read. If the order is not known to be
    `approved` and holds nothing, nothing changes: without approval no units are taken, and no order is closed for lack
    of them. `source` is the shopper's IP address, "" if there is none; a decline counts against it.

    A second caller finds the claim taken and changes nothing. If PayPal does not answer, the claim stays, and
    the reconciler repeats the request under the same request ID.
    """
    claim = ids.new_id()

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING or not (approved or order.reserved):
            return False
        if paypal_id is not None:
            order.reactivate_attempt(paypal_id)
        if not order.can_be_paid_by(order.paypal_order_id):
            return False
        order.claim_for_capture(claim, transaction)
        return True

    try:
        order = update_order(order_id, action, loaded)
    except ConditionFailed:
        return close_sold_out(order_id)
    if order.capture_claim != claim:
        return order
    return capture_claimed(order, shopper_present=shopper_present, source=source)


def capture_claimed(order: Order, *, shopper_present: bool, source: str = "") -> Order:
    """Capture an order that is claimed, under the request id of its claim: once, however often this runs."""
    declined_before = order.declined_at
    after = _capture(order, shopper_present=shopper_present)
    about_shopper = after.last_rejection in (
        HistoryEvent.PAYMENT_DECLINED,
        HistoryEvent.PAYER_ACTION_REQUIRED,
    )
    if about_shopper and after.declined_at != declined_before:
        rate_limits.count_declined_payment(order.cart or order.id, source)
    return after


def _capture(order: Order, *, shopper_present: bool) -> Order:
    paypal_id = order.paypal_order_id
    if paypal_id is None or order.capture_claim is None:
        return order
    with gateway.time_budget(gateway.SECONDS_PER_REQUEST):
        try:
            paypal_order = gateway.capture_order(paypal_id, f"capture:{paypal_id}:{order.capture_attempt}")
        except (PayPalRejected, PayPalNotFound) as error:
            return _handle_denied_capture(order, paypal_id, error, shopper_present=shopper_present)
        except PayPalOutcomeUnknown:
            return order
    return settle_paypal_order(order.id, paypal_order, shopper_present=shopper_present)


def _handle_denied_capture(
    order: Order, paypal_id: str, error: PayPalRejected | PayPalNotFound, *, shopper_present: bool
) -> Order:
    """Read PayPal's order before the claim is released: an earlier attempt of the capture may have taken the money."""
    actor = refusals.responsible_for(error) if isinstance(error, PayPalRejected) else Responsible.NOBODY
    if actor is Responsible.SHOP:
        refusals.record_refusal(refusals.RefusalKind.CAPTURES, error)
    try:
        paypal_order = gateway.get_order(paypal_id)
    except PayPalNotFound:
        paypal_order = None
    except PayPalError:
        return order  # the claim stays; the reconciler checks again
    if paypal_order is not None and paypal_order.captures:
        return settle_paypal_order(order.id, paypal_order, shopper_present=shopper_present)
    if error.names("ORDER_ALREADY_CAPTURED"):
        return order
    if error.names("DUPLICATE_INVOICE_ID"):
        return _settle_duplicate(order)
    if isinstance(error, PayPalNotFound):
        return release_claim(order, CaptureDenied(approved=True, request_id_used=False))
    if error.names("ORDER_NOT_APPROVED"):
        return release_claim(order, CaptureDenied(approved=False))
    if actor is Responsible.NOBODY:  # the request ID was used up; the next one differs
        return release_claim(order, CaptureDenied(approved=True))
    event = (
        HistoryEvent.PAYER_ACTION_REQUIRED if error.names("PAYER_ACTION_REQUIRED") else EVENT_BY_ACTOR[actor]
    )
    ended = error.names("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED")
    no = CaptureDenied(
        approved=True, event=event, issue=error.issue, ended=ended, send_email=not shopper_present
    )
    return release_claim(order, no)


EVENT_BY_ACTOR = {
    Responsible.SHOPPER: HistoryEvent.PAYMENT_DECLINED,
    Responsible.ADDRESS: HistoryEvent.ADDRESS_REJECTED,
    Responsible.SHOP: HistoryEvent.PAYMENT_REFUSED,
}


@dataclass(frozen=True)
class CaptureDenied:
    """A definite refusal of a capture, and its consequences."""

    approved: bool  # the shopper had approved
    request_id_used: bool = True  # PayPal answered the capture itself, so its request ID is used up
    event: HistoryEvent | None = None  # how the order's history records it, one of PAYMENT_REJECTIONS
    issue: str = ""  # PayPal's error name
    ended: bool = False  # the PayPal order can never be paid
    send_email: bool = False  # because the shopper is not there to see it


def release_claim(order: Order, no: CaptureDenied) -> Order:
    """Release a claim after a definite refusal. Does nothing if another process holds the claim by now."""
    claim = order.capture_claim

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.CAPTURING or order.capture_claim != claim:
            return False
        order.release_claim(transaction, refused=no.request_id_used, approved=no.approved)
        if no.event:
            order.mark_declined(no.issue, no.event)
        if no.send_email:
            order.queue_email(EmailKind.PAYMENT_FAILED, order.payment_attempts[-1]["id"])
        if no.ended:
            order.end_attempt()
        return True

    if no.event == EVENT_BY_ACTOR[Responsible.SHOP]:
        order = change_refused(order.id, refusals.RefusalKind.CAPTURES, action)
    else:
        order = update_order(order.id, action)
    outbox.enqueue(order)
    return order


def _settle_duplicate(order: Order) -> Order:
    """PayPal has money under this order's invoice number: look for it before the next attempt uses another number."""
    for attempt in order.payment_attempts:
        try:
            paypal_order = gateway.get_order(attempt["id"])
        except PayPalNotFound:
            continue
        except PayPalError:
            return order  # the claim stays; the reconciler checks again
        if paypal_order.captures and not paypal_order.is_dead:
            settled = settle_paypal_order(order.id, paypal_order)
            if settled.state != OrderState.CAPTURING:
                return settled
    # Another shop's, or money that was settled before and did not pay the order: a new attempt has its own
    # number.
    return release_claim(order, CaptureDenied(approved=True, ended=True))


def settle_capture_id(capture_id: str) -> str | None:
    """Bring a capture's order in line with what PayPal says now; return the order's ID, None if it is not ours."""
    capture = gateway.get_capture(capture_id)
    pointed_at = Order.find_by_lookup(f"capture#{capture_id}")
    order_id = pointed_at or (
        Order.find_by_lookup(f"paypal#{capture.order_id}") if capture.order_id else None
    )
    if order_id is None:
        log.info("capture %s doesn't belong to an order of this shop", capture_id)
        return None
    if pointed_at:
        settle_capture(order_id, capture, payee=None)
    if capture.order_id and (not pointed_at or capture.status in ("REFUNDED", "PARTIALLY_REFUNDED")):
        _settle_order_of_capture(order_id, capture.order_id, capture)
    return order_id


def _settle_order_of_capture(order_id: str, paypal_id: str, capture: Capture) -> None:
    """Settle everything in PayPal's order, refunds too; only the capture if PayPal no longer knows the order."""
    try:
        paypal_order = gateway.get_order(paypal_id)
    except PayPalNotFound:
        settle_capture(order_id, capture, payee=None)
    else:
        settle_paypal_order(order_id, paypal_order)


def close_sold_out(order_id: str) -> Order:
    """Close an approved order whose units are sold: nothing was charged, and the customer is emailed."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING:
            return False
        order.approved = True
        order.expire(CloseReason.SOLD_OUT, transaction)
        return True

    order = update_order(order_id, action)
    outbox.enqueue(order)
    return order
