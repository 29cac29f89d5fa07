"""What staff do with an order: ship and correct it, cancel it, resend emails, add notes, resolve issues.

Each is one transaction with its audit entry. Each may be submitted twice.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from chalicelib.database.transactions import AuditWriter, Transaction, no_audit
from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.mail import outbox
from chalicelib.mail.render import EMAIL_KINDS
from chalicelib.orders import states
from chalicelib.orders.delivery.parcels import Parcel as Parcel  # the use cases take it
from chalicelib.orders.delivery.parcels import fingerprint, parcel_of
from chalicelib.orders.enums import CloseReason, HistoryEvent
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.states import OrderState

# DynamoDB takes rows of 400 kB: notes must always leave enough for what PayPal reports about the money.
ROOM_FOR_HISTORY = 150_000
FULL = "This order has reached its maximum number of notes. Please keep this one elsewhere."
ERASED = "Customer data has been erased from this order, so it no longer has delivery details."
UNCORRECTABLE = (
    "This order isn’t paid, so nothing will be shipped. The customer can order again with other details."
)
PARCEL_CHANGED = "Someone else has corrected this parcel."
CUSTOMER_CHANGED = "Someone else has corrected these details."
UNSHIPPABLE: Mapping[str, str] = {
    OrderState.AWAITING: "This order isn’t paid yet.",
    OrderState.CAPTURING: "The payment for this order is being processed: PayPal hasn’t confirmed it yet. Please check again later.",
    OrderState.PENDING: "PayPal is still holding the payment for this order. Please wait until it’s complete.",
    OrderState.CANCELLED: "This order was cancelled.",
    OrderState.EXPIRED: "This order expired unpaid.",
    OrderState.PAID: "The whole payment has been or is being returned to the customer: there’s nothing to ship.",
    OrderState.SHIPPED: "This order has already been shipped.",
}
UNCANCELLABLE: Mapping[str, str] = {
    OrderState.CAPTURING: "The payment is being processed: PayPal hasn’t confirmed it yet. Please check again later.",
    OrderState.PENDING: "PayPal is holding a payment for this order, so you can’t cancel it. You can refund the payment once it’s complete.",
    OrderState.PAID: "This order is paid. Refund it instead.",
    OrderState.SHIPPED: "This order is paid and shipped. Refund it instead.",
    OrderState.EXPIRED: "This order has already expired.",
}


def ship(order_id: str, parcel: Parcel, actor: str, write_audit: AuditWriter = no_audit) -> Order:
    """Mark a paid order as shipped, and email the customer.

    Raises Conflict if the order's state does not allow it.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == OrderState.SHIPPED and order.parcel and parcel_of(order.parcel) == parcel:
            return False
        if not order.awaits_shipping:
            raise Conflict(why_unshippable(order))
        words = order.search_terms
        order.ship(asdict(parcel), actor)
        order.update_search_terms(words, transaction)
        after = {"state": OrderState.SHIPPED, "carrier": parcel.carrier}
        write_audit(transaction, order.audit_subject, {"state": OrderState.PAID}, after)
        return True

    return _announced(update_order(order_id, action))


