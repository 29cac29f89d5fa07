"""An order's fields, what can be derived from them, and what may be added to them in any state."""

from collections.abc import Container, Mapping
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
from chalicelib.orders.enums import TO_MERCHANT, EmailKind, HistoryEvent, IssueKind
from chalicelib.orders.states import OrderState
from chalicelib.orders.timeouts import EMAIL_RETRY_DELAY, UNRESOLVED_AFTER

# Their details are staff's text or tracking numbers.
ERASED_EVENTS = {
    HistoryEvent.NOTE_ADDED,
    HistoryEvent.PARCEL_ADDED,
    HistoryEvent.PARCEL_CORRECTED,
    HistoryEvent.PARCEL_REMOVED,
}


@dataclass(frozen=True)
class OrderLine:
    """Units of one SKU at the price of that day, in minor units."""

    sku: str
    slug: str
    name: str
    options: Mapping[str, str]
    quantity: int
    price: int
    tax_rate: str  # percent, of the tax in the price, or on top where `Order.added_tax` is
    tax_class: str = ""  # empty in orders from before there were classes

    @property
    def full_name(self) -> str:
        """The product's name with the variant's options."""
        return ", ".join((self.name, *self.options.values()))

    @property
    def total(self) -> int:
        """The line's total."""
        return self.price * self.quantity


