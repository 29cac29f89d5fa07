"""What staff do with an order: ship and correct it, cancel it, mail again, leave a note, look at what was raised.

Each is one transaction with its line in the audit trail. Each may be pressed twice.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from chalicelib.database.transactions import Transaction, Witness, unseen
from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.mail import outbox
from chalicelib.mail.render import KINDS
from chalicelib.orders import erasure, states
from chalicelib.orders.delivery.parcels import Parcel as Parcel  # the use cases take it
from chalicelib.orders.delivery.parcels import fingerprint, parcel_of
from chalicelib.orders.models import Order
from chalicelib.orders.repository import change

BY_STAFF = "by staff"
# DynamoDB takes rows of 400 kB: notes must never leave too little for what PayPal tells of the money.
ROOM_FOR_HISTORY = 150_000
FULL = "This order has so many notes that no more fit. Please keep this one elsewhere."
ERASED = "The customer was erased from this order, so it has no delivery details any more."
UNCORRECTABLE = "This order is not paid, so nothing is sent: the customer can order again with other details."
PARCEL_CHANGED = "Somebody else corrected this parcel in the meantime."
CUSTOMER_CHANGED = "Somebody else corrected these details in the meantime."
UNSHIPPABLE = {
    states.AWAITING: "This order is not paid yet.",
    states.CAPTURING: "PayPal is being asked for the payment of this order. Please look again in a moment.",
    states.PENDING: "PayPal is still holding the payment of this order. Please wait for it.",
    states.CANCELLED: "This order was cancelled.",
    states.EXPIRED: "This order ended unpaid.",
    states.PAID: "All of the payment went back to the customer, or is on its way back: there is nothing to ship.",
    states.SHIPPED: "This order is shipped already.",
}
UNCANCELLABLE = {
    states.CAPTURING: "PayPal is being asked for the payment at this moment. Please look again in a minute.",
    states.PENDING: "PayPal is holding a payment for this order, so it cannot be cancelled. Once it has arrived it can be refunded.",
    states.PAID: "This order is paid. Refund it instead.",
    states.SHIPPED: "This order is paid and shipped. Refund it instead.",
    states.EXPIRED: "This order has already expired.",
}


def ship(order_id: str, parcel: Parcel, by: str, witness: Witness = unseen) -> Order:
    """Mark a paid order as shipped, and write to the customer. Raises Conflict where it cannot be."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == states.SHIPPED and order.parcel and parcel_of(order.parcel) == parcel:
            return False
        if not order.is_to_be_shipped:
            raise Conflict(why_unshippable(order))
        words = order.words
        order.ship(asdict(parcel), by)
        order.refile(words, transaction)
        after = {"state": states.SHIPPED, "carrier": parcel.carrier}
        witness(transaction, subject_of(order), {"state": states.PAID}, after)
        return True

    return _announced(change(order_id, action))


def complete_shipping(order_id: str, by: str, witness: Witness = unseen) -> Order:
    """Mark a paid order as shipped whose parcels were all added before. Raises Conflict where it cannot be."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == states.SHIPPED:
            return False
        if not order.is_to_be_shipped:
            raise Conflict(why_unshippable(order))
        if not order.parcels:
            raise Conflict("This order has no parcel yet.")
        order.complete_shipping(by)
        witness(transaction, subject_of(order), {"state": states.PAID}, {"state": states.SHIPPED})
        return True

    return change(order_id, action)


def add_parcel(
    order_id: str, parcel: Parcel, by: str, form: str, *, mail: bool, witness: Witness = unseen
) -> Order:
    """Add a parcel to a paid order of which more is to come, or to a shipped one. Raises Conflict."""

    def add(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        if order.state != states.SHIPPED and not order.is_to_be_shipped:
            raise Conflict(why_unshippable(order))
        order.add_parcel(asdict(parcel), by, form, mail=mail)
        return {}, {"parcel": parcel.carrier}

    return _correct(order_id, form, add, witness)


def correct_parcel(
    order_id: str,
    parcel_id: str,
    shown: str,
    parcel: Parcel,
    by: str,
    form: str,
    *,
    mail: bool,
    witness: Witness = unseen,
) -> Order:
    """Correct carrier, number and link of a parcel, before and after shipping.

    `shown` is the fingerprint of what the form showed. Raises Conflict where somebody else was quicker.
    """

    def correct(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        known = _parcel_as_shown(order, parcel_id, shown)
        if known == parcel:
            return None
        order.correct_parcel(parcel_id, asdict(parcel), by, form, mail=mail)
        # Numbers and links lead to the customer's address, and the audit trail is never erased: it names the carrier.
        changed = {
            "tracking number": known.tracking != parcel.tracking,
            "link": known.link != parcel.link,
        }
        after = {name: "corrected" for name, is_changed in changed.items() if is_changed}
        return {"carrier": known.carrier}, {"carrier": parcel.carrier, **after}

    return _correct(order_id, form, correct, witness)


def remove_parcel(
    order_id: str, parcel_id: str, shown: str, by: str, form: str, *, mail: bool, witness: Witness = unseen
) -> Order:
    """Remove a parcel that was not sent; with the last one, a shipped order is to be shipped again. Raises Conflict."""

    def remove(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        known, state = _parcel_as_shown(order, parcel_id, shown), order.state
        order.remove_parcel(parcel_id, by, form, mail=mail)
        return {"parcel": known.carrier, "state": state}, {"state": order.state}

    return _correct(order_id, form, remove, witness)


def _parcel_as_shown(order: Order, parcel_id: str, shown: str) -> Parcel:
    known = parcel_of(order.get_parcel(parcel_id))
    if fingerprint(asdict(known)) != shown:
        raise Conflict(PARCEL_CHANGED)
    return known


def correct_customer(
    order_id: str,
    shown: str,
    customer: Mapping[str, str],
    by: str,
    form: str,
    *,
    mail: bool,
    witness: Witness = unseen,
) -> Order:
    """Correct name, address, e-mail and telephone, before and after shipping.

    `shown` is the fingerprint of what the form showed. Raises Conflict where somebody else was quicker.
    """

    def correct(order: Order) -> tuple[dict[str, str], dict[str, str]] | None:
        if order.state not in states.ORDERED:
            raise Conflict(UNCORRECTABLE)
        if fingerprint(order.customer) != shown:
            raise Conflict(CUSTOMER_CHANGED)
        if all((order.customer.get(name) or "") == value for name, value in customer.items()):
            return None
        changed = order.correct_customer(customer, by, form, mail=mail)
        return {}, dict.fromkeys(changed, "corrected")  # not the details: the audit trail is never erased

    return _correct(order_id, form, correct, witness)


def _correct(
    order_id: str,
    form: str,
    correct: Callable[[Order], tuple[dict[str, str], dict[str, str]] | None],
    witness: Witness,
) -> Order:
    """Let `correct` change an order once a form; it returns what the audit trail is told, before and after."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_heard(form):
            return False
        if order.erased_at:
            raise Conflict(ERASED)
        if len(json.dumps(order.history)) > ROOM_FOR_HISTORY:
            raise Conflict(FULL)
        words = order.words
        told = correct(order)
        if told is None:
            return False
        order.refile(words, transaction)
        witness(transaction, subject_of(order), *told)
        return True

    return _announced(change(order_id, action))


