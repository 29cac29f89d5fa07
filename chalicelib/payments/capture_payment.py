"""Capture payments: claim the order, take the money once, settle what PayPal answers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib import ids, rate_limits
from chalicelib.database.transactions import Refused, Transaction
from chalicelib.mail import outbox
from chalicelib.orders import states
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change
from chalicelib.payments.paypal import gateway, refusals
from chalicelib.payments.paypal.errors import PayPalError, PayPalGone, PayPalRefused, PayPalUnknown
from chalicelib.payments.paypal.refusals import Actor
from chalicelib.payments.paypal.values import Capture
from chalicelib.payments.settlement import settle_capture, settle_paypal_order
from chalicelib.web import http_request

log = logging.getLogger("awning")


def change_refused(order_id: str, kind: refusals.Kind, action: Callable[[Order, Transaction], bool]) -> Order:
    """Change an order that PayPal refused for good; the first of them owes the merchant a mail about it."""

    def action_and_mail(order: Order, transaction: Transaction) -> bool:
        if not action(order, transaction):
            return False
        refusals.owe_mail(kind, order, transaction)
        return True

    try:
        return change(order_id, action_and_mail)
    except Refused as refused:
        if "refusal" not in refused.names:
            raise
        return change(order_id, action)  # another order owes it by now


# -- taking the money -------------------------------------------------------------------------------------


def take_returned(order_id: str, token: str) -> Order:
    """Take the money of who comes back from PayPal's order `token`."""
    order = Order.fetch(order_id)
    if order.state != states.AWAITING:
        return order
    # Anybody may come here with a token: without pieces that it holds, an order takes them for a yes alone.
    is_current = token == order.paypal_id
    approved = not (is_current and order.reserved) and _is_approved(token)
    paypal_id = token if approved and not is_current else None
    return capture_payment(
        order_id, shopper_present=True, paypal_id=paypal_id, known=order, approved=approved
    )


def _is_approved(paypal_id: str) -> bool:
    """Tell whether the shopper said yes to an earlier attempt, which seemed dead when the last one was made."""
    try:
        return gateway.get_order(paypal_id).status == "APPROVED"
    except PayPalError:
        return False


def capture_payment(
    order_id: str,
    *,
    shopper_present: bool,
    paypal_id: str | None = None,
    known: Order | None = None,
    approved: bool = True,
) -> Order:
    """Claim an approved order, capture it at PayPal, settle what PayPal says. `paypal_id` is an attempt to turn to.

    Who has just read the order passes it as `known` and saves a read. Where PayPal was not seen to be `approved`, an
    order that holds nothing is left as it is: nobody takes pieces, or closes an order for want of them, without a yes.

    Whoever comes second finds the claim taken and changes nothing. Where PayPal does not answer, the claim stays
    and the reconciler asks again with the same request id.
    """
    claim = ids.new_id()

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING or not (approved or order.reserved):
            return False
        if paypal_id is not None:
            order.turn_to(paypal_id)
        if not order.may_be_paid_by(order.paypal_id):
            return False
        order.claim_for_capture(claim, transaction)
        return True

    try:
        order = change(order_id, action, known)
    except Refused:
        return refuse_uncaptured(order_id)
    if order.claim != claim:
        return order
    return capture_claimed(order, shopper_present=shopper_present)


def capture_claimed(order: Order, *, shopper_present: bool) -> Order:
    """Capture an order that is claimed, under the request id of its claim: once, however often this runs."""
    declined_before = order.declined_at
    after = _capture(order, shopper_present=shopper_present)
    about_shopper = after.last_refusal in ("declined", "confirm again")
    if about_shopper and after.declined_at != declined_before:
        request = http_request.current()
        rate_limits.count_decline(order.cart or order.id, http_request.source_of(request) if request else "")
    return after


def _capture(order: Order, *, shopper_present: bool) -> Order:
    paypal_id = order.paypal_id
    if paypal_id is None or order.claim is None:
        return order
    with gateway.within(gateway.SECONDS_A_REQUEST):
        try:
            seen = gateway.capture_order(paypal_id, f"capture:{paypal_id}:{order.capture_number}")
        except (PayPalRefused, PayPalGone) as error:
            return _after_no(order, paypal_id, error, shopper_present=shopper_present)
        except PayPalUnknown:
            return order
    return settle_paypal_order(order.id, seen, shopper_present=shopper_present)


