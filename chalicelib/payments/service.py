"""Paying: send a shopper to PayPal, and take the money once they said yes."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pynamodb.exceptions import PynamoDBException

from chalicelib import clock, limits, money
from chalicelib.cart import service as carts
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.errors import BadInput, Busy, Conflict, OutOfStock
from chalicelib.mail import outbox
from chalicelib.orders import holds, states
from chalicelib.orders.changing import change
from chalicelib.orders.models import Order
from chalicelib.payments import paypal, refusals
from chalicelib.payments.errors import AccessRefused, PayPalError, PayPalGone, PayPalRefused, PayPalUnknown
from chalicelib.payments.paypal import Capture, Payee, PayPalOrder
from chalicelib.payments.refusals import Actor
from chalicelib.payments.settle import settle_capture, settle_paypal_order
from chalicelib.storage import Refused, Transaction, read_many
from chalicelib.web import requests
from chalicelib.web.pages import absolute_url

log = logging.getLogger("awning")
GONE = "While the order waited, others bought what was in it. Nothing was charged; please order again."
BODIES = 3  # that PayPal is asked with: as it is, without the address, under another invoice number


class PayWith(StrEnum):
    """Which of PayPal's pages the shopper is led to: to log in, or to type in a card."""

    PAYPAL = "paypal"
    CARD = "card"

    @property
    def landing_page(self) -> str:
        """PayPal's name for the page."""
        return "GUEST_CHECKOUT" if self is PayWith.CARD else "LOGIN"


def read_pay_with(text: str) -> PayWith:
    """Read the value of the button that was pressed; a form without one means PayPal. Raises BadInput."""
    try:
        return PayWith(text or PayWith.PAYPAL)
    except ValueError:
        raise BadInput("We take payments by PayPal or by card. Please use one of the two buttons.") from None


# -- sending the shopper to PayPal ------------------------------------------------------------------------


def start_payment(order: Order, pay_with: PayWith = PayWith.PAYPAL, source: str = "") -> str | None:
    """Return the address at PayPal where this order is approved; None where there is nothing to approve any more.

    Goes to the same order at PayPal while that lives and leads to the page that is wanted, else to a new one. Raises
    OutOfStock where the reservation fell and the pieces are gone; PayPalRefused or AccessRefused where PayPal takes no
    payments for this shop, which staff are told; another PayPalError where it cannot be asked. `source` is the address
    that the request comes from.
    """
    with paypal.within(paypal.SECONDS_A_REQUEST):
        if order.state != states.AWAITING:
            return None
        order = _with_hold(order, source)
        try:
            seen = _living_attempt(order, pay_with)
            return _new_attempt(order, pay_with) if seen is None else _continue(order, seen)
        except (PayPalRefused, AccessRefused) as refused:
            _remember(order.id, refused)
            raise


def start_payment_again(order: Order, pay_with: PayWith, source: str) -> str | None:
    """Start a payment of an order that was placed before; counted for its session and address, unless it fails.

    Raises TooMany, and what `start_payment` raises.
    """
    if order.state != states.AWAITING:
        return None
    with limits.counted_payment(order.cart or order.id, source):
        return start_payment(order, pay_with, source)


