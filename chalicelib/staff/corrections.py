"""Corrections of an order's delivery: its parcels and its address, before and after shipping.

Each form carries a one-time id, and a fingerprint of what it showed: who was overtaken sees how the order stands now,
beside what they typed.
"""

from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib.checkout.customer import read_customer
from chalicelib.errors import Conflict
from chalicelib.orders.models import Order
from chalicelib.orders.routes import find_order
from chalicelib.staff import audit, desk, handling, shipping
from chalicelib.staff.models import Member
from chalicelib.staff.order import page_of
from chalicelib.web.forms import Form, read_form

NEW = "new"  # the form of a parcel that is not there yet
ADDRESS = "address"
UNCHANGED = "That is what was there already: nothing was changed, and nobody is written to."


def add_parcel(request: Request, member: Member, order_id: str) -> Response:
    """Add a parcel: more are to follow, or one was left out."""
    order, form = find_order(order_id), read_form(request)
    parcel, errors = shipping.read_parcel(form.values)
    if errors:
        return page_of(member, order, 400, typed=form.values, errors=errors, opened=NEW)
    form_id, mail = desk.read_form_id(form), _mail(form)
    witness = audit.witness(member, "added a parcel")
    return _done(
        member,
        form,
        NEW,
        order,
        lambda: handling.add_parcel(order.id, parcel, member.email, form_id, mail=mail, witness=witness),
        "The parcel is added.",
    )


def correct_parcel(request: Request, member: Member, order_id: str, parcel_id: str) -> Response:
    """Correct a parcel's carrier, tracking number and link."""
    order, form = find_order(order_id), read_form(request)
    parcel, errors = shipping.read_parcel(form.values)
    if errors:
        return page_of(member, order, 400, typed=form.values, errors=errors, opened=parcel_id)
    form_id, mail, shown = desk.read_form_id(form), _mail(form), form.text("shown")
    witness = audit.witness(member, "corrected a parcel")
    return _done(
        member,
        form,
        parcel_id,
        order,
        lambda: handling.correct_parcel(
            order.id, parcel_id, shown, parcel, member.email, form_id, mail=mail, witness=witness
        ),
        "The parcel is corrected.",
    )


def remove_parcel(request: Request, member: Member, order_id: str, parcel_id: str) -> Response:
    """Remove a parcel that was not sent."""
    order, form = find_order(order_id), read_form(request)
    form_id, mail, shown = desk.read_form_id(form), _mail(form), form.text("shown")
    witness = audit.witness(member, "removed a parcel")
    return _done(
        member,
        form,
        "",
        order,
        lambda: handling.remove_parcel(
            order.id, parcel_id, shown, member.email, form_id, mail=mail, witness=witness
        ),
        "The parcel is removed.",
    )


def correct_customer(request: Request, member: Member, order_id: str) -> Response:
    """Correct the address, and how the customer is reached. The country stays: shipping and taxes depend on it."""
    order, form = find_order(order_id), read_form(request)
    country = order.customer["country"]
    customer, errors = read_customer({**form.values, "country": country})
    errors.pop("country", None)  # it may be shipped to no more
    if errors:
        return page_of(member, order, 400, typed=form.values, errors=errors, opened=ADDRESS)
    form_id, mail, shown = desk.read_form_id(form), _mail(form), form.text("shown")
    witness = audit.witness(member, "corrected the delivery details")
    return _done(
        member,
        form,
        ADDRESS,
        order,
        lambda: handling.correct_customer(
            order.id, shown, customer, member.email, form_id, mail=mail, witness=witness
        ),
        "The delivery details are corrected.",
    )


def _mail(form: Form) -> bool:
    return bool(form.text("mail"))


def _done(
    member: Member, form: Form, opened: str, order: Order, do: Callable[[], Order], notice: str
) -> Response:
    """Do it and go back to the order; where somebody was quicker, show how it stands now, and what was typed."""
    try:
        changed = do()
    except Conflict as refusal:
        now = Order.fetch(order.id)
        return page_of(member, now, refusal.status, typed=form.values, problem=refusal.message, opened=opened)
    if not changed.has_heard(form.text("form")):
        notice = UNCHANGED
    elif _mail(form):
        notice += " The customer is written to."
    return desk.go(f"/staff/orders/{order.id}", notice)
