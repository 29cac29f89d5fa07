"""The order's states on plain objects: which transition is allowed in which state, and what each one changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.orders import states
from chalicelib.orders.enums import CloseReason
from chalicelib.orders.models import Order
from chalicelib.orders.states import InvalidTransition, OrderState
from chalicelib.orders.timeouts import CLAIM_SECONDS, MINUTE, NEXT_RUN, PAYPAL_ORDER_LIFETIME
from tests.orders.plain_order import PAYPAL_ORDER, PlainTransaction, fields_of, plain_order

AWAITING, CAPTURING, PENDING, PAID, SHIPPED, CANCELLED, EXPIRED = OrderState
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT, SECONDS = "2026-11-22T12:00:00.000Z", int(NOW.timestamp())
HOLDER = "a" * 64
ATTEMPT = {"id": PAYPAL_ORDER, "payee": "SHOP", "payee_email": None, "at": AT, "ended": False}
PARCEL = {"id": "p1", "carrier": "DHL", "tracking": "1", "link": "", "at": AT}
Act = Callable[[Order, PlainTransaction], object]


@pytest.fixture(autouse=True)
def frozen_time() -> Iterator[None]:
    """Let all happen at one moment."""
    with mock.patch.object(clock, "now", return_value=NOW):
        yield


HELD = {"reserved": True, "held": True, "holder": HOLDER, "reserved_until": SECONDS + MINUTE}
RESERVED = {"reserved": True, "reserved_until": SECONDS}  # taken for the capture alone
USUAL: dict[OrderState, dict[str, Any]] = {
    AWAITING: HELD,
    CAPTURING: HELD | {"capture_claim": "claim", "claimed_at": SECONDS, "approved": True},
    PENDING: RESERVED | {"capture_id": "CAPTURE", "approved": True},
    PAID: {"capture_id": "CAPTURE", "approved": True, "paid_at": AT},
    SHIPPED: {"capture_id": "CAPTURE", "approved": True, "paid_at": AT, "stored_parcels": [PARCEL]},
    CANCELLED: {"close_reason": CloseReason.SUPERSEDED},
    EXPIRED: {"close_reason": CloseReason.PAYMENT_EXPIRED},
}


def order_in(state: OrderState, **values: Any) -> Order:
    """Return an order as it usually is in a state, sent to PayPal once; `values` differ."""
    return plain_order(**({"state": str(state), "payment_attempts": [ATTEMPT]} | USUAL[state] | values))


# -- which transition is allowed where ----------------------------------------------------------------------

TRANSITIONS: dict[str, tuple[Act, dict[OrderState, OrderState]]] = {
    "mark_capturing": (lambda order, _: order.mark_capturing("claim"), {AWAITING: CAPTURING}),
    "claim_for_capture": (
        lambda order, transaction: order.claim_for_capture("claim", transaction),
        {AWAITING: CAPTURING},
    ),
    "release_claim": (
        lambda order, transaction: order.release_claim(transaction, refused=True, approved=True),
        {CAPTURING: AWAITING},
    ),
    "mark_pending": (
        lambda order, transaction: order.mark_pending("CAPTURE", transaction),
        {CAPTURING: PENDING},
    ),
    "mark_paid": (
        lambda order, transaction: order.mark_paid("CAPTURE", None, transaction),
        {CAPTURING: PAID, PENDING: PAID},
    ),
    "mark_unpaid": (
        lambda order, transaction: order.mark_unpaid(transaction),
        {CAPTURING: AWAITING, PENDING: AWAITING},
    ),
    "expire": (
        lambda order, transaction: order.expire(CloseReason.PAYMENT_EXPIRED, transaction),
        {AWAITING: EXPIRED},
    ),
    "cancel": (
        lambda order, transaction: order.cancel(CloseReason.SUPERSEDED, transaction),
        {AWAITING: CANCELLED},
    ),
    "ship": (lambda order, _: order.ship({"carrier": "DHL"}, "merchant"), {PAID: SHIPPED}),
    "complete_shipping": (lambda order, _: order.complete_shipping("merchant"), {PAID: SHIPPED}),
}


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_leads_where_it_is_allowed_and_changes_nothing_elsewhere(
    name: str, state: OrderState
) -> None:
    act, allowed = TRANSITIONS[name]
    order, transaction = order_in(state), PlainTransaction()
    before = fields_of(order)
    if state in allowed:
        act(order, transaction)
        assert order.state == allowed[state]
    else:
        with pytest.raises(InvalidTransition, match=f"^{state} → "):
            act(order, transaction)
        assert fields_of(order) == before
        assert transaction.writes == {}


def test_every_transition_of_the_table_is_made_by_a_method() -> None:
    made = {(old, new) for _, allowed in TRANSITIONS.values() for old, new in allowed.items()}
    made.add((SHIPPED, PAID))  # the last parcel is removed: below
    assert made == {(old, new) for old, allowed in states.TRANSITIONS.items() for new in allowed}
    assert states.TRANSITIONS.keys() == set(OrderState)


def test_a_closed_unpaid_order_stays_closed_and_a_paid_one_is_never_unpaid() -> None:
    reached = {state: reachable(state) for state in OrderState}
    assert reached[CANCELLED] == reached[EXPIRED] == set()
    assert reached[PAID] == reached[SHIPPED] == {PAID, SHIPPED}
    assert reached[AWAITING] == set(OrderState)


def reachable(state: OrderState) -> set[OrderState]:
    """Return every state that an order may reach from a state."""
    found: set[OrderState] = set()
    todo = [state]
    while todo:
        new = states.TRANSITIONS[todo.pop()] - found
        found |= new
        todo += new
    return found


# -- what each of them changes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One transition, and all that it changes: the order's fields, its history, its outbox, and other rows."""

    name: str
    start: Callable[[], Order]
    act: Act
    fields: dict[str, Any]
    events: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    writes: dict[str, str] = field(default_factory=dict)


