"""The demo's orders: a few days of them, made through the shop's own services, each at its own time.

Only in an empty shop with the demo catalog, and only with the fake PayPal, whose clock is moved with the shop's. The
number of orders made is stored: an interrupted run continues at the next start.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock

from infra.local.demo.catalog import has_demo_catalog
from infra.local.demo.order_plan import Planned, plan_orders

if TYPE_CHECKING:
    from chalicelib.database.transactions import AuditWriter
    from chalicelib.orders.models import Order
    from chalicelib.staff.models import StaffMember
    from infra.local.fake_paypal import Control

MARK = "demo orders"
NOTE = "Gift-wrap it, and don’t put the invoice in the parcel."
BROKEN = "Arrived cracked."
SENT_BACK = "Returned unopened."


def make_demo_orders(
    drain_mail: Callable[[], object], is_ending: Callable[[], bool], report: Callable[[], None] = lambda: None
) -> None:
    """Make the orders that are missing, one after the other; stop between two of them when all is ending.

    `drain_mail` sends the mails that are due, `report` is called after each order.
    """
    from chalicelib import scheduled_runs
    from chalicelib.config import settings
    from chalicelib.payments.webhook_events import CONFIRMED_EVENTS
    from infra.commands.import_catalog import progress_bar

    made, merchant = _made_so_far(), _merchant()
    planned = plan_orders(datetime.now(UTC).astimezone(settings.timezone))
    if made is None or made >= len(planned) or merchant is None:
        return
    print("placing a few days of demo orders …", file=sys.stderr, flush=True)
    draw = progress_bar(sys.stderr) or (lambda done, total: None)
    try:
        with _moved_clocks() as (control, go):
            player = StoryPlayer(control, go, merchant, drain_mail)
            for number in range(made, len(planned)):
                if is_ending():
                    return
                scheduled_runs.record_run(MARK, str(number + 1))  # first: what failed once would fail again
                player.play(planned[number])
                draw(number + 1, len(planned))
                report()
    finally:
        scheduled_runs.record_run(
            CONFIRMED_EVENTS
        )  # no notifications of these sales are expected, so none are missing
    print(f"demo orders: {len(planned)}", file=sys.stderr, flush=True)


def _made_so_far() -> int | None:
    """Return how many demo orders exist; None if this shop gets none."""
    from chalicelib import scheduled_runs
    from chalicelib.config import settings
    from chalicelib.orders.models import Order
    from infra.local.fake_paypal.settings import CLIENT_ID

    known = scheduled_runs.last_runs([MARK])
    if known:
        return int(known[MARK].message)
    if settings.paypal_client_id != CLIENT_ID or not has_demo_catalog():
        return None
    return None if any(True for _ in Order.scan(limit=1)) else 0


def _merchant() -> "StaffMember | None":
    from chalicelib.staff.auth import accounts

    return next((member for member in accounts.list_accounts() if member.role == accounts.MERCHANT), None)


Go = Callable[[datetime], bool]


@contextmanager
def _moved_clocks() -> "Iterator[tuple[Control, Go]]":
    """Move the shop's clock and PayPal's together; reset both at the end.

    Yields PayPal's control client, and a function that moves the clocks to a moment, or returns False if that is in
    the future.
    """
    from chalicelib import clock
    from chalicelib.config import settings
    from infra.local.fake_paypal import Control

    control = Control(settings.paypal_api_url)
    behind = timedelta()

    def go(moment: datetime) -> bool:
        nonlocal behind
        if moment >= datetime.now(UTC):
            return False
        behind = datetime.now(UTC) - moment
        control.advance((moment - control.now()).total_seconds())
        return True

    # The shop does not listen yet, and needs no notifications: what it needs is passed on here.
    lost = control.fault("notification", "drop", times=None)
    try:
        with mock.patch.object(clock, "now", side_effect=lambda: datetime.now(UTC) - behind):
            yield control, go
    finally:
        control.advance((datetime.now(UTC) - control.now()).total_seconds())
        control.clear_faults(lost)


class StoryPlayer:
    """Plays the stories of orders: each step at its time, through the services that the pages use."""

    def __init__(
        self, control: "Control", go: Go, merchant: "StaffMember", drain_mail: Callable[[], object]
    ) -> None:
        self._control = control
        self._go = go
        self._merchant = merchant
        self._drain_mail = drain_mail

    def play(self, planned: Planned) -> None:
        """Place an order and play its story."""
        stories: dict[str, Callable[[Order, datetime], None]] = {
            "shipped": self._ship,
            "sent back": self._send_back,
            "broken": self._refund_a_part,
            "disputed": self._dispute,
            "reversed": self._reverse,
            "noted": self._leave_a_note,
            "paid": lambda order, at: None,
        }
        unpaid: dict[str, Callable[[Order, datetime], None]] = {
            "pending": self._pay_slowly,
            "declined": self._decline,
            "left": self._expire,
            "cancelled": self._cancel,
            "unpaid": lambda order, at: None,
        }
        self._go(planned.at)
        order = _place(planned)
        if planned.story in stories:
            self._pay(order, planned.at)
        (stories | unpaid)[planned.story](order, planned.at)
        self._drain_mail()

    # -- the customer -------------------------------------------------------------------------------------

    def _pay(self, order: "Order", at: datetime) -> None:
        self._approve(order, at, self._control.approve)

    def _pay_slowly(self, order: "Order", at: datetime) -> None:
        self._approve(order, at, self._control.slow)

    def _decline(self, order: "Order", at: datetime) -> None:
        self._approve(order, at, self._control.decline)

    def _approve(self, order: "Order", at: datetime, approve: Callable[[str], object]) -> None:
        from chalicelib.payments import capture_payment

        self._go(at + timedelta(minutes=2))
        approve(_paypal_id(order))
        capture_payment.capture_payment(order.id, shopper_present=True)
        self._drain_mail()

    def _dispute(self, order: "Order", at: datetime) -> None:
        self._ship(order, at)
        if self._go(at + timedelta(days=2, hours=5)):
            self._control.open_dispute(_capture(order))
            self._settle_notifications("CUSTOMER.DISPUTE.CREATED")

    def _reverse(self, order: "Order", at: datetime) -> None:
        self._ship(order, at)
        if self._go(at + timedelta(days=1, hours=20)):
            self._control.reverse(_capture(order))
            self._settle_notifications("PAYMENT.CAPTURE.REVERSED")

    def _settle_notifications(self, kind: str) -> None:
        from chalicelib.payments import webhook_events
        from chalicelib.payments.paypal import events

        for notification in self._control.notifications(kind):
            webhook_events.settle_notification(events.message_of(json.loads(notification.body)))

    # -- the shop -----------------------------------------------------------------------------------------

    def _ship(self, order: "Order", at: datetime) -> None:
        from chalicelib.staff.orders import order_actions

        packed = (at + timedelta(days=1)).replace(hour=9, minute=10 + at.minute // 2)
        if self._go(packed):
            tracking = f"DEMO{order.number.replace('-', '')}"
            parcel = order_actions.Parcel("Parcel Post", tracking, f"https://parcels.example.com/{tracking}")
            order_actions.ship(order.id, parcel, self._merchant.email, self._witness("marked as shipped"))
            self._drain_mail()

    def _leave_a_note(self, order: "Order", at: datetime) -> None:
        from chalicelib import ids
        from chalicelib.staff.orders import order_actions

        if self._go(at + timedelta(minutes=40)):
            order_actions.add_note(
                order.id, NOTE, self._merchant.email, ids.new_id(), self._witness("added a note")
            )

    def _cancel(self, order: "Order", at: datetime) -> None:
        from chalicelib.staff.orders import order_actions

        if self._go(at + timedelta(minutes=50)):
            order_actions.cancel(order.id, self._merchant.email, self._witness("cancelled"))

    def _expire(self, order: "Order", at: datetime) -> None:
        """The customer never returns; the reconciler closes the order once PayPal's order has expired."""
        from chalicelib.payments import reconciler

        if self._go(at + timedelta(hours=3, minutes=10)):
            reconciler.reconcile_order(order.id)

    def _refund_a_part(self, order: "Order", at: datetime) -> None:
        self._ship(order, at)
        self._refund(order, at + timedelta(days=3), order.lines[0].price, {}, BROKEN)

    def _send_back(self, order: "Order", at: datetime) -> None:
        self._ship(order, at)
        quantities = {line.sku: line.quantity for line in order.lines}
        self._refund(order, at + timedelta(days=4), int(order.total), quantities, SENT_BACK)

    def _refund(
        self, order: "Order", at: datetime, amount: int, quantities: dict[str, int], reason: str
    ) -> None:
        from chalicelib import ids
        from chalicelib.payments.refunds import RefundRequest, refund_payment

        if self._go(at):
            refund_request = RefundRequest(
                amount, shown_refundable=int(order.total), reason=reason, restock=quantities
            )
            refund_payment(
                order.id, ids.new_id(), refund_request, self._merchant.email, self._witness("refunded")
            )

    def _witness(self, what: str) -> "AuditWriter":
        from chalicelib.staff.audit import audit_log

        return audit_log.writer_for(self._merchant, what)


def _place(planned: Planned) -> "Order":
    """Fill a cart, place the order, and start the payment."""
    from chalicelib import clock
    from chalicelib.cart import service as carts
    from chalicelib.cart.totals import price_lines, totals_of
    from chalicelib.checkout.place_order import place_order
    from chalicelib.payments.start_payment import start_payment
    from chalicelib.shop_settings import delivery, taxes
    from chalicelib.taxes.assessment import Destination

    session_id = None
    for sku, quantity in planned.goods.items():
        session = carts.add_line(session_id, sku, quantity)
        session_id = session.cookies()[0].partition(";")[0].partition("=")[2]  # as the browser stores it
    customer = planned.customer
    destination = Destination(customer.country, customer.postal_code, customer.region)
    lines = price_lines(carts.get_lines(session))
    totals = totals_of(lines, destination, delivery.current(), taxes.current(), clock.today())
    order, _ = place_order(session, customer, totals.total)
    start_payment(order)
    return order


def _paypal_id(order: "Order") -> str:
    return str(type(order).fetch(order.id).paypal_order_id)


def _capture(order: "Order") -> str:
    return str(type(order).fetch(order.id).capture_id)
