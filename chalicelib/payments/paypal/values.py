"""PayPal's orders, captures, refunds and disputes as plain values."""

from dataclasses import dataclass

from chalicelib.money import Money


@dataclass(frozen=True)
class Payee:
    """The payee that PayPal names: an account's ID, its email address, or both, in lower case."""

    merchant_id: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Capture:
    """Money that PayPal took, holds or declined."""

    id: str
    status: str  # one of CAPTURE_STATES
    money: Money
    custom_id: str | None
    fee: int | None  # minor units of the capture's own currency
    at: str  # in UTC, like every time here
    order_id: str | None  # PayPal's order
    payee: Payee | None = None  # in the answer to GET capture, not to GET order


@dataclass(frozen=True)
class Refund:
    """Money that was refunded from a capture."""

    id: str
    status: str  # COMPLETED, PENDING, FAILED, CANCELLED
    money: Money
    fee: int | None  # PayPal's own fee that it returns
    at: str
    capture_id: str | None
    refund_id: str = ""  # our ID of the request; for refunds in the dashboard, whatever PayPal puts there


@dataclass(frozen=True)
class PayPalOrder:
    """A PayPal order: what the shopper approves."""

    id: str
    status: str  # CREATED, PAYER_ACTION_REQUIRED, APPROVED, COMPLETED, VOIDED, SAVED
    payee: Payee | None
    approval_url: str | None
    captures: tuple[Capture, ...]
    refunds: tuple[Refund, ...]

    @property
    def is_dead(self) -> bool:
        """Return whether the order can never be paid: voided, or completed with only declined captures."""
        if self.status == "VOIDED":
            return True
        return bool(self.captures) and all(c.status in ("DECLINED", "FAILED") for c in self.captures)


@dataclass(frozen=True)
class Reversal:
    """Money that a bank or PayPal took back, from PayPal's own event."""

    id: str
    money: Money
    at: str
    capture_id: str


@dataclass(frozen=True)
class WonDispute:
    """A dispute that PayPal decided for the shop: what it or a bank had taken back from a capture is returned."""

    id: str
    capture_id: str
    at: str  # when it was decided
    money: Money | None  # at most this amount; None if PayPal does not report one for this capture
