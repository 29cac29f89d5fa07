"""The states of an order, and who may move it where. Refunds and disputes are amounts and flags, not states."""

AWAITING = "awaiting"  # placed, not paid
CAPTURING = "capturing"  # claimed: PayPal is being asked for the money
PENDING = "pending"  # PayPal holds the payment: an eCheck, a review
PAID = "paid"
SHIPPED = "shipped"
CANCELLED = "cancelled"  # superseded by another order, or by staff
EXPIRED = "expired"  # can no longer be paid
GIVEN_BACK = (
    "given back"  # no state, but how staff's lists call what is paid and was refunded before it was shipped
)

MOVES = {
    AWAITING: {CAPTURING, EXPIRED, CANCELLED},
    CAPTURING: {PAID, PENDING, AWAITING},
    PENDING: {PAID, AWAITING},
    PAID: {SHIPPED},
    SHIPPED: {PAID},  # it was not sent after all
    CANCELLED: set(),
    EXPIRED: set(),
}
ORDERED = {PENDING, PAID, SHIPPED}  # somebody waits for it, or has it
CLOSED = {PAID, SHIPPED, CANCELLED, EXPIRED}  # nothing more to pay


class WrongMove(Exception):
    """The order may not go there from where it is."""


def check_move(old: str, new: str) -> None:
    """Raise WrongMove unless an order may go from one state to another."""
    if new not in MOVES[old]:
        raise WrongMove(f"{old} → {new}")