def complete_shipping(order_id: str, actor: str, write_audit: AuditWriter = no_audit) -> Order:
    """Mark a paid order as shipped whose parcels were all added before.

    Raises Conflict if the order's state does not allow it.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == OrderState.SHIPPED:
            return False
        if not order.awaits_shipping:
            raise Conflict(why_unshippable(order))
        if not order.parcels:
            raise Conflict("This order has no parcels yet.")
        order.complete_shipping(actor)
        write_audit(
            transaction, order.audit_subject, {"state": OrderState.PAID}, {"state": OrderState.SHIPPED}
        )
        return True

    return update_order(order_id, action)


def add_parcel(
    order_id: str,
    parcel: Parcel,
    actor: str,
    form_token: str,
    *,
    mail: bool,
    write_audit: AuditWriter = no_audit,
) -> Order:
    """Add a parcel to a paid order that is not complete yet, or to a shipped one. Raises Conflict."""

    def add(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        if order.state != OrderState.SHIPPED and not order.awaits_shipping:
            raise Conflict(why_unshippable(order))
        order.add_parcel(asdict(parcel), actor, form_token, mail=mail)
        return {}, {"parcel": parcel.carrier}

    return _correct(order_id, form_token, add, write_audit)


def correct_parcel(
    order_id: str,
    parcel_id: str,
    shown: str,
    parcel: Parcel,
    actor: str,
    form_token: str,
    *,
    mail: bool,
    write_audit: AuditWriter = no_audit,
) -> Order:
    """Correct carrier, number and link of a parcel, before and after shipping.

    `shown` is the fingerprint of what the form showed. Raises Conflict if another change was faster.
    """

    def correct(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        known = _parcel_as_shown(order, parcel_id, shown)
        if known == parcel:
            return None
        order.correct_parcel(parcel_id, asdict(parcel), actor, form_token, mail=mail)
        # Numbers and links lead to the customer's address, and the audit log is never erased: it only gets the
        # carrier.
        changed = {
            "tracking number": known.tracking != parcel.tracking,
            "link": known.link != parcel.link,
        }
        after = {name: "corrected" for name, is_changed in changed.items() if is_changed}
        return {"carrier": known.carrier}, {"carrier": parcel.carrier, **after}

    return _correct(order_id, form_token, correct, write_audit)


def remove_parcel(
    order_id: str,
    parcel_id: str,
    shown: str,
    actor: str,
    form_token: str,
    *,
    mail: bool,
    write_audit: AuditWriter = no_audit,
) -> Order:
    """Remove a parcel that was not sent; without any, a shipped order must be shipped again. Raises Conflict."""

    def remove(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        known, state = _parcel_as_shown(order, parcel_id, shown), order.state
        order.remove_parcel(parcel_id, actor, form_token, mail=mail)
        return {"parcel": known.carrier, "state": state}, {"state": order.state}

    return _correct(order_id, form_token, remove, write_audit)


def _parcel_as_shown(order: Order, parcel_id: str, shown: str) -> Parcel:
    known = parcel_of(order.get_parcel(parcel_id))
    if fingerprint(asdict(known)) != shown:
        raise Conflict(PARCEL_CHANGED)
    return known


def correct_customer(
    order_id: str,
    shown: str,
    customer: Mapping[str, str],
    actor: str,
    form_token: str,
    *,
    mail: bool,
    write_audit: AuditWriter = no_audit,
) -> Order:
    """Correct name, address, email and telephone, before and after shipping.

    `shown` is the fingerprint of what the form showed. Raises Conflict if another change was faster.
    """

    def correct(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        if order.state not in states.PURCHASED:
            raise Conflict(UNCORRECTABLE)
        if fingerprint(order.customer) != shown:
            raise Conflict(CUSTOMER_CHANGED)
        if all((order.customer.get(name) or "") == value for name, value in customer.items()):
            return None
        changed = order.correct_customer(customer, actor, form_token, mail=mail)
        return {}, dict.fromkeys(changed, "corrected")  # not the details: the audit log is never erased

    return _correct(order_id, form_token, correct, write_audit)


def _correct(
    order_id: str,
    form_token: str,
    correct: Callable[[Order], tuple[dict[str, str], dict[str, str]] | None],
    write_audit: AuditWriter,
) -> Order:
    """Let `correct` change an order once per form; it returns the audit entry's values, before and after."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_processed_form(form_token):
            return False
        if order.erased_at:
            raise Conflict(ERASED)
        if len(json.dumps(order.history)) > ROOM_FOR_HISTORY:
            raise Conflict(FULL)
        words = order.search_terms
        audited = correct(order)
        if audited is None:
            return False
        order.update_search_terms(words, transaction)
        write_audit(transaction, order.audit_subject, *audited)
        return True

    return _announced(update_order(order_id, action))


