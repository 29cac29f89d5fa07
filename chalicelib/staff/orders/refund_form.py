"""Refunds from an order's page: the form is read, the refund decided and asked for; what is wrong comes back."""

import re
from collections.abc import Mapping

from chalice.app import Request, Response

from chalicelib import money
from chalicelib.cleaning import find_control_character
from chalicelib.errors import BadInput
from chalicelib.orders.models import Order
from chalicelib.orders.repository import find_order
from chalicelib.payments import refunds
from chalicelib.payments.refunds import FormUsed, LeftChanged, NothingToRefund, Wish, WrongWish
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import Member
from chalicelib.staff.orders import refund_view
from chalicelib.staff.orders.order_detail import page_of
from chalicelib.staff.orders.refund_view import LONGEST_NOTE, LONGEST_REASON
from chalicelib.web import responses, urls
from chalicelib.web.forms import Form, read_form

_LEFT = re.compile(r"[0-9]{1,11}", re.ASCII)
_PIECES = re.compile(r"[0-9]{1,4}", re.ASCII)


def refund(request: Request, member: Member, order_id: str) -> Response:
    """Refund all or part of an order's payment."""
    order, form = find_order(order_id), read_form(request)
    form_id = layout.read_form_id(form)
    try:
        wish = _read_wish(order, form, refunds.own_id_of(order.id, form_id))
        witness = audit_log.witness(member, "refunded")
        done, own_id = refunds.refund_payment(order.id, form_id, wish, member.email, witness)
    except WrongWish as wrong:
        return _back(member, order, form, 400, errors=wrong.problems, form_id=form_id)
    except LeftChanged as changed:
        return _back(member, order, form, 409, problem=changed.message, form_id=form_id)
    except (NothingToRefund, FormUsed) as refused:
        return _back(member, order, form, 409, problem=refused.message)
    return layout.go(f"/staff/orders/{order.id}", refund_view.words_of(done, done.refunds[own_id]))


def lead_back(request: Request, member: Member, order_id: str) -> Response:
    """Lead who opens the address of a form that came back to the order."""
    return responses.redirect(urls.url(f"/staff/orders/{find_order(order_id).id}"))


def _back(
    member: Member,
    order: Order,
    form: Form,
    status: int,
    *,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    form_id: str = "",
) -> Response:
    """Show the form again with everything typed, beside the order as it is now."""
    now = Order.fetch(order.id)
    shown = refund_view.view(now, member, typed=form.values, errors=errors, problem=problem, form=form_id)
    return page_of(member, now, status, refund=shown)


# -- reading ----------------------------------------------------------------------------------------------


def _read_wish(order: Order, form: Form, own_id: str) -> Wish:
    """Read what staff wish. Raises WrongWish, and BadInput for a form that is not ours."""
    problems: dict[str, str] = {}
    amount = _read_amount(order, form.text("amount"), problems)
    pieces = _all_back(order, own_id) if form.text("all_back") else _read_pieces(order, form, problems)
    reason, note = form.text("reason"), form.text("note")
    if not reason:
        problems["reason"] = "Please say why, for your own records."
    _check_text("reason", reason, LONGEST_REASON, problems)
    _check_text("note", note, LONGEST_NOTE, problems)
    if problems:
        raise WrongWish(
            {**refunds.problems_of(order, amount, pieces), **problems}
        )  # all that is wrong, at once
    return Wish(amount, _read_left(form), reason, note, pieces)


def _read_amount(order: Order, text: str, problems: dict[str, str]) -> int:
    try:
        return money.parse_typed(text, order.currency)
    except ValueError:
        example = money.decimal_string(order.left_to_refund, order.currency)
        problems["amount"] = f"Please write an amount above zero, such as {example}."
        return 0


def _all_back(order: Order, own_id: str) -> dict[str, int]:
    """List all pieces that can go back; sent once more, a form means those that it meant the first time."""
    if own_id in order.refunds:
        return dict(order.refunds[own_id]["pieces"])
    return {sku: count for sku, count in refunds.most_back(order).items() if count}


def _read_pieces(order: Order, form: Form, problems: dict[str, str]) -> dict[str, int]:
    pieces = {}
    for line in order.lines:
        field = f"pieces-{line.sku}"
        text = form.text(field) or "0"
        if not _PIECES.fullmatch(text):
            problems[field] = "Please write a whole number of pieces, or 0."
        elif int(text):
            pieces[line.sku] = int(text)
    return pieces


def _check_text(field: str, text: str, most: int, problems: dict[str, str]) -> None:
    if len(text) > most:
        problems[field] = f"Please shorten this to {most} letters."
    elif (control := find_control_character(text)) is not None:
        problems[field] = f"Please write one line, without the control character {control}."


def _read_left(form: Form) -> int:
    text = form.text("left")
    if not _LEFT.fullmatch(text):
        raise BadInput("This page is not as we made it. Please load it again.")
    return int(text)
