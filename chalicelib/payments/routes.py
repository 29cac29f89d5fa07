"""Where PayPal sends shoppers and notifications, and where an unpaid order is paid again."""

import logging

from chalice.app import Request, Response

from chalicelib import telemetry
from chalicelib.cart import sessions
from chalicelib.cart.routes import say
from chalicelib.errors import BadInput, Busy, NotFound, OutOfStock, TooMany
from chalicelib.orders import states
from chalicelib.orders.models import Order
from chalicelib.orders.repository import find_order
from chalicelib.orders.views.customer_view import order_page
from chalicelib.payments import capture_payment, start_payment
from chalicelib.payments.paypal import answers, order_request, webhook
from chalicelib.payments.paypal.errors import AccessRefused, PayPalError, PayPalRefused
from chalicelib.telemetry import Metric
from chalicelib.web import http_request
from chalicelib.web.forms import read_form
from chalicelib.web.responses import in_a_while, page, redirect
from chalicelib.web.router import NEIGHBOUR_ERRORS, Routes
from chalicelib.web.urls import url

routes = Routes(__name__)
log = logging.getLogger("awning")
NOT_CHARGED_YET = "The shop is very busy. You haven’t been charged yet. Please reload this page in a moment."
CANNOT_TAKE_PAYMENTS = (
    "We can’t take payments right now. You haven’t been charged, and we’ll keep your order for now. "
    "Please try again later."
)


@routes.get("/payments/paypal/return")
def come_back(request: Request) -> Response:
    """Take the money the shopper approved, and show them their order. Works without a cookie, and twice."""
    token, order_id = _order_of_token(request)
    try:
        capture_payment.take_returned(order_id, token)
    except Busy as busy:
        log.warning("a payment could not be written yet: %s", busy)
        order = Order.fetch(order_id)
        if order.state == states.AWAITING:
            # PayPal was not asked. After a decline, only coming here again tells of the new yes.
            return in_a_while(order_page(order, message=NOT_CHARGED_YET, status=busy.status), busy)
        # PayPal may have been asked: the order's page knows, and the reconciler asks again.
    return redirect(url(f"/orders/{order_id}"), _fresh_cookies(request))


@routes.get("/payments/paypal/cancel")
def cancel(request: Request) -> Response:
    """Take the shopper back to their cart, which is as it was; to their order where it was paid meanwhile, or ended."""
    _, order_id = _order_of_token(request)
    if Order.fetch(order_id).state != states.AWAITING:
        return redirect(url(f"/orders/{order_id}"))
    return redirect(url("/cart"), [say("left")])


@routes.post("/orders/{order_id}/payment")
def pay(request: Request, order_id: str) -> Response:
    """Send the shopper to PayPal for an order that is not paid."""
    order = find_order(order_id)
    try:
        pay_with = order_request.read_pay_with(
            read_form(request).text("pay_with") if request.raw_body else ""
        )
        address = start_payment.start_payment_again(order, pay_with, http_request.source_of(request))
    except (TooMany, Busy) as refusal:
        return in_a_while(order_page(order, message=refusal.message, status=refusal.status), refusal)
    except (OutOfStock, BadInput) as refusal:
        return order_page(Order.fetch(order_id), message=refusal.message, status=refusal.status)
    except (PayPalRefused, AccessRefused) as error:
        log.warning("no payment could be started for order %s: %s", order.number, error)
        return order_page(Order.fetch(order_id), message=CANNOT_TAKE_PAYMENTS, status=503)
    except PayPalError as error:
        log.warning("no payment could be started for order %s: %s", order.number, error)
        return order_page(
            Order.fetch(order_id),
            message="We couldn’t reach PayPal. You haven’t been charged; please try again in a moment.",
            status=503,
        )
    return redirect(address or url(f"/orders/{order_id}"))


@routes.post("/webhooks/paypal")
def notify(request: Request) -> Response:
    """Take a notification: verified, and on the queue, before the answer."""
    try:
        webhook.receive(request)
    except (Busy, *NEIGHBOUR_ERRORS):  # 503: of these PayPal is told, not whoever looks after the pages
        telemetry.count(Metric.NOTIFICATIONS_PUT_OFF)
        raise
    return page("", 200)


def _order_of_token(request: Request) -> tuple[str, str]:
    """Read the token that PayPal adds, its order; tell it, and whose order it is."""
    token = http_request.query(request, "token") or ""
    order_id = Order.find(f"paypal#{token}") if answers.is_id(token) else None
    if order_id is None:
        raise NotFound("We couldn’t find this payment.")
    return token, order_id


def _fresh_cookies(request: Request) -> list[str] | None:
    """Tell the badge what is left in the cart: nothing, once the order is paid."""
    if sessions.session_id_of(request) is None:
        return None
    return sessions.load(request).cookies()
