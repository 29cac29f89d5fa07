"""The states of an order, and who may move it where. Refunds and disputes are amounts and flags, not states."""

from enum import StrEnum


class OrderState(StrEnum):
    """Where an order stands."""

    AWAITING = "awaiting"  # placed, not paid
    CAPTURING = "capturing"  # claimed: PayPal is being asked for the money
    PENDING = "pending"  # PayPal holds the payment: an eCheck, a review
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"  # superseded by another order, or by staff
    EXPIRED = "expired"  # can no longer be paid


# No state, but how staff's lists call what is paid and was refunded before it was shipped.
REFUNDED_BEFORE_SHIPPING = "refunded_before_shipping"

TRANSITIONS = {
    OrderState.AWAITING: {OrderState.CAPTURING, OrderState.EXPIRED, OrderState.CANCELLED},
    OrderState.CAPTURING: {OrderState.PAID, OrderState.PENDING, OrderState.AWAITING},
    OrderState.PENDING: {OrderState.PAID, OrderState.AWAITING},
    OrderState.PAID: {OrderState.SHIPPED},
    OrderState.SHIPPED: {OrderState.PAID},  # it was not sent after all
    OrderState.CANCELLED: set(),
    OrderState.EXPIRED: set(),
}
PURCHASED = {OrderState.PENDING, OrderState.PAID, OrderState.SHIPPED}  # somebody waits for it, or has it
CLOSED = {
    OrderState.PAID,
    OrderState.SHIPPED,
    OrderState.CANCELLED,
    OrderState.EXPIRED,
}  # nothing more to pay


class InvalidTransition(Exception):
    """The order may not go there from where it is."""


def check_transition(old: OrderState, new: OrderState) -> None:
    """Raise InvalidTransition unless an order may go from one state to another."""
    if new not in TRANSITIONS[old]:
        raise InvalidTransition(f"{old} → {new}")
