"""Send the shopper to PayPal: continue an active attempt, or start another."""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from pynamodb.exceptions import PynamoDBException

from chalicelib import rate_limits
from chalicelib.cart import service as carts
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import batch_get
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.errors import Conflict, OutOfStock, ServiceUnavailable
from chalicelib.mail import outbox
from chalicelib.orders import holds
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState
from chalicelib.payments.capture_payment import capture_payment, change_refused
from chalicelib.payments.paypal import gateway, refusals
from chalicelib.payments.paypal.errors import (
    PayPalAccessDenied,
    PayPalError,
    PayPalNotFound,
    PayPalRejected,
)
from chalicelib.payments.paypal.order_request import PayWith, order_body
from chalicelib.payments.paypal.values import Payee, PayPalOrder
from chalicelib.payments.settlement import settle_paypal_order

log = logging.getLogger("awning")
SOLD_OUT = "Other customers bought one or more of your items before you paid. You haven’t been charged. Please order again."
MAX_CREATE_ATTEMPTS = 3  # as it is, without the address, under another invoice number


def start_payment(order: Order, pay_with: PayWith = PayWith.PAYPAL, source: str = "") -> str | None:
    """Return the address at PayPal where this order is approved; None if there is nothing left to approve.

    It is that of an active PayPal order that leads to the requested page, else of a new one. `source` is the IP
    address that the request comes from.

    Raises OutOfStock if the reservation has ended and the units are sold; PayPalRejected or PayPalAccessDenied
    if PayPal takes no payments for this shop, which staff are told; another PayPalError if PayPal cannot be
    asked.
    """
    with gateway.time_budget(gateway.SECONDS_PER_REQUEST):
        if order.state != OrderState.AWAITING:
            return None
        order = _renew_hold(order, source)
        try:
            paypal_order = _active_paypal_order(order, pay_with)
            return (
                _start_attempt(order, pay_with)
                if paypal_order is None
                else _continue_attempt(order, paypal_order, source)
            )
        except (PayPalRejected, PayPalAccessDenied) as refused:
            _record_payment_refusal(order.id, refused)
            raise


def start_payment_again(order: Order, pay_with: PayWith, source: str) -> str | None:
    """Start a payment of an order that was placed before; counted for its session and address, unless it fails.

    Raises TooManyRequests, and what `start_payment` raises.
    """
    if order.state != OrderState.AWAITING:
        return None
    with rate_limits.count_payment(order.cart or order.id, source):
        return start_payment(order, pay_with, source)