def _after_no(
    order: Order, paypal_id: str, error: PayPalRefused | PayPalGone, *, shopper_present: bool
) -> Order:
    """Look before the claim is given back: the no may answer a repetition of a capture that took the money."""
    actor = refusals.actor_for(error) if isinstance(error, PayPalRefused) else Actor.NOBODY
    if actor is Actor.SHOP:
        refusals.note(refusals.Kind.CAPTURES, error)
    try:
        seen = gateway.get_order(paypal_id)
    except PayPalGone:
        seen = None
    except PayPalError:
        return order  # the claim stays, the reconciler looks again
    if seen is not None and seen.captures:
        return settle_paypal_order(order.id, seen, shopper_present=shopper_present)
    if error.names("ORDER_ALREADY_CAPTURED"):
        return order
    if error.names("DUPLICATE_INVOICE_ID"):
        return _settle_duplicate(order)
    if isinstance(error, PayPalGone):
        return release_claim(order, No(approved=True, refused=False))
    if error.names("ORDER_NOT_APPROVED"):
        return release_claim(order, No(approved=False))
    if actor is Actor.NOBODY:  # the request id was used up: the next one is another
        return release_claim(order, No(approved=True))
    event = "confirm again" if error.names("PAYER_ACTION_REQUIRED") else EVENTS[actor]
    ended = error.names("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED")
    no = No(approved=True, event=event, issue=error.issue, ended=ended, tell=not shopper_present)
    return release_claim(order, no)


EVENTS = {
    Actor.SHOPPER: "declined",
    Actor.ADDRESS: "address refused",
    Actor.SHOP: "payment refused",
}


@dataclass(frozen=True)
class No:
    """A definite no from PayPal, and what follows from it."""

    approved: bool  # the shopper had said yes
    refused: bool = True  # PayPal answered the capture itself: its request id is used up
    event: str = ""  # what it is to the order, one of `orders.models.REFUSALS`
    issue: str = ""  # PayPal's name for it
    ended: bool = False  # PayPal's order can never be paid
    tell: bool = False  # by mail, since the shopper is not there to see


def release_claim(order: Order, no: No) -> Order:
    """Give a claim back after a definite no. Does nothing where somebody else holds the claim by now."""
    claim = order.claim

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.CAPTURING or order.claim != claim:
            return False
        order.release(transaction, refused=no.refused, approved=no.approved)
        if no.event:
            order.mark_declined(no.issue, no.event)
        if no.tell:
            order.owe_mail("failed", order.attempts[-1]["id"])
        if no.ended:
            order.end_attempt()
        return True

    if no.event == EVENTS[Actor.SHOP]:
        order = change_refused(order.id, refusals.Kind.CAPTURES, action)
    else:
        order = change(order.id, action)
    outbox.announce(order)
    return order


def _settle_duplicate(order: Order) -> Order:
    """PayPal holds money under this order's invoice number: look for it before trying under another number."""
    for attempt in order.attempts:
        try:
            seen = gateway.get_order(attempt["id"])
        except PayPalGone:
            continue
        except PayPalError:
            return order  # the claim stays; the reconciler looks again
        if seen.captures and not seen.is_dead:
            settled = settle_paypal_order(order.id, seen)
            if settled.state != states.CAPTURING:
                return settled
    # Nobody's, or money that was settled before and did not pay the order: a new attempt has a number of its own.
    return release_claim(order, No(approved=True, ended=True))


def settle_by_capture(capture_id: str) -> str | None:
    """Bring a capture's order to what PayPal says now; return the order's ID, None where it is not ours."""
    capture = gateway.get_capture(capture_id)
    pointed_at = Order.find(f"capture#{capture_id}")
    order_id = pointed_at or (Order.find(f"paypal#{capture.order_id}") if capture.order_id else None)
    if order_id is None:
        log.info("capture %s belongs to no order of this shop", capture_id)
        return None
    if pointed_at:
        settle_capture(order_id, capture, payee=None)
    if capture.order_id and (not pointed_at or capture.status in ("REFUNDED", "PARTIALLY_REFUNDED")):
        _settle_whole(order_id, capture.order_id, capture)
    return order_id


def _settle_whole(order_id: str, paypal_id: str, capture: Capture) -> None:
    """Settle all that PayPal's order has, refunds too; the capture alone where PayPal has forgotten its order."""
    try:
        seen = gateway.get_order(paypal_id)
    except PayPalGone:
        settle_capture(order_id, capture, payee=None)
    else:
        settle_paypal_order(order_id, seen)


def refuse_uncaptured(order_id: str) -> Order:
    """Close an approved order whose pieces are gone: nothing was charged, and the customer is told."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING:
            return False
        order.approved = True
        order.expire("sold out", transaction)
        return True

    order = change(order_id, action)
    outbox.announce(order)
    return order
