"""Outcomes of future captures and refunds: set beforehand, used in order."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from infra.local.fake_paypal.payments.money import precise
from infra.local.fake_paypal.store import Store, new_id

OUTCOMES = {
    "capture": ("completed", "pending", "declined", "failed"),
    "refund": ("completed", "pending", "failed"),
}
REFUSALS = {
    "capture": (
        "COMPLIANCE_VIOLATION",
        "DUPLICATE_INVOICE_ID",
        "INSTRUMENT_DECLINED",
        "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
        "PAYEE_BLOCKED_TRANSACTION",
        "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
        "PAYER_ACCOUNT_RESTRICTED",
        "PAYER_ACTION_REQUIRED",
        "PAYER_CANNOT_PAY",
        "TRANSACTION_BLOCKED_BY_PAYEE",
        "TRANSACTION_LIMIT_EXCEEDED",
        "TRANSACTION_REFUSED",
    ),
    "refund": (
        "REFUND_FAILED_INSUFFICIENT_FUNDS",
        "REFUND_NOT_ALLOWED",
        "REFUND_TIME_LIMIT_EXCEEDED",
    ),
}
PENDING_REASONS = (
    "ECHECK",
    "INTERNATIONAL_WITHDRAWAL",
    "OTHER",
    "PENDING_REVIEW",
    "RECEIVING_PREFERENCE_MANDATES_MANUAL_ACTION",
    "TRANSACTION_APPROVED_AWAITING_FUNDING",
    "UNILATERAL",
    "VERIFICATION_REQUIRED",
)


@dataclass(frozen=True)
class Script:
    """An outcome or a refusal; other values that are not None make the capture differ from its order."""

    outcome: str
    order_id: str | None = None
    reason: str | None = None
    value: str | None = None
    currency: str | None = None
    custom_id: str | None = None
    merchant_id: str | None = None

    @property
    def refusal(self) -> str | None:
        """Return the issue if the outcome is a refusal; else None."""
        return self.outcome if self.outcome.isupper() else None


class Scripts:
    """The scripts of one kind, `capture` or `refund`."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = f"{kind}-script"
        self._outcomes = (*OUTCOMES[kind], *REFUSALS[kind])

    def add(self, script: Script) -> None:
        """Add a script. Raises ValueError."""
        if script.outcome not in self._outcomes:
            raise ValueError(f"unknown outcome {script.outcome!r}: one of {', '.join(self._outcomes)}")
        if script.reason is not None and script.reason not in PENDING_REASONS:
            raise ValueError(f"unknown reason {script.reason!r}: one of {', '.join(PENDING_REASONS)}")
        if not (script.value is None or precise(script.value, script.currency or "EUR")):
            raise ValueError(f"{script.value} has more decimals than its currency")
        self._store.put(self._kind, new_id(), asdict(script))

    def take(self, order_id: str) -> Script | None:
        """Remove and return the oldest script that fits this order."""
        for id_, stored in self._store.items(self._kind):
            if stored["order_id"] in (None, order_id):
                self._store.delete(self._kind, id_)
                return Script(**stored)
        return None