def _record_payment_refusal(order_id: str, refused: PayPalError) -> None:
    """Record that PayPal takes no payments: the order's page says so, and the next attempt has its own request ID."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING:
            return False
        order.mark_payment_refused(refused.issue)
        return True

    try:
        outbox.enqueue(change_refused(order_id, refusals.RefusalKind.PAYMENTS, action))
    except (ServiceUnavailable, PynamoDBException):
        log.warning("rejected payment could not be recorded on its order", exc_info=True)


def check_stock(order: Order) -> Mapping[str, Stock]:
    """Read the stock of an order without a reservation; nothing is read for one with a reservation.

    Raises OutOfStock.
    """
    if order.reserved or order.state != OrderState.AWAITING:
        return {}
    stocks: Mapping[str, Stock] = batch_get({Stock: [line.sku for line in order.lines]})[Stock]
    if any(line.sku not in stocks or stocks[line.sku].available < line.quantity for line in order.lines):
        raise OutOfStock(SOLD_OUT)
    return stocks


def _renew_hold(order: Order, source: str) -> Order:
    """Reserve the units again, as far as one visitor may hold them; otherwise they are taken when the order is paid."""
    stocks = check_stock(order)
    quantities = {sku: int(stock.available + stock.held) for sku, stock in stocks.items()}
    holder = holds.holder_of(source)
    most = holds.max_holds(order.lines, quantities, holder) if stocks and order.can_be_held else None
    if most is None:
        return order

    def action(order: Order, transaction: Transaction) -> bool:
        if order.reserved or order.state != OrderState.AWAITING:
            return False
        order.hold_stock(transaction, holder, most)
        return True

    try:
        order = update_order(order.id, action)
    except ConditionFailed as refused:
        if any(name.startswith("stock#") for name in refused.names):
            raise OutOfStock(SOLD_OUT) from refused
        return order
    if order.cart is not None:
        held = {line.sku: line.quantity for line in order.lines}
        carts.extend_reservation(order.cart, order.id, held, int(order.reserved_until))
    return order


def _active_paypal_order(order: Order, pay_with: PayWith) -> PayPalOrder | None:
    """Return the last active attempt at PayPal that was approved or leads to the requested page; None if there is none."""
    for attempt in _reusable_attempts(order, pay_with):
        try:
            paypal_order = gateway.get_order(attempt["id"])
        except PayPalNotFound:
            continue
        said_yes = paypal_order.status == "COMPLETED" or (
            paypal_order.status == "APPROVED" and not _is_declined(order, attempt)
        )
        if not paypal_order.is_dead and (said_yes or _leads_to(attempt, pay_with)):
            return paypal_order
    return None


def _reusable_attempts(order: Order, pay_with: PayWith) -> list[dict[str, Any]]:
    if not order.payment_attempts or order.payment_attempts[-1]["ended"]:
        return []
    *earlier, last = order.payment_attempts
    if _leads_to(last, pay_with):
        return [last]
    same = [one for one in earlier if _leads_to(one, pay_with) and not (one["ended"] or one.get("declined"))]
    return [last, *same[-1:]]


def _leads_to(attempt: Mapping[str, Any], pay_with: PayWith) -> bool:
    return bool(attempt.get("pay_with", PayWith.PAYPAL) == pay_with)


def _is_declined(order: Order, attempt: Mapping[str, Any]) -> bool:
    return bool(order.declined if attempt["id"] == order.paypal_order_id else attempt.get("declined"))


def _continue_attempt(order: Order, paypal_order: PayPalOrder, source: str) -> str | None:
    if paypal_order.status == "COMPLETED":
        settle_paypal_order(order.id, paypal_order, shopper_present=True)
        return None
    (attempt,) = (one for one in order.payment_attempts if one["id"] == paypal_order.id)
    if paypal_order.status == "APPROVED" and not _is_declined(order, attempt):
        capture_payment(order.id, shopper_present=True, paypal_id=paypal_order.id, source=source)
        return None
    return gateway.checked_link(paypal_order.approval_url or attempt["approval_url"])


def _start_attempt(order: Order, pay_with: PayWith) -> str | None:
    number = len(order.payment_attempts) + 1
    made = _create_paypal_order(order, number, pay_with)

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state != OrderState.AWAITING or len(order.payment_attempts) >= number:
            return False
        payee = made.payee or Payee()
        order.start_attempt(
            made.id,
            transaction,
            payee=payee.merchant_id or payee.email,
            payee_email=payee.email,
            approval_url=made.approval_url or "",
            pay_with=pay_with,
        )
        return True

    was_refused = bool(order.payment_refusal)
    stored = update_order(order.id, action, loaded=order)
    if was_refused:
        refusals.clear_refused_payments()
    return str(stored.payment_attempts[-1]["approval_url"]) if stored.state == OrderState.AWAITING else None


def _create_paypal_order(order: Order, number: int, pay_with: PayWith) -> PayPalOrder:
    with_address, suffix = not order.address_refused, ""
    for _ in range(MAX_CREATE_ATTEMPTS):
        body = order_body(order, number, with_address=with_address, pay_with=pay_with, invoice_suffix=suffix)
        request_id = _create_request_id(order, number, body)
        try:
            return gateway.create_order(body, request_id)
        except (
            PayPalRejected,
            PayPalNotFound,
        ) as refused:  # of a new order there is nothing to be not found
            last = PayPalRejected(refused.issue, refused.debug_id, refused.status, refused.details)
            if with_address and refused.is_about_address:
                # The order can be paid without giving PayPal the address.
                with_address = False
            elif refused.names("DUPLICATE_INVOICE_ID") and not suffix:
                suffix = f"-{_invoice_suffix(order.id)}"
            else:
                break
    refusals.record_refusal(refusals.RefusalKind.PAYMENTS, last)
    raise last


def _invoice_suffix(order_id: str) -> str:
    """Shorten an order's ID for public use: the full ID opens the customer's page."""
    return hashlib.sha256(order_id.encode()).hexdigest()[:6]


def _create_request_id(order: Order, number: int, body: Mapping[str, Any]) -> str:
    """Return the request ID: the same request always creates the same PayPal order, a different one never gets its answer."""
    sent = json.dumps([body, int(order.refused_creations)], sort_keys=True)
    return f"create:{order.id}:{number}:{hashlib.sha256(sent.encode()).hexdigest()[:16]}"


class PaymentInProgress(Conflict):
    """The order's payment is being checked at PayPal, so another cannot begin."""

    title = "Payment in progress"
