"""One order's page: what was bought, by whom, what money moved, what happened; and what staff can do with it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib import money, postal
from chalicelib.checkout.customer_form import LONGEST
from chalicelib.cleaning import find_control_character
from chalicelib.errors import BadInput, Conflict
from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED, SALE
from chalicelib.orders import states
from chalicelib.orders.delivery.delivery_fields import clean_delivery, mark_of_doubts
from chalicelib.orders.delivery.parcels import fingerprint
from chalicelib.orders.email_kinds import mail_name
from chalicelib.orders.models import Order
from chalicelib.orders.repository import find_order
from chalicelib.orders.views import staff_view
from chalicelib.orders.views.customer_view import order_view
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import Member
from chalicelib.staff.orders import order_actions, refund_view, shipping
from chalicelib.staff.orders.order_list import marks_of
from chalicelib.web.forms import read_form

LONGEST_NOTE = 1000
KINDS = {SALE: "Payment", REFUND: "Refund", REVERSAL: "Taken back", REVERSAL_CANCELLED: "Came back"}


def show(request: Request, member: Member, order_id: str) -> Response:
    """Show an order."""
    return page_of(member, find_order(order_id))


# -- what staff do ----------------------------------------------------------------------------------------


def ship(request: Request, member: Member, order_id: str) -> Response:
    """Mark an order as shipped."""
    order = find_order(order_id)
    posted = read_form(request).values
    parcel, errors = shipping.read_parcel(posted)
    if errors:
        return page_of(member, order, 400, typed=posted, errors=errors)
    witness = audit_log.witness(member, "marked as shipped")
    notice = "Marked as shipped. The customer gets an e-mail."
    return _done(
        member, order, lambda: order_actions.ship(order.id, parcel, member.email, witness), notice, posted
    )


def complete_shipping(request: Request, member: Member, order_id: str) -> Response:
    """Mark an order as shipped whose parcels were all added before."""
    order, witness = find_order(order_id), audit_log.witness(member, "marked as shipped")
    notice = "Marked as shipped."
    return _done(
        member, order, lambda: order_actions.complete_shipping(order.id, member.email, witness), notice
    )


def cancel(request: Request, member: Member, order_id: str) -> Response:
    """Cancel an order that is not paid."""
    order, witness = find_order(order_id), audit_log.witness(member, "cancelled")
    notice = "Cancelled. Its items are available again."
    return _done(member, order, lambda: order_actions.cancel(order.id, member.email, witness), notice)


def send_again(request: Request, member: Member, order_id: str) -> Response:
    """Send a mail once more."""
    order, form = find_order(order_id), read_form(request)
    witness = audit_log.witness(member, "sent a mail again")
    entry, form_id = form.text("entry"), layout.read_form_id(form)
    notice = "The mail is being sent again."
    return _done(
        member,
        order,
        lambda: order_actions.send_again(order.id, entry, member.email, form_id, witness),
        notice,
    )


def add_note(request: Request, member: Member, order_id: str) -> Response:
    """Leave a note that only staff read."""
    order, form = find_order(order_id), read_form(request)
    text = form.lines("note")
    wrong = _what_is_wrong_with_note(text)
    if wrong:
        return page_of(member, order, 400, typed=form.values, errors={"note": wrong})
    form_id, witness = layout.read_form_id(form), audit_log.witness(member, "left a note")
    return _done(
        member,
        order,
        lambda: order_actions.add_note(order.id, text, member.email, form_id, witness),
        "The note is saved.",
        form.values,
    )


def look_at(request: Request, member: Member, order_id: str, number: str) -> Response:
    """Note that what was raised has been looked at; leads back to where the button was."""
    order, form = find_order(order_id), read_form(request)
    words = form.text("words")
    if not re.fullmatch(r"[0-9]{1,4}", number, re.ASCII):
        raise BadInput("There is no such thing to look at.")
    if len(words) > LONGEST_NOTE or find_control_character(words):
        raise BadInput(f"Please say it in at most {LONGEST_NOTE} letters, without line breaks.")
    order_actions.look_at(
        order.id, int(number), words, member.email, audit_log.witness(member, "looked at an issue")
    )
    back = "/staff/attention" if form.text("back") == "attention" else _path(order)
    return layout.go(back, f"Looked at: order {order.number}.")


def _done(
    member: Member,
    order: Order,
    do: Callable[[], object],
    notice: str,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Do it and go back to the order; where its page was stale, show how it stands now, with what was typed."""
    try:
        do()
    except Conflict as refusal:
        now = Order.fetch(order.id)
        return page_of(member, now, refusal.status, typed=typed, problem=refusal.message)
    return layout.go(_path(order), notice)


