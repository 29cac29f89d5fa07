"""Return from PayPal, cancellation, PayPal's webhook, and paying an order again. app.py has the URLs."""

import logging

from chalice.app import Request, Response

from chalicelib import telemetry
from chalicelib.cart import sessions
from chalicelib.cart.routes import flash_cookie
from chalicelib.errors import BadInput, NotFound, OutOfStock, ServiceUnavailable, TooManyRequests
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.orders.states import OrderState
from chalicelib.orders.views.customer_view import render_order_page
from chalicelib.payments import capture_payment, start_payment
from chalicelib.payments.paypal import answers, order_request, webhook
from chalicelib.payments.paypal.errors import PayPalAccessDenied, PayPalError, PayPalRejected
from chalicelib.telemetry import Metric
from chalicelib.web import http_request
from chalicelib.web.forms import read_form
from chalicelib.web.responses import html_response, redirect, with_retry_after
from chalicelib.web.router import NEIGHBOUR_ERRORS
from chalicelib.web.urls import url

log = logging.getLogger("awning")
NOT_CHARGED_YET = "The shop is very busy. You haven’t been charged yet. Please reload this page in a moment."
OUTCOME_AFTER_RELOADING = (
    "The shop isn’t responding. Please reload this page in a moment: it shows whether your payment went through. "
    "You won’t be charged twice."
)
CANNOT_TAKE_PAYMENTS = (
    "We can’t take payments right now. You haven’t been charged, and we’ll keep your order for now. "
    "Please try again later."
)


def paypal_return(request: Request) -> Response:
    """Capture the payment that the shopper approved, and show their order. Works without a cookie, and repeatedly."""
    try:
        return _capture_and_show(request)
    except NEIGHBOUR_ERRORS as error:
        log.exception("AWS call failed")
        raise ServiceUnavailable(OUTCOME_AFTER_RELOADING) from error


def _capture_and_show(request: Request) -> Response:
    token, order_id = _order_of_token(request)
    try:
        capture_payment.capture_after_return(order_id, token, http_request.client_ip(request))
    except ServiceUnavailable as busy:
        log.warning("payment could not be recorded yet: %s", busy)
        order = Order.fetch(order_id)
        if order.state == OrderState.AWAITING:
            # PayPal was not asked. After a decline, only this page learns of the new approval, so it must be reloaded.
            page = render_order_page(order, message=NOT_CHARGED_YET, status=busy.status)
            return with_retry_after(page, busy.retry_after)
        # PayPal may have been asked: the order's page knows, and the reconciler asks again.
    return redirect(url(f"/orders/{order_id}"), _fresh_cookies(request))


def paypal_cancel(request: Request) -> Response:
    """Take the shopper back to their unchanged cart.

    They are taken to their order instead if it was paid or closed meanwhile, or if a payment that was denied
    later emptied the cart.
    """
    _, order_id = _order_of_token(request)
    order = Order.fetch(order_id)
    if order.state != OrderState.AWAITING or order.has_emptied_cart:
        return redirect(url(f"/orders/{order_id}"))
    return redirect(url("/cart"), [flash_cookie("left")])


def pay(request: Request, order_id: str) -> Response:
    """Send the shopper to PayPal for an order that is not paid."""
    order = get_order(order_id)
    try:
        pay_with = order_request.read_pay_with(
            read_form(request).text("pay_with") if request.raw_body else ""
        )
        address = start_payment.start_payment_again(order, pay_with, http_request.client_ip(request))
    except (TooManyRequests, ServiceUnavailable) as refusal:
        page = render_order_page(order, message=refusal.message, status=refusal.status)
        return with_retry_after(page, refusal.retry_after)
    except (OutOfStock, BadInput) as refusal:
        return render_order_page(Order.fetch(order_id), message=refusal.message, status=refusal.status)
    except (PayPalRejected, PayPalAccessDenied) as error:
        log.warning("payment not started for order %s: %s", order.number, error)
        return render_order_page(Order.fetch(order_id), message=CANNOT_TAKE_PAYMENTS, status=503)
    except PayPalError as error:
        log.warning("payment not started for order %s: %s", order.number, error)
        return render_order_page(
            Order.fetch(order_id),
            message="We couldn’t reach PayPal. You haven’t been charged; please try again in a moment.",
            status=503,
        )
    return redirect(address or url(f"/orders/{order_id}"))


def paypal_webhook(request: Request) -> Response:
    """Receive a notification: it is verified and in the queue before the response."""
    try:
        headers = {name: http_request.header(request, name) for name in webhook.HEADERS}
        webhook.receive(headers, request.raw_body)
    except (
        ServiceUnavailable,
        *NEIGHBOUR_ERRORS,
    ):  # 503: this concerns PayPal, and raises no alarm about pages
        telemetry.count(Metric.NOTIFICATIONS_POSTPONED)
        raise
    return html_response("", 200)


def _order_of_token(request: Request) -> tuple[str, str]:
    """Return the token that PayPal adds, which is the PayPal order's ID, and the ID of our order with that attempt."""
    token = http_request.query(request, "token") or ""
    order_id = Order.find_by_lookup(f"paypal#{token}") if answers.is_id(token) else None
    if order_id is None:
        raise NotFound("We couldn’t find this payment.")
    return token, order_id


def _fresh_cookies(request: Request) -> list[str] | None:
    """Return cookies with the cart's current count: 0 once PayPal has taken the payment."""
    if sessions.session_id_of(request) is None:
        return None
    return sessions.load(request).cookies()
