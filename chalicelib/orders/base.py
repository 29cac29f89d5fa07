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
from chalicelib.orders.enums import TO_MERCHANT, EmailKind, HistoryEvent, IssueKind
from chalicelib.orders.states import OrderState
from chalicelib.orders.timeouts import EMAIL_RETRY_DELAY

# What staff wrote, and tracking numbers.
ERASED_EVENTS = {
    HistoryEvent.NOTE_ADDED,
    HistoryEvent.PARCEL_ADDED,
    HistoryEvent.PARCEL_CORRECTED,
    HistoryEvent.PARCEL_REMOVED,
}


@dataclass(frozen=True)
class OrderLine:
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


class OrderBase(Table):
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
    line_snapshot: JSONAttribute = JSONAttribute(attr_name="lines")
    items = NumberAttribute()
    shipping = NumberAttribute()
    taxes: JSONAttribute = JSONAttribute()  # {"19": 304}: the tax included, by rate in percent
    total = NumberAttribute()

    state = UnicodeAttribute(default=OrderState.AWAITING)
    close_reason = UnicodeAttribute(null=True)  # one of CloseReason
    version = NumberAttribute(default=0)
    cart = UnicodeAttribute(null=True)  # the session row it was placed from, and that row's version then
    cart_version = NumberAttribute(null=True)

    reserved = BooleanAttribute(default=True)  # its pieces are not available to others
    reserved_until = NumberAttribute()
    held = BooleanAttribute(default=False)  # they count as held by an unpaid order: orders/holds.py
    holder = UnicodeAttribute(null=True)  # by which address; None where no address is known

    # [{"id": PayPal's order, "payee", "payee_email", "approval_url", "pay_with", "at", "ended"}], with "declined" if it was,
    # "address_rejected" if PayPal did not take the delivery address; the last one counts
    payment_attempts: JSONAttribute = JSONAttribute()
    capture_attempt = NumberAttribute(default=1)  # of the request id; raised only after a definite no
    capture_claim = UnicodeAttribute(null=True)  # who is capturing
    refused_creations = NumberAttribute(default=0)  # PayPal repeats a refusal under the same request id, too
    payment_refusal = UnicodeAttribute(null=True)  # PayPal's name for why it took no payment for this shop
    approved = BooleanAttribute(default=False)  # the shopper said yes at PayPal
    declined_at = UnicodeAttribute(null=True)  # when PayPal said no to the last way of paying
    capture_id = UnicodeAttribute(null=True)  # the capture that paid, or is pending
    paid_at = UnicodeAttribute(null=True)
    paid_paypal_order_id = UnicodeAttribute(null=True)  # PayPal's order that paid

    # [{"id", "carrier", "tracking", "link", "at"}]; read through `parcels`
    stored_parcels: JSONAttribute = JSONAttribute(attr_name="parcels", null=True)

    recorded_transactions: UnicodeSetAttribute = UnicodeSetAttribute(
        null=True
    )  # PayPal's id of every movement in the ledger
    # [{"at", "kind", "amount", "fee", "currency", "paypal_id"}]: those movements, as the ledger has them
    ledger_entries: JSONAttribute = JSONAttribute(null=True)
    refunded = NumberAttribute(default=0)  # of the capture that paid
    reversed = NumberAttribute(default=0)
    # {id: {"capture_id", "amount", "currency", "at", "returned"}}: what banks or PayPal took, and how much of it came back
    reversals: JSONAttribute = JSONAttribute(null=True)
    # {id: {"capture_id", "amount" or none, "currency", "at"}}: disputes that were won, whose reversal may be told later
    won_disputes: JSONAttribute = JSONAttribute(null=True)
    # {our id: {"capture_id", "amount", "currency", "at", "status", "paypal_refund_id", "reason"}}; with "actor", "note" to the
    # customer and "restocked" (units by SKU) where staff decided it, "rejection" where PayPal said no
    refunds: JSONAttribute = JSONAttribute()
    # [{"at", "kind": one of IssueKind, "detail"}]: what staff must look at; with "resolution" {"at", "actor", "note"} once they did
    issues: JSONAttribute = JSONAttribute()

    emails_due: JSONAttribute = (
        JSONAttribute()
    )  # {EmailKind#movement: lease in seconds since 1970}; the outbox
    emails_sent: JSONAttribute = JSONAttribute()  # {EmailKind#movement: moment}
    email_attempts = NumberAttribute(default=0)
    # [{"at", "event": one of HistoryEvent, "detail"}]; with "actor" where staff did it, "form_token" where its form could be sent twice
    history: JSONAttribute = JSONAttribute()
    erased_at = UnicodeAttribute(null=True)  # since then nobody knows whose it was

    # How often the reconciler looked since it awaits; once closed, how often PayPal knew an attempt no more.
    check_count = NumberAttribute(default=0)
    next_check_at = NumberAttribute(null=True)
    next_email_at = NumberAttribute(null=True)
    next_refund_at = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)
    shard = UnicodeAttribute(null=True)  # the keys of the lists; `write` sets them
    placed_key = UnicodeAttribute(null=True)  # moment placed # id
    state_shard = UnicodeAttribute(null=True)
    open_issues_shard = UnicodeAttribute(null=True)

    # -- reading ------------------------------------------------------------------------------------------

    @property
    def lines(self) -> list[OrderLine]:
        """The lines as they were when the order was placed."""
        return [OrderLine(**line) for line in self.line_snapshot]

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
    def paypal_order_id(self) -> str | None:
        """PayPal's id of the order that can be paid now."""
        return self.payment_attempts[-1]["id"] if self.payment_attempts else None

    def can_be_paid_by(self, paypal_id: str | None) -> bool:
        """Return whether PayPal's order, the last one where none is named, is an attempt of this order that has not ended."""
        wanted = paypal_id or self.paypal_order_id
        return any(one["id"] == wanted and not one["ended"] for one in self.payment_attempts)

    @property
    def payee(self) -> str | None:
        """Who PayPal says is paid by the living attempt: stored before the shopper was sent there."""
        return self.payment_attempts[-1]["payee"] if self.payment_attempts else None

    @property
    def tax(self) -> int:
        """All tax included in the total."""
        return sum(self.taxes.values())

    def has_recorded(self, paypal_id: str) -> bool:
        """Return whether a movement is in the ledger already."""
        return paypal_id in (self.recorded_transactions or set())

    @property
    def has_emptied_cart(self) -> bool:
        """Return whether PayPal ever took its payment, if only to deny it later: its items left the cart then."""
        taken = (HistoryEvent.PAYMENT_PENDING, HistoryEvent.PAID)
        return any(entry["event"] in taken for entry in self.history)

    def has_processed_form(self, form_token: str) -> bool:
        """Return whether a form of staff was taken before: its button was pressed twice."""
        return any(entry.get("form_token") == form_token for entry in self.history)

    def has_issue(self, kind: IssueKind, detail: str | None = None) -> bool:
        """Return whether staff were asked to look at something already."""
        return any(issue["kind"] == kind and detail in (None, issue["detail"]) for issue in self.issues)

    @property
    def open_issues(self) -> list[dict[str, Any]]:
        """What staff were asked to look at, and have not said yet that they did."""
        return [issue for issue in self.issues if "resolution" not in issue]

    @property
    def has_late_email(self) -> bool:
        """Return whether a mail is due that was announced again in vain, or is about to be."""
        return bool(self.emails_due) and self.email_attempts >= 1

    # -- moving -------------------------------------------------------------------------------------------

    def _transition(self, new: OrderState) -> None:
        states.check_transition(OrderState(self.state), new)
        self.state = new

    # -- history, mails, what staff must look at ----------------------------------------------------------

    def add_event(self, event: HistoryEvent, detail: str = "", **more: str) -> None:
        """Add to the order's history; `by` and `form` where staff did it."""
        self.history = [*self.history, {"at": clock.iso_now(), "event": event, "detail": detail, **more}]

    def queue_email(self, kind: EmailKind, movement: str) -> None:
        """Put a mail into the outbox, once a kind and movement; none to a customer who was erased."""
        entry = f"{kind}#{movement}"
        if entry in self.emails_due or entry in self.emails_sent:
            return
        if self.erased_at and kind not in TO_MERCHANT:
            return
        self.emails_due = {**self.emails_due, entry: 0}
        self.next_email_at = clock.timestamp() + EMAIL_RETRY_DELAY

    def requeue_email(self, entry: str, actor: str, form_token: str) -> None:
        """Put a mail that was sent back into the outbox."""
        self.emails_due = {**self.emails_due, entry: 0}
        self.next_email_at = clock.timestamp() + EMAIL_RETRY_DELAY
        self.add_event(HistoryEvent.EMAIL_REQUEUED, entry, actor=actor, form_token=form_token)

    def open_issue(self, kind: IssueKind, detail: str) -> None:
        """Ask staff to look, by mail too."""
        self.open_issue_silently(kind, detail)
        self.queue_email(EmailKind.MERCHANT_ISSUE, str(len(self.issues) - 1))

    def open_issue_silently(self, kind: IssueKind, detail: str) -> None:
        """Ask staff to look, on their pages alone: where mail to the merchant is what failed."""
        self.issues = [*self.issues, {"at": clock.iso_now(), "kind": kind, "detail": detail}]
        self.add_event(HistoryEvent.ISSUE_OPENED, kind)

    def resolve_issue(self, number: int, actor: str, note: str) -> None:
        """Note that staff have looked at an issue, and what they made of it."""
        resolution = {"at": clock.iso_now(), "actor": actor, "note": note}
        self.issues = [
            {**issue, "resolution": resolution} if index == number else issue
            for index, issue in enumerate(self.issues)
        ]
        self.add_event(HistoryEvent.ISSUE_RESOLVED, self.issues[number]["kind"], actor=actor)

    # -- movements of money -------------------------------------------------------------------------------

    def record_transaction(self, paypal_id: str) -> None:
        """Remember that a movement goes into the ledger with this change."""
        self.recorded_transactions = {*(self.recorded_transactions or set()), paypal_id}

    def copy_ledger_entry(self, **movement: Any) -> None:
        """Keep a copy of a ledger's row, which never changes: the order's page asks no other table."""
        self.ledger_entries = [*(self.ledger_entries or []), movement]

    # -- forgetting ---------------------------------------------------------------------------------------

    def erase(self, actor: str) -> None:
        """Forget whose order it was, and what staff wrote. The country stays: taxes were owed there."""
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