def _what_is_wrong_with_note(text: str) -> str | None:
    if not text:
        return "Please write something."
    if len(text) > LONGEST_NOTE:
        return f"Please shorten this to {LONGEST_NOTE} letters."
    if (control := find_control_character(text)) is not None:
        return f"Please remove the control character {control}."
    return None


def _path(order: Order) -> str:
    return f"/staff/orders/{order.id}"


# -- the page ---------------------------------------------------------------------------------------------


def page_of(
    member: Member,
    order: Order,
    status: int = 200,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    refund: Mapping[str, Any] | None = None,
    opened: str = "",
) -> Response:
    """Make an order's page; `typed` and `errors` by field where a form comes back, `problem` where nothing was done.

    `opened` is which of the forms that correct the delivery comes back: a parcel's id, "new" or "address".
    """
    words, tone = staff_view.STATES[order.listed_as]
    may = member.role == accounts.MERCHANT
    country = order.customer["country"]
    return layout.show(
        member,
        "staff/orders/detail.html",
        status,
        order=_order_view(order),
        state=words,
        tone=tone,
        marks=marks_of(order),
        issues=staff_view.issues_of(order),
        movements=[_movement_view(row) for row in order.movements or []],
        sums=_sums(order),
        history=staff_view.history_of(order),
        notes=staff_view.notes_of(order),
        mails=_mails(order),
        may=may,
        can_ship=may and order.is_to_be_shipped,
        can_cancel=may and order.state == states.AWAITING,
        can_correct=may and not order.erased_at and order.state in states.ORDERED,
        can_add_parcel=may and not order.erased_at and order.state == states.SHIPPED,
        carriers=shipping.carrier_names(),
        longest={**LONGEST, **shipping.LONGEST, "note": LONGEST_NOTE},
        opened=opened,
        rules=postal.country_of(country),
        confirmed=mark_of_doubts(clean_delivery({**typed, "country": country}))
        if typed and opened == "address"
        else "",
        shown=fingerprint(order.customer),
        typed=typed or {},
        errors=errors or {},
        problem=problem,
        form=layout.form_id(),
        new_form=layout.form_id,
        refund=refund or refund_view.view(order, member),
    )


def _order_view(order: Order) -> dict[str, Any]:
    return {
        **order_view(order),
        "erased_at": order.erased_at,
        "gone_back": order.gone_back,
        "reserved": order.reserved,
        "booked": bool(order.booked),
        "paypal_order": order.paid_by or order.paypal_id,
    }


def _movement_view(row: Mapping[str, Any]) -> dict[str, Any]:
    fee = row["fee"]
    return {**row, "words": KINDS[row["kind"]], "net": None if fee is None else row["amount"] - fee}


def _sums(order: Order) -> list[tuple[str, str]]:
    """Add up what is kept, by currency: of a payment in another one nothing is left but what the ledger says."""
    sums: dict[str, int] = {}
    for row in order.movements or []:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["amount"]
    return [(currency, money.spoken(amount, currency)) for currency, amount in sums.items()]


def _mails(order: Order) -> list[dict[str, Any]]:
    problems = staff_view.problems_of_mails(order)
    entries = [*order.emails_sent, *(entry for entry in order.emails_due if entry not in order.emails_sent)]
    return [
        {
            "entry": entry,
            "name": mail_name(entry),
            "problem": problems.get(entry),
            "sent_at": order.emails_sent.get(entry),
            "due": entry in order.emails_due,
            "late": entry in order.emails_due and order.mail_is_late,
            "can": entry not in order.emails_due and order_actions.can_be_sent(order, entry),
        }
        for entry in entries
    ]
