"""The states of an order and the transitions between them. Refunds and disputes are amounts and flags, not states."""

from enum import StrEnum


class OrderState(StrEnum):
    """The state of an order."""

    AWAITING = "awaiting"  # placed, not paid
    CAPTURING = "capturing"  # claimed: PayPal is being asked for the money
    PENDING = "pending"  # PayPal holds the payment: an eCheck, a review
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"  # superseded by another order, or by staff
    EXPIRED = "expired"  # can no longer be paid


# Not a state: the list status of orders that were paid, and refunded before anything was shipped.
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
PURCHASED = {
    OrderState.PENDING,
    OrderState.PAID,
    OrderState.SHIPPED,
}  # the customer waits for the parcel, or has it
CLOSED = {
    OrderState.PAID,
    OrderState.SHIPPED,
    OrderState.CANCELLED,
    OrderState.EXPIRED,
}  # cannot be paid any more


class InvalidTransition(Exception):
    """The order's state does not allow this transition."""


def check_transition(old: OrderState, new: OrderState) -> None:
    """Raise InvalidTransition unless an order may go from one state to another."""
    if new not in TRANSITIONS[old]:
        raise InvalidTransition(f"{old} → {new}")