def _remember(order_id: str, refused: PayPalError) -> None:
    """Let the order's page say that PayPal takes no payments, and the next try have a request id of its own."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING:
            return False
        order.refuse_payment(refused.issue)
        return True

    try:
        outbox.announce(_change_refused(order_id, refusals.Kind.PAYMENTS, action))
    except (Busy, PynamoDBException):
        log.warning("a refused payment was not noted on its order", exc_info=True)


def _change_refused(
    order_id: str, kind: refusals.Kind, action: Callable[[Order, Transaction], bool]
) -> Order:
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


def check_pieces(order: Order) -> Mapping[str, Stock]:
    """Read the stock of an order that keeps no pieces; nothing is read for one that does. Raises OutOfStock."""
    if order.reserved or order.state != states.AWAITING:
        return {}
    stocks: Mapping[str, Stock] = read_many({Stock: [line.sku for line in order.lines]})[Stock]
    if any(line.sku not in stocks or stocks[line.sku].available < line.quantity for line in order.lines):
        raise OutOfStock(GONE)
    return stocks


def _with_hold(order: Order, source: str) -> Order:
    """Reserve the pieces again, as far as one visitor may hold them; else they are taken when the order is paid."""
    stocks = check_pieces(order)
    pieces = {sku: int(stock.available + stock.held) for sku, stock in stocks.items()}
    most = holds.max_held(order.lines, pieces) if stocks and order.may_be_held else None
    if most is None:
        return order

    def action(order: Order, transaction: Transaction) -> bool:
        if order.reserved or order.state != states.AWAITING:
            return False
        order.hold_stock(transaction, holds.holder_of(source), most)
        return True

    try:
        order = change(order.id, action)
    except Refused as refused:
        if any(name.startswith("stock#") for name in refused.names):
            raise OutOfStock(GONE) from refused
        return order
    if order.cart is not None:
        held = {line.sku: line.quantity for line in order.lines}
        carts.hold(order.cart, order.id, held, int(order.reserved_until))
    return order


def _living_attempt(order: Order, pay_with: PayWith) -> PayPalOrder | None:
    """Ask PayPal for the last attempt, else for the last that leads to the page that is wanted; None for dead ones."""
    for attempt in _worth_asking(order, pay_with):
        try:
            seen = paypal.get_order(attempt["id"])
        except PayPalGone:
            continue
        said_yes = seen.status == "COMPLETED" or (
            seen.status == "APPROVED" and not _is_declined(order, attempt)
        )
        if not seen.is_dead and (said_yes or _leads_to(attempt, pay_with)):
            return seen
    return None


def _worth_asking(order: Order, pay_with: PayWith) -> list[dict[str, Any]]:
    if not order.attempts or order.attempts[-1]["ended"]:
        return []
    *earlier, last = order.attempts
    if _leads_to(last, pay_with):
        return [last]
    same = [one for one in earlier if _leads_to(one, pay_with) and not (one["ended"] or one.get("declined"))]
    return [last, *same[-1:]]


def _leads_to(attempt: Mapping[str, Any], pay_with: PayWith) -> bool:
    return bool(attempt.get("pay_with", PayWith.PAYPAL) == pay_with)


def _is_declined(order: Order, attempt: Mapping[str, Any]) -> bool:
    return bool(order.declined if attempt["id"] == order.paypal_id else attempt.get("declined"))


def _continue(order: Order, seen: PayPalOrder) -> str | None:
    if seen.status == "COMPLETED":
        settle_paypal_order(order.id, seen, shopper_present=True)
        return None
    (attempt,) = (one for one in order.attempts if one["id"] == seen.id)
    if seen.status == "APPROVED" and not _is_declined(order, attempt):
        capture_payment(order.id, shopper_present=True, paypal_id=seen.id)
        return None
    return paypal.checked_link(seen.link or attempt["link"])


def _new_attempt(order: Order, pay_with: PayWith) -> str | None:
    number = len(order.attempts) + 1
    made = _create(order, number, pay_with)

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != states.AWAITING or len(order.attempts) >= number:
            return False
        payee = made.payee or Payee()
        order.start_attempt(
            made.id,
            transaction,
            payee=payee.merchant_id or payee.email,
            payee_email=payee.email,
            link=made.link or "",
            pay_with=pay_with,
        )
        return True

    was_refused = bool(order.payment_refused)
    stored = change(order.id, action, known=order)
    if was_refused:
        refusals.forget_refused_payments()
    return str(stored.attempts[-1]["link"]) if stored.state == states.AWAITING else None


def _create(order: Order, number: int, pay_with: PayWith) -> PayPalOrder:
    with_address, suffix = not order.address_refused, ""
    for _ in range(BODIES):
        body = order_body(order, number, with_address=with_address, pay_with=pay_with, invoice_suffix=suffix)
        request_id = _create_id(order, number, body)
        try:
            return paypal.create_order(body, request_id)
        except (PayPalRefused, PayPalGone) as refused:  # of a new order there is nothing that could be gone
            last = PayPalRefused(refused.issue, refused.debug_id, refused.status, refused.details)
            if with_address and refused.is_about_address:
                # PayPal knows better than we what an address looks like; it can be paid without telling it one.
                with_address = False
            elif refused.names("DUPLICATE_INVOICE_ID") and not suffix:
                suffix = f"-{_short(order.id)}"
            else:
                break
    refusals.note(refusals.Kind.PAYMENTS, last)
    raise last


def _short(order_id: str) -> str:
    """Shorten an order's ID to what may be read by anybody: the ID itself opens the customer's page."""
    return hashlib.sha256(order_id.encode()).hexdigest()[:6]


def _create_id(order: Order, number: int, body: Mapping[str, Any]) -> str:
    """Name a request so that the same one makes one PayPal order, and another one never meets its answer."""
    sent = json.dumps([body, int(order.creates_refused)], sort_keys=True)
    return f"create:{order.id}:{number}:{hashlib.sha256(sent.encode()).hexdigest()[:16]}"


def order_body(
    order: Order,
    number: int,
    *,
    with_address: bool = True,
    pay_with: PayWith = PayWith.PAYPAL,
    invoice_suffix: str = "",
) -> dict[str, Any]:
    """Say an order in PayPal's words: https://developer.paypal.com/docs/api/orders/v2/#orders_create."""

    def amount(minor: float) -> dict[str, str]:
        return {"currency_code": order.currency, "value": money.decimal_string(int(minor), order.currency)}

    attempt = f"-{number}" if number > 1 else ""
    unit: dict[str, Any] = {
        "custom_id": order.id,
        "invoice_id": f"{settings.shop.invoice_prefix}{order.number}{attempt}{invoice_suffix}",
        "description": f"Order {order.number}",
        "amount": {
            **amount(order.total),
            "breakdown": {"item_total": amount(order.items), "shipping": amount(order.shipping)},
        },
        "items": [
            {
                "name": ", ".join([line.name, *line.options.values()])[:127],
                "sku": line.sku,
                "quantity": str(line.quantity),
                "unit_amount": amount(line.price),
                "category": "PHYSICAL_GOODS",
            }
            for line in order.lines
        ],
    }
    if with_address:
        unit["shipping"] = _shipping(order.customer)
    experience = {
        "brand_name": settings.shop.name[:127],
        "landing_page": pay_with.landing_page,
        "user_action": "PAY_NOW",
        "shipping_preference": "SET_PROVIDED_ADDRESS" if with_address else "NO_SHIPPING",
        "return_url": absolute_url("/payments/paypal/return"),
        "cancel_url": absolute_url("/payments/paypal/cancel"),
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": experience}},
    }


