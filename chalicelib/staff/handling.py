"""What staff do with an order: ship it, cancel it, write a mail again, leave a note, look at what was raised.

Each is one transaction with its line in the audit trail. Each may be pressed twice.
"""

import json
from dataclasses import asdict, dataclass

from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.mail import outbox
from chalicelib.mail.render import KINDS
from chalicelib.orders import erasing, states
from chalicelib.orders.changing import change
from chalicelib.orders.models import Order
from chalicelib.storage import Transaction, Witness, unseen

BY_STAFF = "by staff"
# DynamoDB takes rows of 400 kB: notes must never leave too little for what PayPal tells of the money.
ROOM_FOR_HISTORY = 150_000
FULL = "This order has so many notes that no more fit. Please keep this one elsewhere."
UNSHIPPABLE = {
    states.AWAITING: "This order is not paid yet.",
    states.CAPTURING: "PayPal is being asked for the payment of this order. Please look again in a moment.",
    states.PENDING: "PayPal is still holding the payment of this order. Please wait for it.",
    states.CANCELLED: "This order was cancelled.",
    states.EXPIRED: "This order ended unpaid.",
    states.PAID: "The customer got all of its money back, or it is on its way: there is nothing to ship.",
    states.SHIPPED: "This order is shipped already.",
}
UNCANCELLABLE = {
    states.CAPTURING: "PayPal is being asked for the payment at this moment. Please look again in a minute.",
    states.PENDING: "PayPal is holding a payment for this order, so it cannot be cancelled. Once it has arrived it can be refunded.",
    states.PAID: "This order is paid. Refund it instead.",
    states.SHIPPED: "This order is paid and shipped. Refund it instead.",
    states.EXPIRED: "This order has ended by itself already.",
}


@dataclass(frozen=True)
class Parcel:
    """How an order was sent. Tracking number and link may be empty."""

    carrier: str
    tracking: str = ""
    link: str = ""


def ship(order_id: str, parcel: Parcel, by: str, witness: Witness = unseen) -> Order:
    """Mark a paid order as shipped, and write to the customer. Raises Conflict where it cannot be."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.state == states.SHIPPED and _is_the_same(order, parcel):
            return False
        if not order.is_to_be_shipped:
            raise Conflict(why_unshippable(order))
        order.ship(asdict(parcel), by)
        after = {"state": states.SHIPPED, "carrier": parcel.carrier}
        witness(transaction, subject_of(order), {"state": states.PAID}, after)
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
        if order.erased_at or erasing.why_kept(order):
            return False
        erasing.erase(order, by, transaction)
        witness(transaction, subject_of(order), {"customer": "known"}, {"customer": "erased"})
        return True

    return bool(change(order_id, action).erased_at)


def subject_of(order: Order) -> str:
    """Name an order in the audit trail."""
    return f"order {order.number}"


def _announced(order: Order) -> Order:
    outbox.announce(order)
    return order


def _is_the_same(order: Order, parcel: Parcel) -> bool:
    known = order.parcel or {}
    return all(known.get(name) == value for name, value in asdict(parcel).items())