def why_unshippable(order: Order) -> str:
    """Return why an order cannot be shipped; "" if it can."""
    return "" if order.awaits_shipping else UNSHIPPABLE[order.state]


def cancel(order_id: str, actor: str, write_audit: AuditWriter = no_audit) -> Order:
    """Cancel an unpaid order and release its units. Raises Conflict if a payment may be in progress.

    The reconciler checks PayPal once more when nothing can be captured there any longer, as for all closed
    orders.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == OrderState.CANCELLED:
            return False
        if order.state != OrderState.AWAITING:
            raise Conflict(UNCANCELLABLE[order.state])
        order.cancel(CloseReason.CANCELLED_BY_STAFF, transaction, actor=actor)
        write_audit(
            transaction, order.audit_subject, {"state": OrderState.AWAITING}, {"state": OrderState.CANCELLED}
        )
        return True

    return update_order(order_id, action)


def resend_email(
    order_id: str, entry: str, actor: str, form_token: str, write_audit: AuditWriter = no_audit
) -> Order:
    """Send an email again, if what it says is still true. Raises Conflict if it is not."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_processed_form(form_token) or entry in order.emails_due:
            return False
        if entry not in order.emails_sent:
            raise NotFound("This email wasn’t sent for this order.")
        if not can_be_sent(order, entry):
            raise Conflict("This email is out of date, so it can’t be sent again.")
        order.requeue_email(entry, actor, form_token)
        write_audit(transaction, order.audit_subject, {}, {"mail": entry.partition("#")[0]})
        return True

    return _announced(update_order(order_id, action))


def can_be_sent(order: Order, entry: str) -> bool:
    """Return whether an email is true of the order as it is now, and has a recipient."""
    name, _, movement = entry.partition("#")
    kind = EMAIL_KINDS.get(name)
    return kind is not None and kind.is_true(order, movement) and not order.erased_at


def add_note(
    order_id: str, text: str, actor: str, form_token: str, write_audit: AuditWriter = no_audit
) -> Order:
    """Add a note to an order that only staff read."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_processed_form(form_token):
            return False
        if len(json.dumps(order.history)) > ROOM_FOR_HISTORY:
            raise Conflict(FULL)
        order.add_event(HistoryEvent.NOTE_ADDED, text, actor=actor, form_token=form_token)
        # Not the text: a note may contain a name, and the audit log is never erased.
        write_audit(transaction, order.audit_subject, {}, {"note": f"{len(text)} characters"})
        return True

    return update_order(order_id, action)


def resolve_issue(
    order_id: str, number: int, message: str, actor: str, write_audit: AuditWriter = no_audit
) -> Order:
    """Resolve an issue of an order; `number` counts its issues from 0."""

    def action(order: Order, transaction: Transaction) -> bool:
        if not 0 <= number < len(order.issues):
            raise BadInput("We couldn’t find this issue.")
        issue = order.issues[number]
        if "resolution" in issue:
            return False
        order.resolve_issue(number, actor, message)
        write_audit(transaction, order.audit_subject, {"issue": issue["kind"]}, {"resolved": True})
        return True

    return update_order(order_id, action)


def visitor_of(order: Order) -> str:
    """Return a pseudonym of the visitor who placed an order: a hash of the IP address, or of the session if it is unknown."""
    return str(order.holder or order.cart or order.id)


def release_hold(order_id: str, visitor: str, actor: str, write_audit: AuditWriter = no_audit) -> bool:
    """Release the units that a visitor's unpaid order holds; False if it holds none, or is another visitor's."""
    released = False

    def action(order: Order, transaction: Transaction) -> bool:
        nonlocal released
        released = order.state == OrderState.AWAITING and bool(order.held) and visitor_of(order) == visitor
        if released:
            order.release_hold(transaction, actor)
            held = {line.sku: line.quantity for line in order.lines}
            write_audit(transaction, order.audit_subject, {"held": held}, {"held": {}})
        return released

    update_order(order_id, action)
    return released


def _announced(order: Order) -> Order:
    outbox.enqueue(order)
    return order