def _shipping(customer: Mapping[str, str]) -> dict[str, Any]:
    address = {
        "address_line_1": customer["address"],
        "address_line_2": customer.get("address2", ""),
        "admin_area_2": customer["city"],
        "admin_area_1": customer.get("region", ""),
        "postal_code": customer["postal_code"],
        "country_code": customer["country"],
    }
    return {
        "name": {"full_name": customer["name"]},
        "address": {name: value for name, value in address.items() if value},
    }


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
        return paypal.get_order(paypal_id).status == "APPROVED"
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
    claim = clock.new_id()

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
        request = requests.current()
        limits.count_decline(order.cart or order.id, requests.source_of(request) if request else "")
    return after


def _capture(order: Order, *, shopper_present: bool) -> Order:
    paypal_id = order.paypal_id
    if paypal_id is None or order.claim is None:
        return order
    with paypal.within(paypal.SECONDS_A_REQUEST):
        try:
            seen = paypal.capture_order(paypal_id, f"capture:{paypal_id}:{order.capture_number}")
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
        seen = paypal.get_order(paypal_id)
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
        order = _change_refused(order.id, refusals.Kind.CAPTURES, action)
    else:
        order = change(order.id, action)
    outbox.announce(order)
    return order


def _settle_duplicate(order: Order) -> Order:
    """PayPal holds money under this order's invoice number: look for it before trying under another number."""
    for attempt in order.attempts:
        try:
            seen = paypal.get_order(attempt["id"])
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
    capture = paypal.get_capture(capture_id)
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
        seen = paypal.get_order(paypal_id)
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


class PaymentInProgress(Conflict):
    """The order's payment is being checked at PayPal, so another cannot begin."""

    title = "Your payment is being checked"
