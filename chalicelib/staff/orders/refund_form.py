"""Refunds from an order's page: the form is parsed, the refund stored and requested; an invalid form is shown again."""

import re
from collections.abc import Mapping

from chalice.app import Request, Response

from chalicelib import money
from chalicelib.cleaning import clean_code, find_control_character
from chalicelib.errors import BadInput
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.payments import refunds
from chalicelib.payments.refunds import (
    FormAlreadySubmitted,
    InvalidRefund,
    NothingToRefund,
    RefundableAmountChanged,
    RefundRequest,
)
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders import refund_view
from chalicelib.staff.orders.order_detail import render_order
from chalicelib.staff.orders.refund_view import MAX_NOTE_LENGTH, MAX_REASON_LENGTH
from chalicelib.web import responses, urls
from chalicelib.web.forms import Form, read_form

BEYOND_ANY_ORDER = 10**15
_LEFT = re.compile(r"[0-9]{1,11}", re.ASCII)
_NEGATIVE = re.compile(r"[-–−] ?[0-9].*", re.ASCII)
_MANY_DECIMALS = re.compile(r"[0-9]+[.,][0-9]{3,}", re.ASCII)
_MANY_DIGITS = re.compile(r"[0-9]{10,}(\.[0-9]{1,2})?", re.ASCII)  # more than any amount in the shop has


def refund(request: Request, member: StaffMember, order_id: str) -> Response:
    """Refund all or part of an order's payment."""
    order, form = get_order(order_id), read_form(request)
    form_token = layout.read_form_token(form)
    try:
        refund_request = _read_wish(order, form, refunds.refund_id_for(order.id, form_token))
        write_audit = audit_log.writer_for(member, "refunded")
        done, refund_id = refunds.refund_payment(
            order.id, form_token, refund_request, member.email, write_audit, order
        )
    except InvalidRefund as wrong:
        return _back(member, order, form, 400, errors=wrong.problems, form_token=form_token)
    except RefundableAmountChanged as changed:
        return _back(member, order, form, 409, problem=changed.message, form_token=form_token)
    except (NothingToRefund, FormAlreadySubmitted) as refused:
        return _back(member, order, form, 409, problem=refused.message)
    return layout.redirect_with_notice(
        f"/staff/orders/{order.id}", refund_view.refund_notice(done, done.refunds[refund_id])
    )


def redirect_to_order(request: Request, member: StaffMember, order_id: str) -> Response:
    """Redirect to the order if the address of a submitted form is opened."""
    return responses.redirect(urls.url(f"/staff/orders/{get_order(order_id).id}"))


def _back(
    member: StaffMember,
    order: Order,
    form: Form,
    status: int,
    *,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    form_token: str = "",
) -> Response:
    """Show the form again as it was entered, beside the current order."""
    now = Order.fetch(order.id)
    shown = refund_view.view(
        now, member, form_data=form.values, errors=errors, problem=problem, form_token=form_token
    )
    return render_order(member, now, status, refund=shown)


# -- reading ----------------------------------------------------------------------------------------------


def _read_wish(order: Order, form: Form, refund_id: str) -> RefundRequest:
    """Parse the refund form. Raises InvalidRefund, and BadInput for a form that is not ours."""
    problems: dict[str, str] = {}
    amount = _read_amount(order, form.text("amount"), problems)
    quantities = (
        _all_back(order, refund_id) if form.text("all_back") else _read_restock(order, form, problems)
    )
    reason, note = form.text("reason"), form.text("note")
    if not reason:
        problems["reason"] = "Please enter a reason, for your own records."
    _check_text("reason", reason, MAX_REASON_LENGTH, problems)
    _check_text("note", note, MAX_NOTE_LENGTH, problems)
    if problems:
        raise InvalidRefund(
            {**refunds.validate_refund(order, amount, quantities), **problems}
        )  # all errors together
    return RefundRequest(amount, _read_left(form), reason, note, quantities)


def _read_amount(order: Order, text: str, problems: dict[str, str]) -> int:
    try:
        return money.parse_user_amount(text, order.currency)
    except ValueError:
        plain = money.plain_number(money.strip_currency(clean_code(text), order.currency))
        if _MANY_DIGITS.fullmatch(plain):
            return BEYOND_ANY_ORDER  # reported like every other amount that is too large
        problems["amount"] = _amount_fault(plain, order)
        return 0


def _amount_fault(text: str, order: Order) -> str:
    example = money.to_decimal_string(order.refundable_amount, order.currency)
    if not text:
        return f"Please enter the amount to refund, such as {example}."
    if _NEGATIVE.fullmatch(text):
        return f"The amount can’t be negative. Please enter an amount such as {example}."
    if _MANY_DECIMALS.fullmatch(text) and money.decimals(order.currency):
        return f"Please enter at most two decimals, such as {example}."
    return f"“{text}” isn’t an amount. Please enter one such as {example}."


def _all_back(order: Order, refund_id: str) -> dict[str, int]:
    """Return all units that can be restocked; a form that is sent again means those that it meant the first time."""
    if refund_id in order.refunds:
        return dict(order.refunds[refund_id]["restocked"])
    return {sku: count for sku, count in refunds.max_restock(order).items() if count}


def _read_restock(order: Order, form: Form, problems: dict[str, str]) -> dict[str, int]:
    quantities = {}
    for line in order.lines:
        field = f"restock-{line.sku}"
        text = form.text(field) or "0"
        try:
            count = money.parse_whole_number(text)
        except ValueError:
            problems[field] = "Please enter a whole number, or 0."
            continue
        if count:
            quantities[line.sku] = count
    return quantities


def _check_text(field: str, text: str, most: int, problems: dict[str, str]) -> None:
    if len(text) > most:
        problems[field] = f"Please shorten this to {most} characters."
    elif (control := find_control_character(text)) is not None:
        problems[field] = f"Please enter one line, without the control character {control}."


def _read_left(form: Form) -> int:
    text = form.text("left")
    if not _LEFT.fullmatch(text):
        raise BadInput("This form is out of date. Please reload the page.")
    return int(text)
