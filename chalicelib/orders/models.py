"""The order: one row that holds everything about it, changed only from the version that was read.

Every change is the same three steps: read the order consistently, call its actions, write it whole under the
condition that its version is still the one that was read. Whoever comes second reads again: see `repository.change`.

Here are the table, the order's way from state to state, and its write. Its fields are in `row`, what goes back of it
in `refunding`, its parcels and what staff correct in `fulfillment`.
"""

from collections.abc import Mapping
from datetime import datetime

from pynamodb.attributes import UnicodeAttribute

from chalicelib import clock, telemetry
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.database.reads import get
from chalicelib.database.transactions import Transaction
from chalicelib.errors import NotFound
from chalicelib.orders import states
from chalicelib.orders.delivery.fulfillment import Fulfillable
from chalicelib.orders.holds import Hold
from chalicelib.orders.indexes import AttentionIndex, PlacedIndex, RaisedIndex, StateIndex, shard_of
from chalicelib.orders.timeouts import (
    CLAIM_SECONDS,
    EVERY_ROUND,
    LONGEST_WAIT,
    MAIL_GRACE,
    MINUTE,
    PAYPAL_LIFE,
)

# How PayPal can refuse a payment, by the event in the history: this way of paying; all payments to this shop; the
# delivery address; or not quite: it wants the shopper to confirm once more.
REFUSALS = {"declined", "payment refused", "address refused", "confirm again"}


