"""Correct an order's delivery: its parcels and its address, before and after shipping.

Each form carries a one-time ID, and a fingerprint of what it showed: if another change was faster, the current
order is shown beside what was entered.
"""

from collections.abc import Callable, Mapping
from functools import partial

from chalice.app import Request, Response

from chalicelib.checkout.customer_form import REQUIRED, validate_customer
from chalicelib.errors import Conflict
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders import order_actions, shipping
from chalicelib.staff.orders.order_detail import render_order
from chalicelib.taxes.assessment import Scheme
from chalicelib.taxes.territories import find_territory
from chalicelib.web.forms import Form, read_form

NEW = "new"  # the form of a new parcel
ADDRESS = "address"
REQUIRED_FOR_STAFF = {  # instead of the shopper's texts, which say “your”
    REQUIRED["name"]: "Please enter the customer’s name.",
    REQUIRED["email"]: "Please enter the customer’s email address.",
}
OTHER_TERRITORY = "Other taxes may apply at this postal code than those that were paid. Please refund this order, and ask the customer to order again."
UNCHANGED = "No changes to save. The customer wasn’t emailed."


def add_parcel(request: Request, member: StaffMember, order_id: str) -> Response:
    """Add a parcel: more will follow, or one was forgotten."""
    order, form = get_order(order_id), read_form(request)
    parcel, errors = shipping.parse_parcel(form.values)
    do = partial(order_actions.add_parcel, order.id, parcel)
    return _correct(member, order, form, NEW, errors, do, "added a parcel", "Parcel added.")


def correct_parcel(request: Request, member: StaffMember, order_id: str, parcel_id: str) -> Response:
    """Correct a parcel's carrier, tracking number and link."""
    order, form = get_order(order_id), read_form(request)
    parcel, errors = shipping.parse_parcel(form.values)
    do = partial(order_actions.correct_parcel, order.id, parcel_id, form.text("shown"), parcel)
    return _correct(member, order, form, parcel_id, errors, do, "corrected a parcel", "Parcel corrected.")


def remove_parcel(request: Request, member: StaffMember, order_id: str, parcel_id: str) -> Response:
    """Remove a parcel that was not sent."""
    order, form = get_order(order_id), read_form(request)
    do = partial(order_actions.remove_parcel, order.id, parcel_id, form.text("shown"))
    return _correct(member, order, form, "", {}, do, "removed a parcel", "Parcel removed.")


def correct_customer(request: Request, member: StaffMember, order_id: str) -> Response:
    """Correct the address and contact details. The country stays, and so does the territory for taxes."""
    order, form = get_order(order_id), read_form(request)
    country = order.customer["country"]
    customer, errors = validate_customer({**form.values, "country": country}, [country])
    if not errors and _moves_taxes(order, customer):
        errors = {"postal_code": OTHER_TERRITORY}
    errors = {field: REQUIRED_FOR_STAFF.get(message, message) for field, message in errors.items()}
    do = partial(order_actions.correct_customer, order.id, form.text("shown"), customer)
    what, notice = "corrected the delivery details", "Delivery details corrected."
    return _correct(member, order, form, ADDRESS, errors, do, what, notice)


def _moves_taxes(order: Order, after: Mapping[str, str]) -> bool:
    """Return whether other taxes may apply to a corrected address: the Canary Islands' and not Spain's, another ZIP code's."""
    before = order.customer
    if order.tax_assessment and order.tax_assessment["scheme"] == Scheme.US:
        return bool(before["postal_code"][:5] != after["postal_code"][:5])
    fields = ("country", "postal_code", "region")
    return find_territory(*(before.get(field) or "" for field in fields)) != find_territory(
        *(after[field] for field in fields)
    )


def _correct(
    member: StaffMember,
    order: Order,
    form: Form,
    opened: str,
    errors: Mapping[str, str],
    do: Callable[..., Order],
    what: str,
    notice: str,
) -> Response:
    """Let `do` correct the order, and redirect to it.

    If something is wrong, or another change was faster, the form is shown again (`opened`), as it was entered,
    on the order's current page. `what` is for the audit log.
    """
    if errors:
        return render_order(member, order, 400, form_data=form.values, errors=errors, opened=opened)
    mail = bool(form.text("mail"))
    try:
        changed = do(
            member.email,
            layout.read_form_token(form),
            mail=mail,
            write_audit=audit_log.writer_for(member, what),
        )
    except Conflict as refusal:
        now = Order.fetch(order.id)
        return render_order(
            member, now, refusal.status, form_data=form.values, problem=refusal.message, opened=opened
        )
    if not changed.has_processed_form(form.text("form")):
        notice = UNCHANGED
    elif mail:
        notice += " We’ve emailed the customer."
    return layout.redirect_with_notice(f"/staff/orders/{order.id}", notice)
