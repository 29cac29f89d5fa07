"""An order's page: what was bought, by whom, its money and its history; and what staff can do with it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib import money, postal
from chalicelib.checkout.customer_form import MAX_LENGTHS, mark_of_asked
from chalicelib.cleaning import find_control_character
from chalicelib.errors import BadInput, Conflict
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED, SALE
from chalicelib.orders import states
from chalicelib.orders.delivery.delivery_fields import clean_delivery
from chalicelib.orders.delivery.parcels import fingerprint
from chalicelib.orders.enums import email_label
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.orders.states import OrderState
from chalicelib.orders.views import staff_view
from chalicelib.orders.views.customer_view import order_view
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders import order_actions, refund_view, shipping
from chalicelib.staff.orders.order_list import badges
from chalicelib.web.forms import read_form

MAX_NOTE_LENGTH = 1000
MOVEMENT_LABELS = {
    SALE: "Payment",
    REFUND: "Refund",
    REVERSAL: "Chargeback",
    REVERSAL_CANCELLED: "Chargeback reversed",
}


def show(request: Request, member: StaffMember, order_id: str) -> Response:
    """Show an order."""
    return render_order(member, get_order(order_id))


# -- what staff do ----------------------------------------------------------------------------------------


def ship(request: Request, member: StaffMember, order_id: str) -> Response:
    """Mark an order as shipped."""
    order = get_order(order_id)
    posted = read_form(request).values
    parcel, errors = shipping.parse_parcel(posted)
    if errors:
        return render_order(member, order, 400, form_data=posted, errors=errors)
    write_audit = audit_log.writer_for(member, "marked as shipped")
    notice = "Marked as shipped. We’ve emailed the customer."
    return _apply_and_redirect(
        member, order, lambda: order_actions.ship(order.id, parcel, member.email, write_audit), notice, posted
    )


def complete_shipping(request: Request, member: StaffMember, order_id: str) -> Response:
    """Mark an order as shipped whose parcels were all added before."""
    order, write_audit = get_order(order_id), audit_log.writer_for(member, "marked as shipped")
    notice = "Marked as shipped."
    return _apply_and_redirect(
        member, order, lambda: order_actions.complete_shipping(order.id, member.email, write_audit), notice
    )


def cancel(request: Request, member: StaffMember, order_id: str) -> Response:
    """Cancel an order that is not paid."""
    order, write_audit = get_order(order_id), audit_log.writer_for(member, "cancelled")
    notice = "Order cancelled. Its items are available again."
    return _apply_and_redirect(
        member, order, lambda: order_actions.cancel(order.id, member.email, write_audit), notice
    )


def resend_email(request: Request, member: StaffMember, order_id: str) -> Response:
    """Send an email again."""
    order, form = get_order(order_id), read_form(request)
    write_audit = audit_log.writer_for(member, "resent an email")
    entry, form_token = form.text("entry"), layout.read_form_token(form)
    notice = "The email will be sent again."
    return _apply_and_redirect(
        member,
        order,
        lambda: order_actions.resend_email(order.id, entry, member.email, form_token, write_audit),
        notice,
    )


def add_note(request: Request, member: StaffMember, order_id: str) -> Response:
    """Add a note that only staff read."""
    order, form = get_order(order_id), read_form(request)
    text = form.lines("note")
    wrong = _validate_note(text)
    if wrong:
        return render_order(member, order, 400, form_data=form.values, errors={"note": wrong})
    form_token, write_audit = layout.read_form_token(form), audit_log.writer_for(member, "added a note")
    return _apply_and_redirect(
        member,
        order,
        lambda: order_actions.add_note(order.id, text, member.email, form_token, write_audit),
        "Note saved.",
        form.values,
    )


def resolve_issue(request: Request, member: StaffMember, order_id: str, number: str) -> Response:
    """Resolve an issue; redirects to the page with the button."""
    order, form = get_order(order_id), read_form(request)
    message = form.text("words")
    if not re.fullmatch(r"[0-9]{1,4}", number, re.ASCII):
        raise BadInput("We couldn’t find this issue.")
    if len(message) > MAX_NOTE_LENGTH or find_control_character(message):
        raise BadInput(f"Please use at most {MAX_NOTE_LENGTH} characters, without line breaks.")
    order_actions.resolve_issue(
        order.id, int(number), message, member.email, audit_log.writer_for(member, "resolved an issue")
    )
    back = "/staff/attention" if form.text("back") == "attention" else _path(order)
    return layout.redirect_with_notice(back, f"Issue with order {order.number} marked as resolved.")


def _apply_and_redirect(
    member: StaffMember,
    order: Order,
    do: Callable[[], object],
    notice: str,
    form_data: Mapping[str, str] | None = None,
) -> Response:
    """Do it and redirect to the order; if the page was outdated, show the current order, with what was entered."""
    try:
        do()
    except Conflict as refusal:
        now = Order.fetch(order.id)
        return render_order(member, now, refusal.status, form_data=form_data, problem=refusal.message)
    return layout.redirect_with_notice(_path(order), notice)


def _validate_note(text: str) -> str | None:
    if not text:
        return "Please enter a note."
    if len(text) > MAX_NOTE_LENGTH:
        return f"Please shorten this to {MAX_NOTE_LENGTH} characters."
    if (control := find_control_character(text)) is not None:
        return f"Please remove the control character {control}."
    return None


def _path(order: Order) -> str:
    return f"/staff/orders/{order.id}"


# -- the page ---------------------------------------------------------------------------------------------


def render_order(
    member: StaffMember,
    order: Order,
    status: int = 200,
    *,
    form_data: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    refund: Mapping[str, Any] | None = None,
    opened: str = "",
) -> Response:
    """Render an order's page; `form_data` and `errors` by field if a form is shown again, `problem` if nothing was done.

    `opened` is which of the forms that correct the delivery is shown again: a parcel's ID, "new" or "address".
    """
    message, tone = staff_view.STATE_LABELS[order.list_status]
    may = member.role == accounts.MERCHANT
    country = order.customer["country"]
    return layout.render_page(
        member,
        "staff/orders/detail.html",
        status,
        order=_order_view(order),
        state=message,
        tone=tone,
        marks=badges(order),
        issues=staff_view.issues_of(order),
        movements=[_movement_view(row) for row in order.ledger_entries or []],
        sums=_sums(order),
        history=staff_view.history_of(order),
        notes=staff_view.notes_of(order),
        mails=_mails(order),
        may=may,
        can_ship=may and order.awaits_shipping,
        can_cancel=may and order.state == OrderState.AWAITING,
        can_correct=may and not order.erased_at and order.state in states.PURCHASED,
        can_add_parcel=may and not order.erased_at and order.state == OrderState.SHIPPED,
        carriers=shipping.carrier_names(),
        longest={**MAX_LENGTHS, **shipping.MAX_LENGTHS, "note": MAX_NOTE_LENGTH},
        opened=opened,
        rules=postal.country_of(country),
        confirmed=mark_of_asked(clean_delivery({**form_data, "country": country}), errors or {}, form_data)
        if form_data and opened == "address"
        else "",
        shown=fingerprint(order.customer),
        typed=form_data or {},
        errors=errors or {},
        problem=problem,
        form=layout.new_form_token(),
        new_form=layout.new_form_token,
        refund=refund or refund_view.view(order, member),
    )


def _order_view(order: Order) -> dict[str, Any]:
    return {
        **order_view(order),
        "erased_at": order.erased_at,
        "refunded_or_reversed": order.refunded_or_reversed,
        "reserved": order.reserved,
        "has_ledger_entries": bool(order.recorded_transactions),
        "paypal_order": order.paid_paypal_order_id or order.paypal_order_id,
    }


def _movement_view(row: Mapping[str, Any]) -> dict[str, Any]:
    fee = row["fee"]
    return {**row, "words": MOVEMENT_LABELS[row["kind"]], "net": None if fee is None else row["amount"] - fee}


def _sums(order: Order) -> list[tuple[str, str]]:
    """Return the sums of the order's ledger entries, by currency."""
    sums: dict[str, int] = {}
    for row in order.ledger_entries or []:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["amount"]
    return [(currency, money.format_money(amount, currency)) for currency, amount in sums.items()]


def _mails(order: Order) -> list[dict[str, Any]]:
    problems = staff_view.email_problems(order)
    entries = [*order.emails_sent, *(entry for entry in order.emails_due if entry not in order.emails_sent)]
    return [
        {
            "entry": entry,
            "name": email_label(entry),
            "problem": problems.get(entry),
            "sent_at": order.emails_sent.get(entry),
            "due": entry in order.emails_due,
            "late": entry in order.emails_due and order.has_late_email,
            "can": entry not in order.emails_due and order_actions.can_be_sent(order, entry),
        }
        for entry in entries
    ]