class Pointer(Table):
    """Another name of an order: `paypal#…`, `capture#…`, `number#…`. In the orders' table: no index lag."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    id = UnicodeAttribute(hash_key=True)
    order = UnicodeAttribute()


class Order(Fulfillable):
    """The table of orders, and what moves one from state to state."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    attention_index = AttentionIndex()
    placed_index = PlacedIndex()
    state_index = StateIndex()
    raised_index = RaisedIndex()

    # -- reading ------------------------------------------------------------------------------------------

    @classmethod
    def fetch(cls, order_id: str) -> "Order":
        """Read an order consistently. Raises NotFound."""
        order = get(cls, order_id)
        if order is None:
            raise NotFound("We couldn’t find this order. Please check the link in your email.")
        telemetry.note(order=order.number)
        return order

    @classmethod
    def find(cls, pointer: str) -> str | None:
        """Follow a pointer such as `paypal#…` to an order's ID."""
        row = get(Pointer, pointer)
        return row.order if row else None

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
    def declined(self) -> bool:
        """Tell whether PayPal said no, and the shopper has not said yes again since."""
        return bool(self.declined_at)

    @property
    def last_refusal(self) -> str:
        """Return what PayPal's last refusal was, one of REFUSALS; "" where it has refused nothing that still counts."""
        if self.payment_refused:
            return "payment refused"
        refusals = [entry["event"] for entry in self.history if entry["event"] in REFUSALS]
        return refusals[-1] if self.declined and refusals else ""

    @property
    def address_refused(self) -> bool:
        """Return whether PayPal did not take the delivery address of an earlier attempt."""
        return any(attempt.get("address refused") for attempt in self.attempts)

    # -- stock --------------------------------------------------------------------------------------------

    def take_stock(self, transaction: Transaction) -> None:
        """Reserve every line for a payment that PayPal is being asked for."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.reserve(line.sku, line.quantity))
        self.reserved = True

    def hold_stock(self, transaction: Transaction, holder: str | None, most: Mapping[str, int]) -> None:
        """Reserve every line until it is paid; refused where `holder` would then hold more than `most` of a SKU."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.hold(line.sku, line.quantity))
            if holder is not None:
                hold = Hold.take(holder, line.sku, line.quantity, most[line.sku])
                transaction.update(f"hold#{line.sku}", *hold)
        self.reserved = self.held = True
        self.holder = holder
        self._hold_on()

    def return_stock(self, transaction: Transaction) -> None:
        """Put what is reserved back on the shelf; nothing where the reservation fell before."""
        if not self.reserved:
            return
        give_back = Stock.give_up if self.held else Stock.put_back
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *give_back(line.sku, line.quantity))
        self.reserved = False
        self._uncount(transaction)

    def drop_reservation(self, transaction: Transaction) -> None:
        """Let others buy what an unpaid order has held for too long."""
        self.return_stock(transaction)
        self.note("reservation over")

    def release_hold(self, transaction: Transaction, by: str) -> None:
        """Let others buy what an unpaid order holds, as staff decided; it is paid without a hold, if at all."""
        self.return_stock(transaction)
        self.note("hold released", by=by)

    @property
    def may_be_held(self) -> bool:
        """Tell whether paying again may reserve the pieces before they are paid: not once staff released them."""
        return not any(entry["event"] == "hold released" for entry in self.history)

    def keep_hold(self) -> bool:
        """Keep what is held for as long as PayPal may capture it: the shopper said yes. False where that is no news."""
        until = clock.timestamp() + PAYPAL_LIFE
        if not self.held or self.declined or self.reserved_until >= until:
            return False
        self.reserved_until = until
        return True

    def _hold_on(self) -> None:
        self.reserved_until = clock.timestamp() + settings.shop.reservation_seconds
        self.look_within(settings.shop.reservation_seconds)

    def _end_hold(self, transaction: Transaction) -> None:
        """Keep the pieces, which no longer count as held: they are paid, or PayPal has the money."""
        if self.held:
            for line in self.lines:
                transaction.update(f"stock#{line.sku}", *Stock.end_hold(line.sku, line.quantity))
            self._uncount(transaction)

    def _uncount(self, transaction: Transaction) -> None:
        if self.held and self.holder is not None:
            for line in self.lines:
                transaction.update(f"hold#{line.sku}", *Hold.give_back(self.holder, line.sku, line.quantity))
        self.held, self.holder = False, None

    def _after_no(self, transaction: Transaction) -> None:
        """Keep a hold a while longer for another try; what was only taken for the capture is everybody's again."""
        if self.held:
            self._hold_on()
        else:
            self.return_stock(transaction)

    # -- paying -------------------------------------------------------------------------------------------

    def start_attempt(self, paypal_id: str, transaction: Transaction, **more: str | None) -> None:
        """Remember PayPal's order before the shopper is sent to it: `payee`, `payee_email`, `link`, `pay_with`."""
        attempt = {"id": paypal_id, **more, "at": clock.moment(), "ended": False}
        self.attempts = [*self.attempts, attempt]
        self.declined_at = self.payment_refused = None
        self.checks = 0
        self.wait()
        pointer = Pointer(f"paypal#{paypal_id}", order=self.id)
        transaction.put(pointer.id, pointer, Pointer.id.does_not_exist())

    def end_attempt(self, paypal_id: str | None = None) -> None:
        """Note that PayPal's order, the last one unless another is named, can never be paid; paying needs another one."""
        self._mark_attempt(paypal_id or self.paypal_id, "ended")

    def turn_to(self, paypal_id: str) -> None:
        """Let an earlier attempt count again, which still lives at PayPal, and which the shopper approved after all."""
        self.attempts = sorted(self.attempts, key=lambda one: one["id"] == paypal_id and not one["ended"])

    def _mark_attempt(self, paypal_id: str | None, mark: str) -> None:
        self.attempts = [{**one, mark: True} if one["id"] == paypal_id else one for one in self.attempts]

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

    def release(self, transaction: Transaction, *, refused: bool, approved: bool) -> None:
        """capturing → awaiting, after a definite no. PayPal repeats a refusal: its request id is used up."""
        self._move(states.AWAITING)
        self.claim = None
        self.approved = approved
        if refused:
            self.capture_number += 1
        self._after_no(transaction)
        self.wait()

    def mark_declined(self, issue: str = "", event: str = "declined") -> None:
        """Note that PayPal did not take the payment; `event` is one of REFUSALS.

        The shopper must say yes again before PayPal is asked again.
        """
        self.declined_at = clock.moment()
        self._mark_attempt(self.paypal_id, "declined")
        self.payment_refused = (issue or "unnamed") if event == "payment refused" else None
        if event == "address refused":
            self._mark_attempt(self.paypal_id, event)
            self.end_attempt()
        self.note(event, issue)

    def refuse_payment(self, issue: str) -> None:
        """Note that PayPal lets nobody pay this shop. The next try is made under another request id."""
        if self.payment_refused != (issue or "unnamed"):
            self.note("payment refused", issue)
        self.payment_refused = issue or "unnamed"
        self.creates_refused += 1

    def approve_again(self, approved_at: datetime) -> bool:
        """Note that the shopper said yes at PayPal after a decline; False where that was before it."""
        if not self.declined_at or approved_at <= datetime.fromisoformat(self.declined_at):
            return False
        self.declined_at = self.payment_refused = None
        return True

    def mark_pending(self, capture_id: str, transaction: Transaction) -> None:
        """capturing → pending: PayPal holds the money."""
        self._move(states.PENDING)
        self._end_hold(transaction)
        self.claim = self.payment_refused = None
        self.point_at(capture_id, transaction)
        self.capture = capture_id
        self.note("pending")
        self.owe_mail("pending", capture_id)
        self.check_due = clock.timestamp() + EVERY_ROUND

    def mark_paid(self, capture_id: str, paypal_id: str | None, transaction: Transaction) -> None:
        """capturing or pending → paid: the reserved pieces are sold. `paypal_id` is PayPal's order, where it is told."""
        self._move(states.PAID)
        self._end_hold(transaction)
        self.claim = self.payment_refused = None
        self.reserved = False
        self.point_at(capture_id, transaction)
        self.capture = capture_id
        self.paid_at = clock.moment()
        self.paid_by = paypal_id or self.paypal_id
        # What paid is used up at PayPal. Another attempt, thought dead when this one was made, may still be paid.
        self._plan_last_look(when=len(self.attempts) > 1)
        self.note("paid")
        self.owe_mail("paid", capture_id)
        self.owe_mail("merchant", capture_id)

    def mark_unpaid(self, transaction: Transaction) -> None:
        """capturing or pending → awaiting: what PayPal did about the payment does not pay this order."""
        self._move(states.AWAITING)
        self.claim = None
        self.capture = None
        self.capture_number += 1
        self._after_no(transaction)
        self.wait()

    def point_at(self, capture_id: str, transaction: Transaction) -> None:
        """Let a capture's id lead to this order."""
        if self.capture == capture_id:
            return
        pointer = Pointer(f"capture#{capture_id}", order=self.id)
        unused = Pointer.id.does_not_exist() | (Pointer.order == self.id)
        transaction.put(pointer.id, pointer, unused)

    # -- ending ------------------------------------------------------------------------------

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

    def _close(self, because: str, transaction: Transaction) -> None:
        self.return_stock(transaction)
        self.closed_because = because
        self.claim = None
        self._plan_last_look(when=bool(self.attempts))

    def _plan_last_look(self, *, when: bool) -> None:
        """Look once more, when none of PayPal's orders can be captured by anybody any longer."""
        self.check_due = clock.timestamp() + PAYPAL_LIFE if when else None
        self.checks = 0

    # -- when it is looked at again -----------------------------------------------------------------------

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
            self.wait()
        elif "check" in late and self.state in states.CLOSED:
            self.check_due = now + LONGEST_WAIT
        elif "check" in late:
            self.check_due = now + EVERY_ROUND
        if "mail" in late:
            self.mail_tries += 1
            self.mail_due = now + min(MAIL_GRACE * 2 ** min(self.mail_tries, 8), 24 * 60 * MINUTE)
        if "refund" in late:
            self.refund_due = now + EVERY_ROUND
        return late

    def rest(self) -> None:
        """Look no more after the payment: the last look is done."""
        self.check_due = None

    def wait(self) -> None:
        """Have the reconciler look at what awaits payment; the more often it looked in vain, the later."""
        now = clock.timestamp()
        self.check_due = now + min(5 * MINUTE * 2 ** min(self.checks, 8), LONGEST_WAIT)
        if self.reserved:
            self.check_due = min(self.check_due, max(self.reserved_until, now + EVERY_ROUND))

    # -- writing ------------------------------------------------------------------------------------------

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
