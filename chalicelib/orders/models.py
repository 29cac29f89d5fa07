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
from chalicelib.orders import holds, states
from chalicelib.orders.delivery.fulfillment import FulfillmentMixin
from chalicelib.orders.enums import PAYMENT_REJECTIONS, CloseReason, EmailKind, HistoryEvent
from chalicelib.orders.indexes import DueIndex, OpenIssuesIndex, PlacedIndex, StateIndex, shard_of
from chalicelib.orders.states import OrderState
from chalicelib.orders.timeouts import (
    CLAIM_SECONDS,
    EMAIL_RETRY_DELAY,
    MAX_CHECK_DELAY,
    MINUTE,
    NEXT_RUN,
    PAYPAL_ORDER_LIFETIME,
)


class OrderLookup(Table):
    """Another name of an order: `paypal#…`, `capture#…`, `number#…`. In the orders' table: no index lag."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    id = UnicodeAttribute(hash_key=True)
    order_id = UnicodeAttribute()


class Order(FulfillmentMixin):
    """The table of orders, and what moves one from state to state."""

    class Meta(TableMeta):
        table_name = table_name("orders")

    due_index = DueIndex()
    placed_index = PlacedIndex()
    state_index = StateIndex()
    open_issues_index = OpenIssuesIndex()

    # -- reading ------------------------------------------------------------------------------------------

    @classmethod
    def fetch(cls, order_id: str) -> "Order":
        """Read an order consistently. Raises NotFound."""
        order = get(cls, order_id)
        if order is None:
            raise NotFound("We couldn’t find this order. Please check the link in your email.")
        telemetry.add_log_context(order=order.number)
        return order

    @classmethod
    def find_by_lookup(cls, pointer: str) -> str | None:
        """Follow a pointer such as `paypal#…` to an order's ID."""
        row = get(OrderLookup, pointer)
        return row.order_id if row else None

    @property
    def awaits_shipping(self) -> bool:
        """Return whether the customer waits for a parcel: not where all of the payment was given back."""
        return self.state == OrderState.PAID and self.refunded_or_pending < self.total

    @property
    def list_status(self) -> str:
        """Return under what staff find the order: its state, but what was given back waits for no parcel."""
        waits = self.state != OrderState.PAID or self.awaits_shipping
        return str(self.state) if waits else states.REFUNDED_BEFORE_SHIPPING

    @property
    def declined(self) -> bool:
        """Return whether PayPal said no, and the shopper has not said yes again since."""
        return bool(self.declined_at)

    @property
    def last_rejection(self) -> HistoryEvent | None:
        """Return what PayPal's last refusal was, one of PAYMENT_REJECTIONS; None where it has refused nothing that still counts."""
        if self.payment_refusal:
            return HistoryEvent.PAYMENT_REFUSED
        refusals = [
            HistoryEvent(entry["event"]) for entry in self.history if entry["event"] in PAYMENT_REJECTIONS
        ]
        return refusals[-1] if self.declined and refusals else None

    @property
    def address_refused(self) -> bool:
        """Return whether PayPal did not take the delivery address of an earlier attempt."""
        return any(attempt.get("address_rejected") for attempt in self.payment_attempts)

    # -- stock --------------------------------------------------------------------------------------------

    def reserve_stock(self, transaction: Transaction) -> None:
        """Reserve every line for a payment that PayPal is being asked for."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.reserve(line.sku, line.quantity))
        self.reserved = True

    def hold_stock(self, transaction: Transaction, holder: str | None, most: Mapping[str, int]) -> None:
        """Reserve every line until it is paid; refused where `holder` would then hold more than `most` of a SKU."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.hold(line.sku, line.quantity))
            holds.take(transaction, holder, line, most[line.sku])
        self.reserved = self.held = True
        self.holder = holder
        self._renew_hold()

    def release_stock(self, transaction: Transaction) -> None:
        """Put what is reserved back on the shelf; nothing where the reservation fell before."""
        if not self.reserved:
            return
        give_back = Stock.release_hold if self.held else Stock.release
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *give_back(line.sku, line.quantity))
        self.reserved = False
        self._release_holder(transaction)

    def expire_reservation(self, transaction: Transaction) -> None:
        """Let others buy what an unpaid order has held for too long."""
        self.release_stock(transaction)
        self.add_event(HistoryEvent.RESERVATION_EXPIRED)

    def release_hold(self, transaction: Transaction, actor: str) -> None:
        """Let others buy what an unpaid order holds, as staff decided; it is paid without a hold, if at all."""
        self.release_stock(transaction)
        self.add_event(HistoryEvent.HOLD_RELEASED, actor=actor)

    @property
    def can_be_held(self) -> bool:
        """Return whether paying again may reserve the pieces before they are paid: not once staff released them."""
        return not any(entry["event"] == HistoryEvent.HOLD_RELEASED for entry in self.history)

    def extend_hold(self) -> bool:
        """Keep what is held for as long as PayPal may capture it: the shopper said yes. False where that is no news."""
        until = clock.timestamp() + PAYPAL_ORDER_LIFETIME
        if not self.held or self.declined or self.reserved_until >= until:
            return False
        self.reserved_until = until
        return True

    def _renew_hold(self) -> None:
        self.reserved_until = clock.timestamp() + settings.shop.reservation_seconds
        self.check_within(settings.shop.reservation_seconds)

    def _end_hold(self, transaction: Transaction) -> None:
        """Keep the pieces, which no longer count as held: they are paid, or PayPal has the money."""
        if self.held:
            for line in self.lines:
                transaction.update(f"stock#{line.sku}", *Stock.end_hold(line.sku, line.quantity))
            self._release_holder(transaction)

    def _release_holder(self, transaction: Transaction) -> None:
        if self.held:
            for line in self.lines:
                holds.release(transaction, self.holder, line)
        self.held, self.holder = False, None

    def _after_denial(self, transaction: Transaction) -> None:
        """Keep a hold a while longer for another try; what was only taken for the capture is everybody's again."""
        if self.held:
            self._renew_hold()
        else:
            self.release_stock(transaction)

    # -- paying -------------------------------------------------------------------------------------------

    def start_attempt(self, paypal_id: str, transaction: Transaction, **more: str | None) -> None:
        """Remember PayPal's order before the shopper is sent to it: `payee`, `payee_email`, `link`, `pay_with`."""
        attempt = {"id": paypal_id, **more, "at": clock.iso_now(), "ended": False}
        self.payment_attempts = [*self.payment_attempts, attempt]
        self.declined_at = self.payment_refusal = None
        self.check_count = 0
        self.schedule_next_check()
        pointer = OrderLookup(f"paypal#{paypal_id}", order_id=self.id)
        transaction.put(pointer.id, pointer, OrderLookup.id.does_not_exist())

    def end_attempt(self, paypal_id: str | None = None) -> None:
        """Note that PayPal's order, the last one unless another is named, can never be paid; paying needs another one."""
        self._flag_attempt(paypal_id or self.paypal_order_id, "ended")

    def reactivate_attempt(self, paypal_id: str) -> None:
        """Let an earlier attempt count again, which still lives at PayPal, and which the shopper approved after all."""
        self.payment_attempts = sorted(
            self.payment_attempts, key=lambda one: one["id"] == paypal_id and not one["ended"]
        )

    def _flag_attempt(self, paypal_id: str | None, flag: str) -> None:
        self.payment_attempts = [
            {**one, flag: True} if one["id"] == paypal_id else one for one in self.payment_attempts
        ]

    def mark_capturing(self, claim: str) -> None:
        """awaiting → capturing: from here on only PayPal's answer moves the order."""
        self._transition(OrderState.CAPTURING)
        self.capture_claim = claim
        self.approved = True
        self.next_check_at = clock.timestamp() + CLAIM_SECONDS

    def claim_for_capture(self, claim: str, transaction: Transaction) -> None:
        """awaiting → capturing. A reservation that fell is taken again, or the transaction is refused."""
        self.mark_capturing(claim)
        if not self.reserved:
            self.reserve_stock(transaction)

    def release_claim(self, transaction: Transaction, *, refused: bool, approved: bool) -> None:
        """capturing → awaiting, after a definite no. PayPal repeats a refusal: its request id is used up."""
        self._transition(OrderState.AWAITING)
        self.capture_claim = None
        self.approved = approved
        if refused:
            self.capture_attempt += 1
        self._after_denial(transaction)
        self.schedule_next_check()

    def mark_declined(self, issue: str = "", event: HistoryEvent = HistoryEvent.PAYMENT_DECLINED) -> None:
        """Note that PayPal did not take the payment; `event` is one of PAYMENT_REJECTIONS.

        The shopper must say yes again before PayPal is asked again.
        """
        self.declined_at = clock.iso_now()
        self._flag_attempt(self.paypal_order_id, "declined")
        self.payment_refusal = (issue or "unnamed") if event == HistoryEvent.PAYMENT_REFUSED else None
        if event == HistoryEvent.ADDRESS_REJECTED:
            self._flag_attempt(self.paypal_order_id, "address_rejected")
            self.end_attempt()
        self.add_event(event, issue)

    def mark_payment_refused(self, issue: str) -> None:
        """Note that PayPal lets nobody pay this shop. The next try is made under another request id."""
        if self.payment_refusal != (issue or "unnamed"):
            self.add_event(HistoryEvent.PAYMENT_REFUSED, issue)
        self.payment_refusal = issue or "unnamed"
        self.refused_creations += 1

    def mark_approved_again(self, approved_at: datetime) -> bool:
        """Note that the shopper said yes at PayPal after a decline; False where that was before it."""
        if not self.declined_at or approved_at <= datetime.fromisoformat(self.declined_at):
            return False
        self.declined_at = self.payment_refusal = None
        return True

    def mark_pending(self, capture_id: str, transaction: Transaction) -> None:
        """capturing → pending: PayPal holds the money."""
        self._transition(OrderState.PENDING)
        self._end_hold(transaction)
        self.capture_claim = self.payment_refusal = None
        self.add_capture_lookup(capture_id, transaction)
        self.capture_id = capture_id
        self.add_event(HistoryEvent.PAYMENT_PENDING)
        self.queue_email(EmailKind.PAYMENT_PENDING, capture_id)
        self.next_check_at = clock.timestamp() + NEXT_RUN

    def mark_paid(self, capture_id: str, paypal_id: str | None, transaction: Transaction) -> None:
        """capturing or pending → paid: the reserved pieces are sold. `paypal_id` is PayPal's order, where it is told."""
        self._transition(OrderState.PAID)
        self._end_hold(transaction)
        self.capture_claim = self.payment_refusal = None
        self.reserved = False
        self.add_capture_lookup(capture_id, transaction)
        self.capture_id = capture_id
        self.paid_at = clock.iso_now()
        self.paid_paypal_order_id = paypal_id or self.paypal_order_id
        # What paid is used up at PayPal. Another attempt, thought dead when this one was made, may still be paid.
        self._schedule_final_check(when=len(self.payment_attempts) > 1)
        self.add_event(HistoryEvent.PAID)
        self.queue_email(EmailKind.ORDER_PAID, capture_id)
        self.queue_email(EmailKind.MERCHANT_ORDER_PAID, capture_id)

    def mark_unpaid(self, transaction: Transaction) -> None:
        """capturing or pending → awaiting: what PayPal did about the payment does not pay this order."""
        self._transition(OrderState.AWAITING)
        self.capture_claim = None
        self.capture_id = None
        self.capture_attempt += 1
        self._after_denial(transaction)
        self.schedule_next_check()

    def add_capture_lookup(self, capture_id: str, transaction: Transaction) -> None:
        """Let a capture's id lead to this order."""
        if self.capture_id == capture_id:
            return
        pointer = OrderLookup(f"capture#{capture_id}", order_id=self.id)
        unused = OrderLookup.id.does_not_exist() | (OrderLookup.order_id == self.id)
        transaction.put(pointer.id, pointer, unused)

    # -- ending ------------------------------------------------------------------------------

    def expire(self, reason: CloseReason, transaction: Transaction) -> None:
        """awaiting → expired. Only who had approved is told: nobody is mailed for a cart they left."""
        self._transition(OrderState.EXPIRED)
        self._close(reason, transaction)
        self.add_event(HistoryEvent.EXPIRED, reason)
        if self.approved:
            self.queue_email(EmailKind.ORDER_EXPIRED, self.paypal_order_id or self.id)

    def cancel(self, reason: CloseReason, transaction: Transaction, **more: str) -> None:
        """awaiting → cancelled, stock back."""
        self._transition(OrderState.CANCELLED)
        self._close(reason, transaction)
        self.add_event(HistoryEvent.CANCELLED, reason, **more)

    def _close(self, reason: CloseReason, transaction: Transaction) -> None:
        self.release_stock(transaction)
        self.close_reason = reason
        self.capture_claim = None
        self._schedule_final_check(when=bool(self.payment_attempts))

    def _schedule_final_check(self, *, when: bool) -> None:
        """Look once more, when none of PayPal's orders can be captured by anybody any longer."""
        self.next_check_at = clock.timestamp() + PAYPAL_ORDER_LIFETIME if when else None
        self.check_count = 0

    # -- when it is looked at again -----------------------------------------------------------------------

    def check_within(self, seconds: int) -> bool:
        """Have the reconciler look soon; False where it does anyway."""
        soon = clock.timestamp() + seconds
        if self.next_check_at is not None and self.next_check_at <= soon:
            return False
        self.next_check_at = soon
        return True

    def defer_due_work(self, now: int) -> set[str]:
        """Move what is due to a later round, before it is worked on, so that a crash cannot hold the rest back.

        Returns what was due: check, mail, refund.
        """
        dues = {"check": self.next_check_at, "mail": self.next_email_at, "refund": self.next_refund_at}
        late = {name for name, due in dues.items() if due is not None and due <= now}
        if "check" in late and self.state == OrderState.AWAITING:
            self.check_count += 1
            self.schedule_next_check()
        elif "check" in late and self.state in states.CLOSED:
            self.next_check_at = now + MAX_CHECK_DELAY
        elif "check" in late:
            self.next_check_at = now + NEXT_RUN
        if "mail" in late:
            self.email_attempts += 1
            self.next_email_at = now + min(
                EMAIL_RETRY_DELAY * 2 ** min(self.email_attempts, 8), 24 * 60 * MINUTE
            )
        if "refund" in late:
            self.next_refund_at = now + NEXT_RUN
        return late

    def stop_checks(self) -> None:
        """Look no more after the payment: the last look is done."""
        self.next_check_at = None

    def schedule_next_check(self) -> None:
        """Have the reconciler look at what awaits payment; the more often it looked in vain, the later."""
        now = clock.timestamp()
        self.next_check_at = now + min(5 * MINUTE * 2 ** min(self.check_count, 8), MAX_CHECK_DELAY)
        if self.reserved:
            self.next_check_at = min(self.next_check_at, max(self.reserved_until, now + NEXT_RUN))

    # -- writing ------------------------------------------------------------------------------------------

    def add_to_transaction(self, transaction: Transaction) -> None:
        """Add this order to a transaction, refused if another change came first."""
        read_version = self.version
        self.version += 1
        if not self.emails_due:
            self.next_email_at, self.email_attempts = None, 0
        dues = [
            due for due in (self.next_check_at, self.next_email_at, self.next_refund_at) if due is not None
        ]
        self.due_at = min(dues, default=None)
        self.due_shard = shard_of(self.id) if dues else None
        self.shard, self.placed_key = shard_of(self.id), f"{self.placed_at}#{self.id}"
        self.state_shard = f"{self.list_status}#{self.shard}"
        self.open_issues_shard = self.shard if self.open_issues or self.has_late_email else None
        condition = Order.version == read_version if read_version else Order.id.does_not_exist()
        transaction.put("order", self, condition)