def why_unshippable(order: Order) -> str:
    """Say why an order that is not to be shipped is not; of one that is, nothing."""
    return "" if order.is_to_be_shipped else UNSHIPPABLE[order.state]


def cancel(order_id: str, by: str, witness: Witness = unseen) -> Order:
    """Cancel an order that nobody has paid, stock back. Raises Conflict where a payment may be under way.

    The reconciler looks at PayPal once more when nothing can be captured there any longer, as with all that ended.
    """

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == states.CANCELLED:
            return False
        if order.state != states.AWAITING:
            raise Conflict(UNCANCELLABLE[order.state])
        order.cancel(BY_STAFF, transaction, by=by)
        witness(transaction, subject_of(order), {"state": states.AWAITING}, {"state": states.CANCELLED})
        return True

    return change(order_id, action)


def send_again(order_id: str, entry: str, by: str, form: str, witness: Witness = unseen) -> Order:
    """Send a mail again that was sent before, if what it says is still true. Raises Conflict where it is not."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_heard(form) or entry in order.emails_due:
            return False
        if entry not in order.emails_sent:
            raise NotFound("No such mail was sent about this order.")
        if not can_be_sent(order, entry):
            raise Conflict("What this mail says is no longer true, so it cannot be sent again.")
        order.send_again(entry, by, form)
        witness(transaction, subject_of(order), {}, {"mail": entry.partition("#")[0]})
        return True

    return _announced(change(order_id, action))


def can_be_sent(order: Order, entry: str) -> bool:
    """Tell whether the words of a mail are true of an order as it is now, and there is somebody to read them."""
    name, _, movement = entry.partition("#")
    kind = KINDS.get(name)
    return kind is not None and kind.is_true(order, movement) and not order.erased_at


def add_note(order_id: str, text: str, by: str, form: str, witness: Witness = unseen) -> Order:
    """Leave a note with an order that only staff read."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.has_heard(form):
            return False
        if len(json.dumps(order.history)) > ROOM_FOR_HISTORY:
            raise Conflict(FULL)
        order.note("note", text, by=by, form=form)
        # Not the words: a note may name somebody, and the audit trail is never erased.
        witness(transaction, subject_of(order), {}, {"note": f"{len(text)} letters"})
        return True

    return change(order_id, action)


def look_at(order_id: str, number: int, words: str, by: str, witness: Witness = unseen) -> Order:
    """Note that what was raised about an order has been looked at; `number` counts its issues from 0."""

    def action(order: Order, transaction: Transaction) -> bool:
        if not 0 <= number < len(order.issues):
            raise BadInput("There is no such thing to look at.")
        issue = order.issues[number]
        if "done" in issue:
            return False
        order.close_issue(number, by, words)
        witness(transaction, subject_of(order), {"issue": issue["kind"]}, {"looked at": True})
        return True

    return change(order_id, action)


def erase(order_id: str, by: str, witness: Witness = unseen) -> bool:
    """Take the customer out of an order, if nothing keeps them; False where something does."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.erased_at or erasure.why_kept(order):
            return False
        erasure.erase(order, by, transaction)
        witness(transaction, subject_of(order), {"customer": "known"}, {"customer": "erased"})
        return True

    return bool(change(order_id, action).erased_at)


def subject_of(order: Order) -> str:
    """Name an order in the audit trail."""
    return f"order {order.number}"


def _announced(order: Order) -> Order:
    outbox.announce(order)
    return order
