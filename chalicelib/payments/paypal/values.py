"""PayPal's orders, captures, refunds and disputes as plain values."""

from dataclasses import dataclass

from chalicelib.money import Money


@dataclass(frozen=True)
class Payee:
    """Who PayPal says is paid: an account's id, its e-mail address, or both, in lower case."""

    merchant_id: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Capture:
    """Money PayPal took, holds or declined to take for us."""

    id: str
    status: str  # one of CAPTURE_STATES
    money: Money
    custom_id: str | None
    fee: int | None  # minor units of the capture's own currency
    at: str  # in UTC, as every moment here
    order_id: str | None  # PayPal's order
    payee: Payee | None = None  # told by GET capture, not by GET order


@dataclass(frozen=True)
class Refund:
    """Money given back for a capture."""

    id: str
    status: str  # COMPLETED, PENDING, FAILED, CANCELLED
    money: Money
    fee: int | None  # what PayPal gives back of its own
    at: str
    capture_id: str | None
    refund_id: str = ""  # under which we asked for it; of the dashboard's refunds, whatever PayPal puts there


@dataclass(frozen=True)
class PayPalOrder:
    """PayPal's order: what the shopper approves."""

    id: str
    status: str  # CREATED, PAYER_ACTION_REQUIRED, APPROVED, COMPLETED, VOIDED, SAVED
    payee: Payee | None
    approval_url: str | None
    captures: tuple[Capture, ...]
    refunds: tuple[Refund, ...]

    @property
    def is_dead(self) -> bool:
        """Return an order that can never be paid: voided, or completed with nothing but declined captures."""
        if self.status == "VOIDED":
            return True
        return bool(self.captures) and all(c.status in ("DECLINED", "FAILED") for c in self.captures)


@dataclass(frozen=True)
class Reversal:
    """Money a bank or PayPal took back, as the notification's own event tells it."""

    id: str
    money: Money
    at: str
    capture_id: str


@dataclass(frozen=True)
class WonDispute:
    """A dispute that PayPal decided for the shop: what it or a bank had taken of a capture comes back."""

    id: str
    capture_id: str
    at: str  # when it was decided
    money: Money | None  # at most so much; None where PayPal does not tell it for this capture alone