UNHELD = {"held": False, "holder": None}
UNRESERVED = {"reserved": False, "reserved_until": SECONDS, "held": False, "holder": None}
RETURNED = {"stock#MUG": "release_hold", "hold#MUG#0": "update"}
SOLD = {"stock#MUG": "end_hold", "hold#MUG#0": "update"}
HELD_ANEW = {"reserved_until": SECONDS + settings.shop.reservation_seconds}
CLAIMED = {
    "state": CAPTURING,
    "capture_claim": "claim",
    "claimed_at": SECONDS,
    "approved": True,
    "next_check_at": SECONDS + CLAIM_SECONDS,
}
CHANGES = [
    Change(
        "a claim keeps the units that the order holds",
        lambda: order_in(AWAITING),
        lambda order, transaction: order.claim_for_capture("claim", transaction),
        CLAIMED,
    ),
    Change(
        "a claim reserves the units again whose reservation has ended",
        lambda: order_in(AWAITING, **UNRESERVED),
        lambda order, transaction: order.claim_for_capture("claim", transaction),
        CLAIMED | {"reserved": True},
        writes={"stock#MUG": "reserve"},
    ),
    Change(
        "a refused claim uses up its request ID and holds the units for another attempt",
        lambda: order_in(CAPTURING),
        lambda order, transaction: order.release_claim(transaction, refused=True, approved=True),
        {
            "state": AWAITING,
            "capture_claim": None,
            "capture_attempt": 2,
            **HELD_ANEW,
            "next_check_at": SECONDS + 5 * MINUTE,
        },
    ),
    Change(
        "a claim that PayPal never answered keeps its request ID",
        lambda: order_in(CAPTURING),
        lambda order, transaction: order.release_claim(transaction, refused=False, approved=False),
        {
            "state": AWAITING,
            "capture_claim": None,
            "approved": False,
            **HELD_ANEW,
            "next_check_at": SECONDS + 5 * MINUTE,
        },
    ),
    Change(
        "units that were reserved for the capture alone return with its claim",
        lambda: order_in(CAPTURING, held=False, holder=None),
        lambda order, transaction: order.release_claim(transaction, refused=True, approved=True),
        {
            "state": AWAITING,
            "capture_claim": None,
            "capture_attempt": 2,
            "reserved": False,
            "next_check_at": SECONDS + 5 * MINUTE,
        },
        writes={"stock#MUG": "release"},
    ),
    Change(
        "a pending payment keeps the units, which no longer count as held",
        lambda: order_in(CAPTURING),
        lambda order, transaction: order.mark_pending("CAPTURE", transaction),
        {
            "state": PENDING,
            "capture_claim": None,
            "capture_id": "CAPTURE",
            "next_check_at": SECONDS + NEXT_RUN,
            **UNHELD,
        },
        events=["payment_pending"],
        emails=["payment_pending#CAPTURE"],
        writes=SOLD | {"capture#CAPTURE": "put"},
    ),
    Change(
        "a payment sells the units and needs no check after its only attempt",
        lambda: order_in(CAPTURING),
        lambda order, transaction: order.mark_paid("CAPTURE", None, transaction),
        {
            "state": PAID,
            "capture_claim": None,
            "capture_id": "CAPTURE",
            "paid_at": AT,
            "paid_paypal_order_id": PAYPAL_ORDER,
            "reserved": False,
            "next_check_at": None,
            **UNHELD,
        },
        events=["paid"],
        emails=["order_paid#CAPTURE", "merchant_order_paid#CAPTURE"],
        writes=SOLD | {"capture#CAPTURE": "put"},
    ),
    Change(
        "a payment by an earlier attempt says which, and the other attempts get a final check",
        lambda: order_in(CAPTURING, payment_attempts=[ATTEMPT, {**ATTEMPT, "id": "SECOND"}]),
        lambda order, transaction: order.mark_paid("CAPTURE", PAYPAL_ORDER, transaction),
        {
            "state": PAID,
            "capture_claim": None,
            "capture_id": "CAPTURE",
            "paid_at": AT,
            "paid_paypal_order_id": PAYPAL_ORDER,
            "reserved": False,
            "next_check_at": SECONDS + PAYPAL_ORDER_LIFETIME,
            **UNHELD,
        },
        events=["paid"],
        emails=["order_paid#CAPTURE", "merchant_order_paid#CAPTURE"],
        writes=SOLD | {"capture#CAPTURE": "put"},
    ),
    Change(
        "a pending payment that completes sells units that are not held, and its lookup is there",
        lambda: order_in(PENDING),
        lambda order, transaction: order.mark_paid("CAPTURE", PAYPAL_ORDER, transaction),
        {
            "state": PAID,
            "paid_at": AT,
            "paid_paypal_order_id": PAYPAL_ORDER,
            "reserved": False,
            "next_check_at": None,
        },
        events=["paid"],
        emails=["order_paid#CAPTURE", "merchant_order_paid#CAPTURE"],
    ),
    Change(
        "a pending payment that fails gives the units back",
        lambda: order_in(PENDING),
        lambda order, transaction: order.mark_unpaid(transaction),
        {
            "state": AWAITING,
            "capture_id": None,
            "capture_attempt": 2,
            "reserved": False,
            "next_check_at": SECONDS + 5 * MINUTE,
        },
        writes={"stock#MUG": "release"},
    ),
    Change(
        "a capture that fails holds the units for another attempt",
        lambda: order_in(CAPTURING),
        lambda order, transaction: order.mark_unpaid(transaction),
        {
            "state": AWAITING,
            "capture_claim": None,
            "capture_attempt": 2,
            **HELD_ANEW,
            "next_check_at": SECONDS + 5 * MINUTE,
        },
    ),
    Change(
        "an order that expires gives its units back, without an email to who just left",
        lambda: order_in(AWAITING),
        lambda order, transaction: order.expire(CloseReason.PAYMENT_EXPIRED, transaction),
        {
            "state": EXPIRED,
            "close_reason": CloseReason.PAYMENT_EXPIRED,
            "reserved": False,
            "next_check_at": SECONDS + PAYPAL_ORDER_LIFETIME,
            **UNHELD,
        },
        events=["expired"],
        writes=RETURNED,
    ),
    Change(
        "an order that expires after the shopper approved tells them",
        lambda: order_in(AWAITING, approved=True),
        lambda order, transaction: order.expire(CloseReason.SOLD_OUT, transaction),
        {
            "state": EXPIRED,
            "close_reason": CloseReason.SOLD_OUT,
            "reserved": False,
            "next_check_at": SECONDS + PAYPAL_ORDER_LIFETIME,
            **UNHELD,
        },
        events=["expired"],
        emails=[f"order_expired#{PAYPAL_ORDER}"],
        writes=RETURNED,
    ),
    Change(
        "an order that never reached PayPal needs no final check, and gives nothing back twice",
        lambda: order_in(AWAITING, payment_attempts=[], **UNRESERVED),
        lambda order, transaction: order.cancel(CloseReason.SUPERSEDED, transaction),
        {"state": CANCELLED, "close_reason": CloseReason.SUPERSEDED, "next_check_at": None},
        events=["cancelled"],
    ),
    Change(
        "shipping after all parcels were added emails nobody again",
        lambda: order_in(PAID, stored_parcels=[PARCEL]),
        lambda order, _: order.complete_shipping("merchant"),
        {"state": SHIPPED},
        events=["shipped"],
    ),
    Change(
        "a shipped order whose only parcel is removed must be shipped again",
        lambda: order_in(SHIPPED),
        lambda order, _: order.remove_parcel("p1", "merchant", "form", mail=True),
        {"state": PAID, "stored_parcels": []},
        events=["parcel_removed"],
        emails=["parcel_removed#form"],
    ),
    Change(
        "a hold of which the time is over is given back, and the order can still be paid",
        lambda: order_in(AWAITING),
        lambda order, transaction: order.expire_reservation(transaction),
        {"reserved": False, **UNHELD},
        events=["reservation_expired"],
        writes=RETURNED,
    ),
    Change(
        "a hold that staff release is given back",
        lambda: order_in(AWAITING),
        lambda order, transaction: order.release_hold(transaction, "merchant"),
        {"reserved": False, **UNHELD},
        events=["hold_released"],
        writes=RETURNED,
    ),
]
FOLLOWS = {"history", "emails_due", "next_email_at"}  # compared as events and emails


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_transition_changes_this_and_nothing_else(change: Change) -> None:
    order, transaction = change.start(), PlainTransaction()
    before = fields_of(order)

    change.act(order, transaction)

    after = fields_of(order)
    assert {name: value for name, value in after.items() if value != before.get(name)}.keys() - FOLLOWS == {
        name for name, value in change.fields.items() if before.get(name) != value
    }
    assert {name: after.get(name) for name in change.fields} == change.fields
    assert [entry["event"] for entry in order.history[len(before["history"]) :]] == change.events
    assert list(order.emails_due) == change.emails
    assert transaction.writes == change.writes


def test_shipping_adds_the_parcel_and_emails_the_customer() -> None:
    order = order_in(PAID)
    order.ship({"carrier": "DHL", "tracking": "1", "link": ""}, "merchant")
    (parcel,) = order.parcels
    assert (parcel["carrier"], order.history[-1]["event"]) == ("DHL", "shipped")
    assert list(order.emails_due) == [f"order_shipped#{parcel['id']}"]
