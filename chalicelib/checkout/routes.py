"""The checkout: the form, and placing the order. app.py has the URLs."""

import logging

from chalice.app import Request, Response

from chalicelib import clock, money, postal
from chalicelib.cart import destinations, sessions
from chalicelib.cart import service as cart_service
from chalicelib.cart.service import CartLine
from chalicelib.cart.sessions import Session
from chalicelib.cart.totals import price_lines, totals_of, totals_view
from chalicelib.checkout import place_order
from chalicelib.checkout.customer_form import MAX_LENGTHS, Customer, mark_of_asked, validate_customer
from chalicelib.checkout.order_totals import freeze_lines
from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.database.reads import get
from chalicelib.errors import BadInput, OutOfStock, ServiceUnavailable, TooManyRequests
from chalicelib.orders.delivery.delivery_fields import fingerprint_of_doubts
from chalicelib.orders.models import Order
from chalicelib.orders.views.customer_view import line_view
from chalicelib.payments.paypal.errors import PayPalError
from chalicelib.payments.paypal.order_request import PayWith, read_pay_with
from chalicelib.payments.start_payment import PaymentInProgress, start_payment, start_payment_again
from chalicelib.shop_settings import delivery, taxes
from chalicelib.shop_settings.delivery import DELIVERY
from chalicelib.shop_settings.taxes import TAXES
from chalicelib.taxes.assessment import CannotBeServed, Destination
from chalicelib.web import http_request
from chalicelib.web.forms import Form, read_form
from chalicelib.web.responses import html_response, redirect, with_retry_after
from chalicelib.web.templates import render
from chalicelib.web.urls import url

log = logging.getLogger("awning")


def show(request: Request) -> Response:
    """Show the form, filled in if this cart was ordered before and not paid."""
    session = sessions.load(request, DELIVERY, TAXES)
    if not session.item_count:
        return redirect(url("/cart"))
    before = get(Order, session.cart.order_id) if session.cart and session.cart.order_id else None
    values = dict.fromkeys(MAX_LENGTHS, "") | (dict(before.customer) if before else {})
    countries = delivery.current().countries
    destination = destinations.find_destination(session, countries)
    if destination is not None:
        values = _send_to(values, destination)
    values["country"] = values["country"] or next(iter(countries))
    lines = cart_service.get_lines(session)
    return _form(
        session,
        postal.without_guess(values),
        lines,
        problem=place_order.unavailable_message(lines),
        notice=_price_change_notices(lines),
    )


def place(request: Request) -> Response:
    """Place the order and send the shopper to PayPal."""
    form = read_form(request)
    session = sessions.load(request, DELIVERY, TAXES)
    if not session.item_count:
        return redirect(url("/cart"))
    values, errors = validate_customer(form.values, delivery.current().countries)
    shown = postal.without_guess(values, clean_line(form.values.get("region", "")))
    if errors:
        confirmed = mark_of_asked(values, errors, form.values)
        return _form(session, shown, errors=errors, confirmed=confirmed, status=400)
    try:
        pay_with = read_pay_with(form.text("pay_with"))
        source = http_request.client_ip(request)
        order, is_new = place_order.place_order(session, Customer(**values), _shown_total(form), source)
        address = _payment_address(order, pay_with, source, is_new=is_new)
    except place_order.TotalChanged as changed:
        return _form(session, shown, notice=changed.message, status=changed.status)
    except (OutOfStock, BadInput) as refusal:
        return _form(session, shown, problem=refusal.message, status=refusal.status)
    except TooManyRequests as refusal:
        page = _form(session, shown, pause=refusal.message, status=refusal.status)
        return with_retry_after(page, refusal.retry_after)
    except ServiceUnavailable as refusal:
        page = _form(session, shown, problem=refusal.message, status=refusal.status)
        return with_retry_after(page, refusal.retry_after)
    except PaymentInProgress as refusal:
        waiting = session.cart.order_id if session.cart else None
        return _form(session, shown, problem=refusal.message, waiting_order=waiting, status=refusal.status)
    return redirect(address or url(f"/orders/{order.id}"))


def _send_to(values: dict[str, str], destination: Destination) -> dict[str, str]:
    """Return the form's values for a destination: placing an order keeps its own, so another is newer."""
    code = destination.postal_code
    if destination.country == values["country"] and code in ("", values["postal_code"]):
        return values
    return {**values, "country": destination.country, "postal_code": code, "region": ""}


def _payment_address(order: Order, pay_with: PayWith, source: str, *, is_new: bool) -> str | None:
    start = start_payment if is_new else start_payment_again  # placing a new order has counted it already
    try:
        return start(order, pay_with, source)
    except PayPalError as error:
        # The order is placed; its page says that it is not paid, and offers to try again.
        log.warning("payment not started for order %s: %s", order.number, error)
        return None


def _shown_total(form: Form) -> int | None:
    try:
        return money.parse(form.text("total"), settings.currency)
    except ValueError:
        return None  # forged or lost: the form is shown again with the right one


def _price_change_notices(lines: list[CartLine]) -> str | None:
    notes = [f"{line.offer.quoted_name}: {note}" for line in lines if line.offer for note in line.price_notes]
    return " ".join(notes) or None


def _form(
    session: Session,
    values: dict[str, str],
    cart_lines: list[CartLine] | None = None,
    *,
    errors: dict[str, str] | None = None,
    confirmed: str | None = None,
    problem: str | None = None,
    waiting_order: str | None = None,
    notice: str | None = None,
    pause: str | None = None,
    status: int = 200,
) -> Response:
    lines = cart_service.get_lines(session) if cart_lines is None else cart_lines
    zones, rules = delivery.current(), taxes.current()
    destination = Destination(values["country"], values["postal_code"], values["region"])
    totals = None
    try:
        totals = totals_of(price_lines(lines), destination, zones, rules, clock.today())
    except CannotBeServed as refusal:
        problem = problem or str(refusal)
    body = render(
        "checkout/checkout.html",
        values=values,
        errors=errors or {},
        problem=problem,
        waiting_order=waiting_order,
        notice=notice,
        pause=pause,
        countries=zones.countries_by_name,
        rules=postal.country_of(values["country"]),
        confirmed=fingerprint_of_doubts(values) if confirmed is None else confirmed,
        lines=[line_view(line) for line in freeze_lines(lines, totals.assessment if totals else None)],
        totals=totals and totals_view(totals, rules),
        total_decimal=totals and money.to_decimal_string(totals.total, settings.currency),
        max=MAX_LENGTHS,
        kept_minutes=settings.shop.reservation_seconds // 60,
        cart_count=session.item_count,
    )
    return html_response(body, status, session.cookies())
