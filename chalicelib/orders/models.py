"""The order: one row that holds everything about it, changed only from the version that was read.

Every change takes three steps: read the order consistently, call its actions, write the whole row on condition
that its version is still the one that was read. If another change was faster, start again: see
`repository.update_order`.

This module has the table, the transitions between states, and the write. The fields are in `base`, refunds in
`refunds`, parcels and corrections in `delivery.fulfillment`.
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
    """A row that leads to an order from another ID.

    The IDs are `paypal#…`, `capture#…` and `number#…`. It is in the orders' table, so without an index's delay.
    """

    class Meta(TableMeta):
        table_name = table_name("orders")

    id = UnicodeAttribute(hash_key=True)
    order_id = UnicodeAttribute()


class Order(FulfillmentMixin):
    """The table of orders, with the transitions between states."""

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
        """Return the ID of the order that a lookup such as `paypal#…` leads to; None if there is none."""
        row = get(OrderLookup, pointer)
        return row.order_id if row else None

    @property
    def awaits_shipping(self) -> bool:
        """Return whether the order is to be shipped: paid, and not fully refunded."""
        return self.state == OrderState.PAID and self.refunded_or_pending < self.total

    @property
    def list_status(self) -> str:
        """Return the status that staff filter by: the state, or that it was refunded before shipping."""
        waits = self.state != OrderState.PAID or self.awaits_shipping
        return str(self.state) if waits else states.REFUNDED_BEFORE_SHIPPING

    @property
    def declined(self) -> bool:
        """Return whether PayPal declined, and the shopper has not approved again since."""
        return bool(self.declined_at)

    @property
    def last_rejection(self) -> HistoryEvent | None:
        """Return PayPal's last rejection, one of PAYMENT_REJECTIONS; None if none still applies."""
        if self.payment_refusal:
            return HistoryEvent.PAYMENT_REFUSED
        refusals = [
            HistoryEvent(entry["event"]) for entry in self.history if entry["event"] in PAYMENT_REJECTIONS
        ]
        return refusals[-1] if self.declined and refusals else None

    @property
    def address_refused(self) -> bool:
        """Return whether PayPal rejected the delivery address of an earlier attempt."""
        return any(attempt.get("address_rejected") for attempt in self.payment_attempts)

    # -- stock --------------------------------------------------------------------------------------------

    def reserve_stock(self, transaction: Transaction) -> None:
        """Reserve every line for a payment that is about to be captured."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.reserve(line.sku, line.quantity))
        self.reserved = True

    def hold_stock(self, transaction: Transaction, holder: str | None, most: Mapping[str, int]) -> None:
        """Reserve every line until it is paid; refused if `holder` would then hold more than `most` of a SKU."""
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *Stock.hold(line.sku, line.quantity))
            holds.take(transaction, holder, line, most[line.sku])
        self.reserved = self.held = True
        self.holder = holder
        self._renew_hold()

    def release_stock(self, transaction: Transaction) -> None:
        """Return the reserved units to the stock; does nothing if the reservation has ended before."""
        if not self.reserved:
            return
        give_back = Stock.release_hold if self.held else Stock.release
        for line in self.lines:
            transaction.update(f"stock#{line.sku}", *give_back(line.sku, line.quantity))
        self.reserved = False
        self._release_holder(transaction)

    def expire_reservation(self, transaction: Transaction) -> None:
        """End the reservation of an unpaid order whose time is over, so that others can buy its units."""
        self.release_stock(transaction)
        self.add_event(HistoryEvent.RESERVATION_EXPIRED)

    def release_hold(self, transaction: Transaction, actor: str) -> None:
        """End the hold of an unpaid order, as staff decided; if it is paid at all, it is paid without a hold."""
        self.release_stock(transaction)
        self.add_event(HistoryEvent.HOLD_RELEASED, actor=actor)

    @property
    def can_be_held(self) -> bool:
        """Return whether paying again may hold the units before they are paid: not once staff released them."""
        return not any(entry["event"] == HistoryEvent.HOLD_RELEASED for entry in self.history)

    def extend_hold(self) -> bool:
        """Extend the hold for as long as PayPal may capture: the shopper approved. False if that was known before."""
        until = clock.timestamp() + PAYPAL_ORDER_LIFETIME
        if not self.held or self.declined or self.reserved_until >= until:
            return False
        self.reserved_until = until
        return True

    def _renew_hold(self) -> None:
        self.reserved_until = clock.timestamp() + settings.shop.reservation_seconds
        self.check_within(settings.shop.reservation_seconds)

    def _end_hold(self, transaction: Transaction) -> None:
        """Stop counting the reserved units as held: they are paid, or PayPal has the money."""
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
        """Extend a hold for another attempt; units that were reserved only for the capture are released."""
        if self.held:
            self._renew_hold()
        else:
            self.release_stock(transaction)

    # -- paying -------------------------------------------------------------------------------------------

    def start_attempt(self, paypal_id: str, transaction: Transaction, **more: str | None) -> None:
        """Store a PayPal order before the shopper is sent to it.

        `more` is `payee`, `payee_email`, `approval_url`, `pay_with`.
        """
        attempt = {"id": paypal_id, **more, "at": clock.iso_now(), "ended": False}
        self.payment_attempts = [*self.payment_attempts, attempt]
        self.declined_at = self.payment_refusal = None
        self.check_count = 0
        self.schedule_next_check()
        pointer = OrderLookup(f"paypal#{paypal_id}", order_id=self.id)
        transaction.put(pointer.id, pointer, OrderLookup.id.does_not_exist())

    def end_attempt(self, paypal_id: str | None = None) -> None:
        """Mark a PayPal order, by default the last one, as ended: it can never be paid, and paying needs a new attempt."""
        self._flag_attempt(paypal_id or self.paypal_order_id, "ended")

    def reactivate_attempt(self, paypal_id: str) -> None:
        """Make an earlier attempt the current one: it is still alive at PayPal, and the shopper approved it after all."""
        self.payment_attempts = sorted(
            self.payment_attempts, key=lambda one: one["id"] == paypal_id and not one["ended"]
        )

    def _flag_attempt(self, paypal_id: str | None, flag: str) -> None:
        self.payment_attempts = [
            {**one, flag: True} if one["id"] == paypal_id else one for one in self.payment_attempts
        ]

    def mark_capturing(self, claim: str) -> None:
        """awaiting → capturing: from here on only PayPal's answer changes the state."""
        self._transition(OrderState.CAPTURING)
        self.capture_claim, self.claimed_at = claim, clock.timestamp()
        self.approved = True
        self.next_check_at = clock.timestamp() + CLAIM_SECONDS

    def claim_for_capture(self, claim: str, transaction: Transaction) -> None:
        """awaiting → capturing. A reservation that has ended is made again, or the transaction is refused."""
        self.mark_capturing(claim)
        if not self.reserved:
            self.reserve_stock(transaction)

    def release_claim(self, transaction: Transaction, *, refused: bool, approved: bool) -> None:
        """capturing → awaiting, after a definite refusal. PayPal repeats a refusal, so its request ID is used up."""
        self._transition(OrderState.AWAITING, of={OrderState.CAPTURING})
        self.capture_claim = None
        self.approved = approved
        if refused:
            self.capture_attempt += 1
        self._after_denial(transaction)
        self.schedule_next_check()

    def mark_declined(self, issue: str = "", event: HistoryEvent = HistoryEvent.PAYMENT_DECLINED) -> None:
        """Record that PayPal did not take the payment; `event` is one of PAYMENT_REJECTIONS.

        The shopper must approve again before the next capture.
        """
        self.declined_at = clock.iso_now()
        self._flag_attempt(self.paypal_order_id, "declined")
        self.payment_refusal = (issue or "unnamed") if event == HistoryEvent.PAYMENT_REFUSED else None
        if event == HistoryEvent.ADDRESS_REJECTED:
            self._flag_attempt(self.paypal_order_id, "address_rejected")
            self.end_attempt()
        self.add_event(event, issue)

    def mark_payment_refused(self, issue: str) -> None:
        """Record that PayPal takes no payments for this shop. The next attempt has another request ID."""
        if self.payment_refusal != (issue or "unnamed"):
            self.add_event(HistoryEvent.PAYMENT_REFUSED, issue)
        self.payment_refusal = issue or "unnamed"
        self.refused_creations += 1

    def mark_approved_again(self, approved_at: datetime) -> bool:
        """Record that the shopper approved at PayPal after a decline; False if the approval was before it."""
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
        """capturing or pending → paid: the reserved units are sold. `paypal_id` is PayPal's order, if known."""
        self._transition(OrderState.PAID, of={OrderState.CAPTURING, OrderState.PENDING})
        self._end_hold(transaction)
        self.capture_claim = self.payment_refusal = None
        self.reserved = False
        self.add_capture_lookup(capture_id, transaction)
        self.capture_id = capture_id
        self.paid_at = clock.iso_now()
        self.paid_paypal_order_id = paypal_id or self.paypal_order_id
        # The attempt that paid is used up at PayPal. Another one that seemed to have ended may still be paid.
        self._schedule_final_check(when=len(self.payment_attempts) > 1)
        self.add_event(HistoryEvent.PAID)
        self.queue_email(EmailKind.ORDER_PAID, capture_id)
        self.queue_email(EmailKind.MERCHANT_ORDER_PAID, capture_id)

    def mark_unpaid(self, transaction: Transaction) -> None:
        """capturing or pending → awaiting: PayPal took no money, or the money does not pay this order."""
        self._transition(OrderState.AWAITING)
        self.capture_claim = None
        self.capture_id = None
        self.capture_attempt += 1
        self._after_denial(transaction)
        self.schedule_next_check()

    def add_capture_lookup(self, capture_id: str, transaction: Transaction) -> None:
        """Add the lookup from a capture's ID to this order."""
        if self.capture_id == capture_id:
            return
        pointer = OrderLookup(f"capture#{capture_id}", order_id=self.id)
        unused = OrderLookup.id.does_not_exist() | (OrderLookup.order_id == self.id)
        transaction.put(pointer.id, pointer, unused)

    # -- ending ------------------------------------------------------------------------------

    def expire(self, reason: CloseReason, transaction: Transaction) -> None:
        """awaiting → expired. The customer is emailed only if they had approved, not if they just left."""
        self._transition(OrderState.EXPIRED)
        self._close(reason, transaction)
        self.add_event(HistoryEvent.EXPIRED, reason)
        if self.approved:
            self.queue_email(EmailKind.ORDER_EXPIRED, self.paypal_order_id or self.id)

    def cancel(self, reason: CloseReason, transaction: Transaction, **more: str) -> None:
        """awaiting → cancelled; the reserved units return to the stock."""
        self._transition(OrderState.CANCELLED)
        self._close(reason, transaction)
        self.add_event(HistoryEvent.CANCELLED, reason, **more)

    def _close(self, reason: CloseReason, transaction: Transaction) -> None:
        self.release_stock(transaction)
        self.close_reason = reason
        self.capture_claim = None
        self._schedule_final_check(when=bool(self.payment_attempts))

    def _schedule_final_check(self, *, when: bool) -> None:
        """Schedule a final check, when none of the PayPal orders can be captured any longer."""
        self.next_check_at = clock.timestamp() + PAYPAL_ORDER_LIFETIME if when else None
        self.check_count = 0

    # -- when it is looked at again -----------------------------------------------------------------------

    def check_within(self, seconds: int) -> bool:
        """Schedule the reconciler's check within `seconds`; False if one is due by then anyway."""
        soon = clock.timestamp() + seconds
        if self.next_check_at is not None and self.next_check_at <= soon:
            return False
        self.next_check_at = soon
        return True

    def defer_due_work(self, now: int) -> set[str]:
        """Move due work to a later run before it is done, so that an order that crashes cannot block the others.

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
        """Schedule no more checks of the payment: the final check is done."""
        self.next_check_at = None

    def schedule_next_check(self) -> None:
        """Schedule the next check of an order that awaits payment; the more checks there were, the later."""
        now = clock.timestamp()
        self.next_check_at = now + min(5 * MINUTE * 2 ** min(self.check_count, 8), MAX_CHECK_DELAY)
        if self.reserved:
            self.next_check_at = min(self.next_check_at, max(self.reserved_until, now + NEXT_RUN))

    # -- writing ------------------------------------------------------------------------------------------

    def add_to_transaction(self, transaction: Transaction) -> None:
        """Add this order to a transaction, on condition that no other change came first."""
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
