"""The order: one row that holds everything about it, changed only from the version that was read.

Every change is the same three steps: read the order consistently, call its actions, write it whole under the
condition that its version is still the one that was read. Whoever comes second reads again: see `change`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from chalicelib import clock, money
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.errors import Busy, NotFound
from chalicelib.money import Money
from chalicelib.orders import states
from chalicelib.orders.indexes import AttentionIndex, PlacedIndex, RaisedIndex, StateIndex, shard_of
from chalicelib.storage import Refused, Table, TableMeta, Transaction, Unknown, get, table_name

MINUTE = 60
CLAIM_SECONDS = 2 * MINUTE
EVERY_ROUND = MINUTE  # due again by the reconciler's next round
MAIL_GRACE = 10 * MINUTE
LONGEST_WAIT = 60 * MINUTE
TO_MERCHANT = {"merchant", "issue"}  # kinds of mail that the customer never gets
PAYPAL_LIFE = 6 * 60 * MINUTE  # three hours to approve an order at PayPal, three more to capture it


class Pointer(Table):
    """Another name of an order: `paypal#…`, `capture#…`, `number#…`. In the orders' table: no index lag."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    id = UnicodeAttribute(hash_key=True)
    order = UnicodeAttribute()


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


class Order(Table):
    """An order. Amounts in minor units of `currency`, moments as ISO 8601 in UTC, dues in seconds since 1970."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    attention_index = AttentionIndex()
    placed_index = PlacedIndex()
    state_index = StateIndex()
    raised_index = RaisedIndex()

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

    reserved = BooleanAttribute(default=True)
    reserved_until = NumberAttribute()

    attempts: JSONAttribute = (
        JSONAttribute()
    )  # [{"id": PayPal's order, "payee", "link", "at", "ended"}]; the last one counts
    capture_number = NumberAttribute(default=1)  # of the request id; raised only after a definite no
    claim = UnicodeAttribute(null=True)  # who is capturing
    approved = BooleanAttribute(default=False)  # the shopper said yes at PayPal
    declined_at = UnicodeAttribute(null=True)  # when PayPal said no to the last way of paying
    capture = UnicodeAttribute(null=True)  # the capture that paid, or is pending
    paid_at = UnicodeAttribute(null=True)
    paid_by = UnicodeAttribute(null=True)  # PayPal's order that paid

    # {"carrier", "tracking", "link", "at"}, once it is shipped
    parcel: JSONAttribute = JSONAttribute(null=True)

    booked: UnicodeSetAttribute = UnicodeSetAttribute(
        null=True
    )  # PayPal's id of every movement in the ledger
    # [{"at", "kind", "amount", "fee", "currency", "paypal_id"}]: those movements, as the ledger has them
    movements: JSONAttribute = JSONAttribute(null=True)
    refunded = NumberAttribute(default=0)  # of the capture that paid
    reversed = NumberAttribute(default=0)
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

    checks = NumberAttribute(default=0)  # how often the reconciler looked while awaiting
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

    @classmethod
    def fetch(cls, order_id: str) -> "Order":
        """Read an order consistently. Raises NotFound."""
        order = get(cls, order_id)
        if order is None:
            raise NotFound("We know no order with this address.")
        return order

    @classmethod
    def find(cls, pointer: str) -> str | None:
        """Follow a pointer such as `paypal#…` to an order's ID."""
        row = get(Pointer, pointer)
        return row.order if row else None

    @property
    def lines(self) -> list[Line]:
        """The lines as they were when the order was placed."""
        return [Line(**line) for line in self.frozen_lines]

    @property
    def paypal_id(self) -> str | None:
        """PayPal's id of the order that can be paid now."""
        return self.attempts[-1]["id"] if self.attempts else None

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

    def open_refunds(self) -> dict[str, dict[str, Any]]:
        """Refunds that were decided and are not through: our id → what is known."""
        return {
            key: refund for key, refund in self.refunds.items() if refund["status"] in ("wanted", "pending")
        }

    @property
    def given_back(self) -> int:
        """What went back of the payment by refunds, or is on its way."""
        # Where PayPal did not say which capture is refunded, it is the one that paid.
        under_way = (
            refund["amount"]
            for refund in self.open_refunds().values()
            if (refund.get("capture") or self.capture) == self.capture
        )
        return int(self.refunded + sum(under_way))

    @property
    def gone_back(self) -> int:
        """What is no longer ours of the payment: given back, or taken back by a bank or PayPal."""
        return self.given_back + int(self.reversed)

    @property
    def left_to_refund(self) -> int:
        """What can still be given back of the payment."""
        return max(0, int(self.total) - self.gone_back)

    @property
    def pieces_kept(self) -> dict[str, int]:
        """Count what was bought and is not back on the shelf, by SKU."""
        back = self.pieces_back
        return {line.sku: line.quantity - back[line.sku] for line in self.lines}

    @property
    def is_to_be_shipped(self) -> bool:
        """Tell whether the customer waits for a parcel: not where all of the payment was given back."""
        return self.state == states.PAID and self.given_back < self.total

    @property
    def listed_as(self) -> str:
        """Tell under what staff find the order: its state, but what was given back waits for no parcel."""
        waits = self.state != states.PAID or self.is_to_be_shipped
        return str(self.state) if waits else states.GIVEN_BACK

    @property
    def pieces_back(self) -> Counter[str]:
        """Count the sold pieces that are on the shelf again, by SKU; the refunds remember them."""
        return Counter(
            {
                line.sku: sum(refund.get("pieces", {}).get(line.sku, 0) for refund in self.refunds.values())
                for line in self.lines
            }
        )

    @property
    def open_issues(self) -> list[dict[str, Any]]:
        """What staff were asked to look at, and have not said yet that they did."""
        return [issue for issue in self.issues if "done" not in issue]

    @property
    def mail_is_late(self) -> bool:
        """Tell whether a mail is due that was announced again in vain, or is about to be."""
        return bool(self.emails_due) and self.mail_tries >= 1

    # -- actions ------------------------------------------------------------------------------------------

    def note(self, event: str, detail: str = "", **more: str) -> None:
        """Add to the order's history; `by` and `form` where staff did it."""
        self.history = [*self.history, {"at": moment(), "event": event, "detail": detail, **more}]

    def has_heard(self, form: str) -> bool:
        """Tell whether a form of staff was taken before: its button was pressed twice."""
        return any(entry.get("form") == form for entry in self.history)

    def raise_issue(self, kind: str, detail: str) -> None:
        """Ask staff to look, by mail too."""
        self.issues = [*self.issues, {"at": moment(), "kind": kind, "detail": detail}]
        self.note("issue", kind)
        self.owe_mail("issue", str(len(self.issues) - 1))

    def owe_mail(self, kind: str, movement: str) -> None:
        """Put a mail into the outbox, once a kind and movement; none to a customer who was erased."""
        entry = f"{kind}#{movement}"
        if entry in self.emails_due or entry in self.emails_sent:
            return
        if self.erased_at and kind not in TO_MERCHANT:
            return
        self.emails_due = {**self.emails_due, entry: 0}
        self.mail_due = clock.timestamp() + MAIL_GRACE

    def take_stock(self, transaction: Transaction) -> None:
        """Reserve every line."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.reserve(line.sku, line.quantity))
        self.reserved = True
        self.reserved_until = clock.timestamp() + settings.shop.reservation_seconds

    def return_stock(self, transaction: Transaction) -> None:
        """Put what is reserved back on the shelf; nothing where the reservation fell before."""
        if not self.reserved:
            return
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.put_back(line.sku, line.quantity))
        self.reserved = False

    def start_attempt(self, paypal_id: str, payee: str | None, link: str, transaction: Transaction) -> None:
        """Remember PayPal's order before the shopper is sent to it."""
        attempt = {"id": paypal_id, "payee": payee, "link": link, "at": moment(), "ended": False}
        self.attempts = [*self.attempts, attempt]
        self.capture_number = 1
        self.declined_at = None
        self.checks = 0
        self._wait()
        pointer = Pointer(f"paypal#{paypal_id}", order=self.id)
        transaction.put(pointer.id, pointer, Pointer.id.does_not_exist())

    def end_attempt(self) -> None:
        """Note that PayPal's order can never be paid; paying again needs a new one."""
        self.attempts = [*self.attempts[:-1], {**self.attempts[-1], "ended": True}]

    def take_up(self, claim: str) -> None:
        """awaiting → capturing: from here on only PayPal's answer moves the order."""
        self._move(states.CAPTURING)
        self.claim = claim
        self.approved = True
        self.check_due = clock.timestamp() + CLAIM_SECONDS

    def claim_for_capture(self, claim: str, transaction: Transaction) -> None:
        """awaiting → capturing. A reservation that fell is taken again, or the transaction is refused."""
        self.take_up(claim)
        if not self.reserved:
            self.take_stock(transaction)

    def release(self, *, refused: bool, approved: bool) -> None:
        """capturing → awaiting, after a definite no. PayPal repeats a refusal: its request id is used up."""
        self._move(states.AWAITING)
        self.claim = None
        self.approved = approved
        if refused:
            self.capture_number += 1
        self._wait()

    @property
    def declined(self) -> bool:
        """Tell whether PayPal said no, and the shopper has not said yes again since."""
        return bool(self.declined_at)

    def mark_declined(self, issue: str = "") -> None:
        """Note that PayPal said no to this way of paying. The shopper must say yes again before it is asked again."""
        self.declined_at = moment()
        self.note("confirm again" if issue == "PAYER_ACTION_REQUIRED" else "declined", issue)

    @property
    def must_confirm(self) -> bool:
        """Tell whether PayPal wants the shopper to confirm the payment once more, rather than to pay otherwise."""
        noes = [entry["event"] for entry in self.history if entry["event"] in ("confirm again", "declined")]
        return self.declined and noes[-1:] == ["confirm again"]

    def has_issue(self, kind: str, detail: str | None = None) -> bool:
        """Tell whether staff were asked to look at something already."""
        return any(issue["kind"] == kind and detail in (None, issue["detail"]) for issue in self.issues)

    def approve_again(self, approved_at: datetime) -> bool:
        """Note that the shopper said yes at PayPal after a decline; False where that was before it."""
        if not self.declined_at or approved_at <= datetime.fromisoformat(self.declined_at):
            return False
        self.declined_at = None
        return True

    def mark_pending(self, capture_id: str, transaction: Transaction) -> None:
        """capturing → pending: PayPal holds the money."""
        self._move(states.PENDING)
        self.claim = None
        self.point_at(capture_id, transaction)
        self.capture = capture_id
        self.note("pending")
        self.owe_mail("pending", capture_id)
        self.check_due = clock.timestamp() + EVERY_ROUND

    def mark_paid(self, capture_id: str, paypal_id: str | None, transaction: Transaction) -> None:
        """capturing or pending → paid: the reserved pieces are sold. `paypal_id` is PayPal's order, where it is told."""
        self._move(states.PAID)
        self.claim = None
        self.reserved = False
        self.point_at(capture_id, transaction)
        self.capture = capture_id
        self.paid_at = moment()
        self.paid_by = paypal_id or self.paypal_id
        self.check_due = None
        self.note("paid")
        self.owe_mail("paid", capture_id)
        self.owe_mail("merchant", capture_id)

    def mark_unpaid(self) -> None:
        """capturing or pending → awaiting: what PayPal did about the payment does not pay this order."""
        self._move(states.AWAITING)
        self.claim = None
        self.capture = None
        self.capture_number += 1
        self._wait()

    def expire(self, because: str, transaction: Transaction) -> None:
        """awaiting → expired. Only who had approved is told: nobody is mailed for a cart they left."""
        self._move(states.EXPIRED)
        self._close(because, transaction)
        self.note("expired", because)
        if self.approved:
            self.owe_mail("expired", self.paypal_id or self.id)

    def cancel(self, because: str, transaction: Transaction, **more: str) -> None:
        """awaiting → cancelled, stock back."""
        self._move(states.CANCELLED)
        self._close(because, transaction)
        self.note("cancelled", because, **more)

    def ship(self, parcel: Mapping[str, str], by: str) -> None:
        """paid → shipped, and owe the customer a mail. `parcel`: carrier, tracking, link; each may be empty."""
        self._move(states.SHIPPED)
        self.parcel = {**parcel, "at": moment()}
        self.note("shipped", parcel["carrier"], by=by)
        self.owe_mail("shipped", self.id)

    def send_again(self, entry: str, by: str, form: str) -> None:
        """Put a mail that was sent back into the outbox."""
        self.emails_due = {**self.emails_due, entry: 0}
        self.mail_due = clock.timestamp() + MAIL_GRACE
        self.note("mail again", entry, by=by, form=form)

    def close_issue(self, number: int, by: str, words: str) -> None:
        """Note that staff have looked at an issue, and what they made of it."""
        done = {"at": moment(), "by": by, "words": words}
        self.issues = [
            {**issue, "done": done} if index == number else issue for index, issue in enumerate(self.issues)
        ]
        self.note("looked at", self.issues[number]["kind"], by=by)

    def erase(self, by: str) -> None:
        """Forget whose order it was, and what staff wrote. The country stays: taxes were owed there."""
        self.customer = dict.fromkeys(self.customer, "") | {"country": self.customer["country"]}
        if self.parcel:
            self.parcel = {**self.parcel, "tracking": "", "link": ""}
        self.history = [
            {**entry, "detail": ""} if entry["event"] == "note" else entry for entry in self.history
        ]
        self.issues = [_without_words(issue) for issue in self.issues]
        self.refunds = {
            key: {**refund, "reason": "", "note": ""} if "by" in refund else refund
            for key, refund in self.refunds.items()
        }
        self.cart = None
        self.erased_at = moment()
        self.note("erased", by=by)

    def book(self, paypal_id: str) -> None:
        """Remember that a movement goes into the ledger with this change."""
        self.booked = {*(self.booked or set()), paypal_id}

    def keep_movement(self, **movement: Any) -> None:
        """Keep a copy of a ledger's row, which never changes: the order's page asks no other table."""
        self.movements = [*(self.movements or []), movement]

    def want_refund(
        self, refund_id: str, capture_id: str, amount: int, currency: str, reason: str, **more: Any
    ) -> None:
        """Decide a refund; its id is stored before PayPal is asked. By staff: `by`, `note`, `pieces`."""
        refund = {"capture": capture_id, "amount": amount, "currency": currency, "reason": reason, **more}
        entry = {**refund, "at": moment(), "status": "wanted", "paypal_id": None}
        self.refunds = {**self.refunds, refund_id: entry}
        self.refund_due = clock.timestamp() + EVERY_ROUND

    def put_back(self, pieces: Mapping[str, int], transaction: Transaction) -> None:
        """Return sold pieces to the shelf, SKU → number, where it still is their product's.

        The refund that says so remembers them.
        """
        slugs = {line.sku: line.slug for line in self.lines}
        for sku, quantity in pieces.items():
            transaction.update(f"stock#{sku}", *Stock.take_in(sku, quantity, slugs[sku]))

    def keep_refund(self, key: str, status: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Note what PayPal says of a refund: pending or failed. `key` is our id, or PayPal's where it is not ours."""
        known = self.refunds.get(key, {"capture": capture_id, "reason": "PayPal", "at": moment()})
        entry = {**known, **amount._asdict(), "status": status, "paypal_id": paypal_id}
        others = {other: refund for other, refund in self.refunds.items() if other != paypal_id}
        self.refunds = {**others, key: entry}
        self.refund_due = clock.timestamp() + EVERY_ROUND if self.open_refunds() else None

    def complete_refund(self, key: str, paypal_id: str, capture_id: str, amount: Money) -> None:
        """Note that money went back, and owe the customer a mail."""
        self.keep_refund(key, "completed", paypal_id, capture_id, amount)
        if capture_id == self.capture:
            self.refunded += amount.amount
        self.note("refunded", money.spoken(*amount))
        self.owe_mail("refunded", paypal_id)

    def recognise_refund(self, own_id: str, paypal_id: str) -> None:
        """Note that a refund booked under PayPal's id is one of ours, whose answer was lost."""
        done = {**self.refunds[own_id], "status": "completed", "paypal_id": paypal_id}
        others = {key: refund for key, refund in self.refunds.items() if key != paypal_id}
        self.refunds = {**others, own_id: done}
        self.refund_due = clock.timestamp() + EVERY_ROUND if self.open_refunds() else None

    def drop_reservation(self, transaction: Transaction) -> None:
        """Let others buy what an unpaid order has held for too long."""
        self.return_stock(transaction)
        self.note("reservation over")

    def look_within(self, seconds: int) -> bool:
        """Have the reconciler look soon; False where it does anyway."""
        soon = clock.timestamp() + seconds
        if self.check_due is not None and self.check_due <= soon:
            return False
        self.check_due = soon
        return True

    def push_back(self, now: int) -> set[str]:
        """Move what is due to a later round, before it is worked on, so that a crash cannot hold the rest back.

        Returns what was due: check, mail, refund.
        """
        dues = {"check": self.check_due, "mail": self.mail_due, "refund": self.refund_due}
        late = {name for name, due in dues.items() if due is not None and due <= now}
        if "check" in late and self.state == states.AWAITING:
            self.checks += 1
            self._wait()
        elif "check" in late:
            self.check_due = now + (LONGEST_WAIT if self.state in states.CLOSED else EVERY_ROUND)
        if "mail" in late:
            self.mail_tries += 1
            self.mail_due = now + min(MAIL_GRACE * 2 ** min(self.mail_tries, 8), 24 * 60 * MINUTE)
        if "refund" in late:
            self.refund_due = now + EVERY_ROUND
        return late

    def rest(self) -> None:
        """Look no more after the payment: the last look is done."""
        self.check_due = None

    def point_at(self, capture_id: str, transaction: Transaction) -> None:
        """Let a capture's id lead to this order."""
        if self.capture == capture_id:
            return
        pointer = Pointer(f"capture#{capture_id}", order=self.id)
        unused = Pointer.id.does_not_exist() | (Pointer.order == self.id)
        transaction.put(pointer.id, pointer, unused)

    def write(self, transaction: Transaction) -> None:
        """Add this order to a transaction, refused if another change came first."""
        read_version = self.version
        self.version += 1
        if not self.emails_due:
            self.mail_due, self.mail_tries = None, 0
        dues = [due for due in (self.check_due, self.mail_due, self.refund_due) if due is not None]
        self.due = min(dues, default=None)
        self.attention = shard_of(self.id) if dues else None
        self.shard, self.placed = shard_of(self.id), f"{self.placed_at}#{self.id}"
        self.state_shard = f"{self.listed_as}#{self.shard}"
        self.raised = self.shard if self.open_issues or self.mail_is_late else None
        condition = Order.version == read_version if read_version else Order.id.does_not_exist()
        transaction.put("order", self, condition)

    def _move(self, new: str) -> None:
        states.check_move(self.state, new)
        self.state = new

    def _close(self, because: str, transaction: Transaction) -> None:
        self.return_stock(transaction)
        self.closed_because = because
        self.claim = None
        # One last look, when PayPal's order can no longer be captured by anybody.
        self.check_due = clock.timestamp() + PAYPAL_LIFE if self.attempts else None

    def _wait(self) -> None:
        now = clock.timestamp()
        self.check_due = now + min(5 * MINUTE * 2 ** min(self.checks, 8), LONGEST_WAIT)
        if self.reserved:
            self.check_due = min(self.check_due, max(self.reserved_until, now + EVERY_ROUND))


def _without_words(issue: dict[str, Any]) -> dict[str, Any]:
    return {**issue, "done": {**issue["done"], "words": ""}} if "done" in issue else issue


def moment() -> str:
    """Tell the time as orders keep it: ISO 8601 in UTC."""
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_order(
    *,
    lines: list[Line],
    customer: Mapping[str, str],
    shipping: int,
    taxes: Mapping[str, int],
    cart: str,
    cart_version: int,
) -> Order:
    """Make an order that is awaiting payment, with fresh ID and number; nothing is written."""
    items = sum(line.total for line in lines)
    order = Order(
        clock.new_id(),
        number=clock.new_number(),
        placed_at=moment(),
        currency=settings.currency,
        customer=dict(customer),
        frozen_lines=[{**vars(line), "options": dict(line.options)} for line in lines],
        items=items,
        shipping=shipping,
        taxes=dict(taxes),
        total=items + shipping,
        cart=cart,
        cart_version=cart_version,
        reserved_until=clock.timestamp() + settings.shop.reservation_seconds,
        attempts=[],
        refunds={},
        issues=[],
        emails_due={},
        emails_sent={},
        history=[],
    )
    order.note("placed")
    order._wait()
    return order


def change(order_id: str, action: Callable[[Order, Transaction], bool], known: Order | None = None) -> Order:
    """Read an order, let `action` change it, write it; again from the start where somebody else was quicker.

    `action` says whether anything is to be written. It may be called several times, each time with what is stored
    now, and must be right each time. Who has just written the order passes it as `known` and saves the first read.
    Raises NotFound, and Refused where another item of the transaction refused.
    """
    for _ in range(10):
        order, known = known or Order.fetch(order_id), None
        transaction = Transaction()
        if not action(order, transaction):
            return order
        order.write(transaction)
        try:
            transaction.commit()
        except Refused as refused:
            if "order" not in refused.names:
                raise  # else somebody was quicker, and what else refused may only follow from that
            last: Exception = refused
        except Unknown as unknown:
            last = unknown  # read again: if it was written after all, `action` finds it done
        else:
            return order
    raise Busy("The shop is very busy. Please try again in a moment.") from last