class OrderBase(Table):
    """The row of an order; `models.Order` is the table.

    Amounts are in minor units of `currency`, times in ISO 8601 in UTC, due times in seconds since 1970.
    """

    id = UnicodeAttribute(hash_key=True)
    number = UnicodeAttribute()
    placed_at = UnicodeAttribute()
    currency = UnicodeAttribute()
    customer: JSONAttribute = (
        JSONAttribute()
    )  # name, email, address, address2, postal_code, city, region, country, phone
    line_snapshot: JSONAttribute = JSONAttribute(attr_name="lines")
    items = NumberAttribute()
    shipping = NumberAttribute()
    taxes: JSONAttribute = JSONAttribute()  # {"19": 304}: the included tax, by rate in percent
    # {"scheme", "territory", "region", "added_tax", "sums": [{"tax_class", "rate", "net", "tax"}], "note"}, as
    # taxes/statement.py makes it; None in orders from before there were assessments
    tax_assessment: JSONAttribute = JSONAttribute(null=True)
    total = NumberAttribute()

    state = UnicodeAttribute(default=OrderState.AWAITING)
    close_reason = UnicodeAttribute(null=True)  # one of CloseReason
    version = NumberAttribute(default=0)
    cart = UnicodeAttribute(null=True)  # the session row that it was placed from, and that row's version then
    cart_version = NumberAttribute(null=True)

    reserved = BooleanAttribute(default=True)  # others cannot buy its units
    reserved_until = NumberAttribute()
    held = BooleanAttribute(default=False)  # its units count as held by an unpaid order: orders/holds.py
    holder = UnicodeAttribute(null=True)  # the IP address's key; None if no address is known

    # [{"id": PayPal's order, "payee", "payee_email", "approval_url", "pay_with", "at", "ended"}], with
    # "declined" if it was, "address_rejected" if PayPal rejected the delivery address; the last one counts
    payment_attempts: JSONAttribute = JSONAttribute()
    capture_attempt = NumberAttribute(
        default=1
    )  # part of the request ID; increased only after a definite refusal
    capture_claim = UnicodeAttribute(null=True)  # who is capturing
    claimed_at = NumberAttribute(null=True)  # since when; in seconds since 1970
    refused_creations = NumberAttribute(
        default=0
    )  # part of the request ID: PayPal repeats a refusal under the same one
    payment_refusal = UnicodeAttribute(
        null=True
    )  # PayPal's error name for why it takes no payments for this shop
    approved = BooleanAttribute(default=False)  # the shopper approved at PayPal
    declined_at = UnicodeAttribute(null=True)  # when PayPal declined the last way of paying
    capture_id = UnicodeAttribute(null=True)  # the capture that paid, or is pending
    paid_at = UnicodeAttribute(null=True)
    paid_paypal_order_id = UnicodeAttribute(null=True)  # the PayPal order that paid

    # [{"id", "carrier", "tracking", "link", "at"}]; read through `parcels`
    stored_parcels: JSONAttribute = JSONAttribute(attr_name="parcels", null=True)

    recorded_transactions: UnicodeSetAttribute = UnicodeSetAttribute(
        null=True
    )  # PayPal's ID of every movement in the ledger
    # [{"at", "kind", "amount", "fee", "currency", "paypal_id"}]: those movements, as the ledger has them
    ledger_entries: JSONAttribute = JSONAttribute(null=True)
    refunded = NumberAttribute(default=0)  # of the capture that paid
    reversed = NumberAttribute(default=0)
    # {ID: {"capture_id", "amount", "currency", "at", "returned"}}: what banks or PayPal took back, and how much
    # of it was returned
    reversals: JSONAttribute = JSONAttribute(null=True)
    # {ID: {"capture_id", "amount" or None, "currency", "at"}}: won disputes whose reversal may be reported
    # later
    won_disputes: JSONAttribute = JSONAttribute(null=True)
    # {our ID: {"capture_id", "amount", "currency", "at", "status", "paypal_refund_id", "reason"}}; with
    # "actor", "note" to the customer and "restocked" (units by SKU) if staff decided it, "rejection" if PayPal
    # rejected it
    refunds: JSONAttribute = JSONAttribute()
    # [{"at", "kind": one of IssueKind, "detail"}]: what staff must look at; with "resolution" {"at", "actor",
    # "note"} once resolved
    issues: JSONAttribute = JSONAttribute()

    emails_due: JSONAttribute = (
        JSONAttribute()
    )  # {EmailKind#movement: lease in seconds since 1970}; the outbox
    emails_sent: JSONAttribute = JSONAttribute()  # {EmailKind#movement: moment}
    email_attempts = NumberAttribute(default=0)
    # [{"at", "event": one of HistoryEvent, "detail"}]; with "actor" if staff did it, "form_token" if its form
    # could be sent twice
    history: JSONAttribute = JSONAttribute()
    erased_at = UnicodeAttribute(null=True)  # when the customer's data was erased

    # How often the reconciler has checked it since it is awaiting; once closed, how often PayPal no longer knew
    # an attempt.
    check_count = NumberAttribute(default=0)
    next_check_at = NumberAttribute(null=True)
    next_email_at = NumberAttribute(null=True)
    next_refund_at = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)
    shard = UnicodeAttribute(null=True)  # the keys of the lists; `add_to_transaction` sets them
    placed_key = UnicodeAttribute(null=True)  # moment placed # ID
    state_shard = UnicodeAttribute(null=True)
    open_issues_shard = UnicodeAttribute(null=True)

    # -- reading ------------------------------------------------------------------------------------------

    @property
    def audit_subject(self) -> str:
        """What the audit log calls it."""
        return f"order {self.number}"

    @property
    def lines(self) -> list[OrderLine]:
        """The lines as they were when the order was placed."""
        return [OrderLine(**line) for line in self.line_snapshot]

    @property
    def parcels(self) -> list[dict[str, str]]:
        """The parcels it went in, in the order they were added."""
        return list(self.stored_parcels or ())

    @property
    def parcel(self) -> dict[str, str] | None:
        """The parcel that was added last."""
        return self.parcels[-1] if self.parcels else None

    @property
    def paypal_order_id(self) -> str | None:
        """The ID of the PayPal order that can be paid now."""
        return self.payment_attempts[-1]["id"] if self.payment_attempts else None

    def can_be_paid_by(self, paypal_id: str | None) -> bool:
        """Return whether a PayPal order, by default the last one, is an attempt of this order that has not ended."""
        wanted = paypal_id or self.paypal_order_id
        return any(one["id"] == wanted and not one["ended"] for one in self.payment_attempts)

    @property
    def payee(self) -> str | None:
        """The payee of the active attempt as PayPal reported it, stored before the shopper was sent to PayPal."""
        return self.payment_attempts[-1]["payee"] if self.payment_attempts else None

    @property
    def tax(self) -> int:
        """All tax included in the total."""
        return sum(self.taxes.values())

    @property
    def added_tax(self) -> int:
        """The tax that is paid beside items and shipping."""
        return int(self.tax_assessment["added_tax"]) if self.tax_assessment else 0

    def has_recorded(self, paypal_id: str) -> bool:
        """Return whether a movement is in the ledger already."""
        return paypal_id in (self.recorded_transactions or set())

    @property
    def has_emptied_cart(self) -> bool:
        """Return whether PayPal ever took its payment, even if only as pending: its items left the cart then."""
        taken = (HistoryEvent.PAYMENT_PENDING, HistoryEvent.PAID)
        return any(entry["event"] in taken for entry in self.history)

    def has_processed_form(self, form_token: str) -> bool:
        """Return whether a staff form was processed already: its button was pressed twice."""
        return any(entry.get("form_token") == form_token for entry in self.history)

    def has_issue(self, kind: IssueKind, detail: str | None = None) -> bool:
        """Return whether an issue of this kind was ever opened."""
        return any(issue["kind"] == kind and detail in (None, issue["detail"]) for issue in self.issues)

    @property
    def is_payment_unresolved(self) -> bool:
        """Return whether PayPal has left open for long whether it took the payment."""
        if self.state != OrderState.CAPTURING or self.claimed_at is None:
            return False
        return clock.timestamp() - self.claimed_at >= UNRESOLVED_AFTER

    @property
    def open_issues(self) -> list[dict[str, Any]]:
        """The issues that staff have not resolved yet."""
        return [issue for issue in self.issues if "resolution" not in issue]

    @property
    def has_late_email(self) -> bool:
        """Return whether a due email was enqueued again without being sent, or is about to be."""
        return bool(self.emails_due) and self.email_attempts >= 1

    # -- moving -------------------------------------------------------------------------------------------

    def _transition(self, new: OrderState, *, of: Container[OrderState] = frozenset(OrderState)) -> None:
        """Go to a state, from those of `of` alone if another method makes the other transitions to it."""
        old = OrderState(self.state)
        if old not in of:
            raise states.InvalidTransition(f"{old} → {new}")
        states.check_transition(old, new)
        self.state = new

    # -- history, mails, what staff must look at ----------------------------------------------------------

    def add_event(self, event: HistoryEvent, detail: str = "", **more: str) -> None:
        """Add an event to the order's history; `actor` and `form_token` if staff did it."""
        self.history = [*self.history, {"at": clock.iso_now(), "event": event, "detail": detail, **more}]

    def queue_email(self, kind: EmailKind, movement: str) -> None:
        """Add an email to the outbox, once per kind and movement; none to a customer whose data was erased."""
        entry = f"{kind}#{movement}"
        if entry in self.emails_due or entry in self.emails_sent:
            return
        if self.erased_at and kind not in TO_MERCHANT:
            return
        self.emails_due = {**self.emails_due, entry: 0}
        self.next_email_at = clock.timestamp() + EMAIL_RETRY_DELAY

    def requeue_email(self, entry: str, actor: str, form_token: str) -> None:
        """Put an email that was sent back into the outbox."""
        self.emails_due = {**self.emails_due, entry: 0}
        self.next_email_at = clock.timestamp() + EMAIL_RETRY_DELAY
        self.add_event(HistoryEvent.EMAIL_REQUEUED, entry, actor=actor, form_token=form_token)

    def open_issue(self, kind: IssueKind, detail: str) -> None:
        """Open an issue for staff, and email the merchant."""
        self.open_issue_silently(kind, detail)
        self.queue_email(EmailKind.MERCHANT_ISSUE, str(len(self.issues) - 1))

    def open_issue_silently(self, kind: IssueKind, detail: str) -> None:
        """Open an issue without an email: for when email to the merchant is what failed."""
        self.issues = [*self.issues, {"at": clock.iso_now(), "kind": kind, "detail": detail}]
        self.add_event(HistoryEvent.ISSUE_OPENED, kind)

    def resolve_issue(self, number: int, actor: str, note: str) -> None:
        """Mark an issue as resolved, with a note."""
        resolution = {"at": clock.iso_now(), "actor": actor, "note": note}
        self.issues = [
            {**issue, "resolution": resolution} if index == number else issue
            for index, issue in enumerate(self.issues)
        ]
        self.add_event(HistoryEvent.ISSUE_RESOLVED, self.issues[number]["kind"], actor=actor)

    # -- movements of money -------------------------------------------------------------------------------

    def record_transaction(self, paypal_id: str) -> None:
        """Record that this change writes a movement to the ledger."""
        self.recorded_transactions = {*(self.recorded_transactions or set()), paypal_id}

    def copy_ledger_entry(self, **movement: Any) -> None:
        """Keep a copy of a ledger entry, which never changes, so that the order's page reads no other table."""
        self.ledger_entries = [*(self.ledger_entries or []), movement]

    # -- forgetting ---------------------------------------------------------------------------------------

    def erase(self, actor: str) -> None:
        """Erase the customer's data and what staff wrote. The country stays: taxes were owed there."""
        self.customer = dict.fromkeys(self.customer, "") | {"country": self.customer["country"]}
        self.stored_parcels = [{**parcel, "tracking": "", "link": ""} for parcel in self.parcels] or None
        self.history = [
            {**entry, "detail": ""} if entry["event"] in ERASED_EVENTS else entry for entry in self.history
        ]
        self.issues = [_without_note(issue) for issue in self.issues]
        self.refunds = {
            key: {**refund, "reason": "", "note": ""} if "actor" in refund else refund
            for key, refund in self.refunds.items()
        }
        self.cart = None
        self.erased_at = clock.iso_now()
        self.add_event(HistoryEvent.CUSTOMER_ERASED, actor=actor)


def _without_note(issue: dict[str, Any]) -> dict[str, Any]:
    return {**issue, "resolution": {**issue["resolution"], "note": ""}} if "resolution" in issue else issue
