"""What is kept of an order: its fields, what they say at once, and what may be added to them in any state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from chalicelib import clock
from chalicelib.database.connection import Table
from chalicelib.orders import states
from chalicelib.orders.email_kinds import TO_MERCHANT
from chalicelib.orders.timeouts import MAIL_GRACE

# What staff wrote, and tracking numbers.
ERASED_EVENTS = {"note", "parcel added", "parcel corrected", "parcel removed"}


@dataclass(frozen=True)
class Line:
    """What was bought: pieces of one SKU at the price of the day, in minor units."""

    sku: str
    slug: str
    name: str
    options: Mapping[str, str]
    quantity: int
    price: int
    tax_rate: str

    @property
    def total(self) -> int:
        """What all pieces of the line cost."""
        return self.price * self.quantity


class OrderRow(Table):
    """The row of an order; `models.Order` is the table.

    Amounts in minor units of `currency`, moments as ISO 8601 in UTC, dues in seconds since 1970.
    """

    id = UnicodeAttribute(hash_key=True)
    number = UnicodeAttribute()
    placed_at = UnicodeAttribute()
    currency = UnicodeAttribute()
    customer: JSONAttribute = (
        JSONAttribute()
    )  # name, email, address, address2, postal_code, city, region, country, phone
    frozen_lines: JSONAttribute = JSONAttribute(attr_name="lines")
    items = NumberAttribute()
    shipping = NumberAttribute()
    taxes: JSONAttribute = JSONAttribute()  # {"19": 304}: the tax included, by rate in percent
    total = NumberAttribute()

    state = UnicodeAttribute(default=states.AWAITING)
    closed_because = UnicodeAttribute(null=True)  # dead, sold out, superseded
    version = NumberAttribute(default=0)
    cart = UnicodeAttribute(null=True)  # the session row it was placed from, and that row's version then
    cart_version = NumberAttribute(null=True)

    reserved = BooleanAttribute(default=True)  # its pieces are not available to others
    reserved_until = NumberAttribute()
    held = BooleanAttribute(default=False)  # they count as held by an unpaid order: orders/holds.py
    holder = UnicodeAttribute(null=True)  # by which address; None where no address is known

    # [{"id": PayPal's order, "payee", "payee_email", "link", "pay_with", "at", "ended"}], with "declined" if it was,
    # "address refused" if PayPal did not take the delivery address; the last one counts
    attempts: JSONAttribute = JSONAttribute()
    capture_number = NumberAttribute(default=1)  # of the request id; raised only after a definite no
    claim = UnicodeAttribute(null=True)  # who is capturing
    creates_refused = NumberAttribute(default=0)  # PayPal repeats a refusal under the same request id, too
    payment_refused = UnicodeAttribute(null=True)  # PayPal's name for why it took no payment for this shop
    approved = BooleanAttribute(default=False)  # the shopper said yes at PayPal
    declined_at = UnicodeAttribute(null=True)  # when PayPal said no to the last way of paying
    capture = UnicodeAttribute(null=True)  # the capture that paid, or is pending
    paid_at = UnicodeAttribute(null=True)
    paid_by = UnicodeAttribute(null=True)  # PayPal's order that paid

    # [{"id", "carrier", "tracking", "link", "at"}]; read through `parcels`
    stored_parcels: JSONAttribute = JSONAttribute(attr_name="parcel", null=True)

    booked: UnicodeSetAttribute = UnicodeSetAttribute(
        null=True
    )  # PayPal's id of every movement in the ledger
    # [{"at", "kind", "amount", "fee", "currency", "paypal_id"}]: those movements, as the ledger has them
    movements: JSONAttribute = JSONAttribute(null=True)
    refunded = NumberAttribute(default=0)  # of the capture that paid
    reversed = NumberAttribute(default=0)
    # {id: {"capture", "amount", "currency", "at", "back"}}: what banks or PayPal took, and how much of it came back
    reversals: JSONAttribute = JSONAttribute(null=True)
    # {id: {"capture", "amount" or none, "currency", "at"}}: disputes that were won, whose reversal may be told later
    won: JSONAttribute = JSONAttribute(null=True)
    # {our id: {"capture", "amount", "currency", "at", "status", "paypal_id", "reason"}}; with "by", "note" to the
    # customer and "pieces" put back where staff decided it, "refused" where PayPal said no
    refunds: JSONAttribute = JSONAttribute()
    # [{"at", "kind", "detail"}]: what staff must look at; with "done" {"at", "by", "words"} once they did
    issues: JSONAttribute = JSONAttribute()

    emails_due: JSONAttribute = JSONAttribute()  # {kind#movement: lease in seconds since 1970}; the outbox
    emails_sent: JSONAttribute = JSONAttribute()  # {kind#movement: moment}
    mail_tries = NumberAttribute(default=0)
    # [{"at", "event", "detail"}]; with "by" where staff did it, "form" where its form could be sent twice
    history: JSONAttribute = JSONAttribute()
    erased_at = UnicodeAttribute(null=True)  # since then nobody knows whose it was

    # How often the reconciler looked since it awaits; once closed, how often PayPal knew an attempt no more.
    checks = NumberAttribute(default=0)
    check_due = NumberAttribute(null=True)
    mail_due = NumberAttribute(null=True)
    refund_due = NumberAttribute(null=True)
    attention = UnicodeAttribute(null=True)
    due = NumberAttribute(null=True)
    shard = UnicodeAttribute(null=True)  # the keys of the lists; `write` sets them
    placed = UnicodeAttribute(null=True)  # moment placed # id
    state_shard = UnicodeAttribute(null=True)
    raised = UnicodeAttribute(null=True)

    # -- reading ------------------------------------------------------------------------------------------

    @property
    def lines(self) -> list[Line]:
        """The lines as they were when the order was placed."""
        return [Line(**line) for line in self.frozen_lines]

    @property
    def parcels(self) -> list[dict[str, str]]:
        """The parcels it went in, in the order they were added."""
        kept = self.stored_parcels or []
        # Orders shipped by an earlier version have one parcel, without a list and an id.
        return [{"id": "0", **kept}] if isinstance(kept, dict) else list(kept)

    @property
    def parcel(self) -> dict[str, str] | None:
        """The parcel that was added last."""
        return self.parcels[-1] if self.parcels else None

    @property
    def paypal_id(self) -> str | None:
        """PayPal's id of the order that can be paid now."""
        return self.attempts[-1]["id"] if self.attempts else None

    def may_be_paid_by(self, paypal_id: str | None) -> bool:
        """Tell whether PayPal's order, the last one where none is named, is an attempt of this order that has not ended."""
        wanted = paypal_id or self.paypal_id
        return any(one["id"] == wanted and not one["ended"] for one in self.attempts)

    @property
    def payee(self) -> str | None:
        """Who PayPal says is paid by the living attempt: stored before the shopper was sent there."""
        return self.attempts[-1]["payee"] if self.attempts else None

    @property
    def tax(self) -> int:
        """All tax included in the total."""
        return sum(self.taxes.values())

    def has_booked(self, paypal_id: str) -> bool:
        """Tell whether a movement is in the ledger already."""
        return paypal_id in (self.booked or set())

    def has_heard(self, form: str) -> bool:
        """Tell whether a form of staff was taken before: its button was pressed twice."""
        return any(entry.get("form") == form for entry in self.history)

    def has_issue(self, kind: str, detail: str | None = None) -> bool:
        """Tell whether staff were asked to look at something already."""
        return any(issue["kind"] == kind and detail in (None, issue["detail"]) for issue in self.issues)

    @property
    def open_issues(self) -> list[dict[str, Any]]:
        """What staff were asked to look at, and have not said yet that they did."""
        return [issue for issue in self.issues if "done" not in issue]

    @property
    def mail_is_late(self) -> bool:
        """Tell whether a mail is due that was announced again in vain, or is about to be."""
        return bool(self.emails_due) and self.mail_tries >= 1

    # -- moving -------------------------------------------------------------------------------------------

    def _move(self, new: str) -> None:
        states.check_move(self.state, new)
        self.state = new

    # -- history, mails, what staff must look at ----------------------------------------------------------

    def note(self, event: str, detail: str = "", **more: str) -> None:
        """Add to the order's history; `by` and `form` where staff did it."""
        self.history = [*self.history, {"at": clock.moment(), "event": event, "detail": detail, **more}]

    def owe_mail(self, kind: str, movement: str) -> None:
        """Put a mail into the outbox, once a kind and movement; none to a customer who was erased."""
        entry = f"{kind}#{movement}"
        if entry in self.emails_due or entry in self.emails_sent:
            return
        if self.erased_at and kind not in TO_MERCHANT:
            return
        self.emails_due = {**self.emails_due, entry: 0}
        self.mail_due = clock.timestamp() + MAIL_GRACE

    def send_again(self, entry: str, by: str, form: str) -> None:
        """Put a mail that was sent back into the outbox."""
        self.emails_due = {**self.emails_due, entry: 0}
        self.mail_due = clock.timestamp() + MAIL_GRACE
        self.note("mail again", entry, by=by, form=form)

    def raise_issue(self, kind: str, detail: str) -> None:
        """Ask staff to look, by mail too."""
        self.show_issue(kind, detail)
        self.owe_mail("issue", str(len(self.issues) - 1))

    def show_issue(self, kind: str, detail: str) -> None:
        """Ask staff to look, on their pages alone: where mail to the merchant is what failed."""
        self.issues = [*self.issues, {"at": clock.moment(), "kind": kind, "detail": detail}]
        self.note("issue", kind)

    def close_issue(self, number: int, by: str, words: str) -> None:
        """Note that staff have looked at an issue, and what they made of it."""
        done = {"at": clock.moment(), "by": by, "words": words}
        self.issues = [
            {**issue, "done": done} if index == number else issue for index, issue in enumerate(self.issues)
        ]
        self.note("looked at", self.issues[number]["kind"], by=by)

    # -- movements of money -------------------------------------------------------------------------------

    def book(self, paypal_id: str) -> None:
        """Remember that a movement goes into the ledger with this change."""
        self.booked = {*(self.booked or set()), paypal_id}

    def keep_movement(self, **movement: Any) -> None:
        """Keep a copy of a ledger's row, which never changes: the order's page asks no other table."""
        self.movements = [*(self.movements or []), movement]

    # -- forgetting ---------------------------------------------------------------------------------------

    def erase(self, by: str) -> None:
        """Forget whose order it was, and what staff wrote. The country stays: taxes were owed there."""
        self.customer = dict.fromkeys(self.customer, "") | {"country": self.customer["country"]}
        self.stored_parcels = [{**parcel, "tracking": "", "link": ""} for parcel in self.parcels] or None
        self.history = [
            {**entry, "detail": ""} if entry["event"] in ERASED_EVENTS else entry for entry in self.history
        ]
        self.issues = [_without_words(issue) for issue in self.issues]
        self.refunds = {
            key: {**refund, "reason": "", "note": ""} if "by" in refund else refund
            for key, refund in self.refunds.items()
        }
        self.cart = None
        self.erased_at = clock.moment()
        self.note("erased", by=by)


def _without_words(issue: dict[str, Any]) -> dict[str, Any]:
    return {**issue, "done": {**issue["done"], "words": ""}} if "done" in issue else issue
