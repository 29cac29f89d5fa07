"""Disputes: opened by a buyer, resolved in favour of one side."""

from __future__ import annotations

from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.captures import Captures
from infra.local.fake_paypal.payments.money import money
from infra.local.fake_paypal.payments.refunds import Refunds
from infra.local.fake_paypal.settings import BUYER, MERCHANT
from infra.local.fake_paypal.store import Document, new_id


class Disputes:
    """Disputes of captures. PayPal's API for them is not included: they only appear in notifications."""

    def __init__(self, context: Context, captures: Captures, refunds: Refunds) -> None:
        self._context = context
        self._captures = captures
        self._refunds = refunds

    def open(self, capture_id: str, reason: str = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED") -> Document:
        """Open a dispute as the buyer; return it as PayPal shows it. Raises ApiError (404)."""
        capture = self._captures.find(capture_id)
        id_ = f"PP-D-{new_id(6)}"
        dispute: Document = {
            "dispute_id": id_,
            "create_time": self._context.clock.iso(),
            "update_time": self._context.clock.iso(),
            "disputed_transactions": [_transaction(capture)],
            "reason": reason,
            "status": "OPEN",
            "dispute_amount": money(self._refunds.left(capture) + capture["reversed"], capture["currency"]),
            "dispute_life_cycle_stage": "INQUIRY",
            "dispute_channel": "INTERNAL",
            "links": [self._context.link("self", f"/v1/customer/disputes/{id_}")],
        }
        self._context.store.put("dispute", id_, dispute)
        self._notify("CREATED", f"A new dispute opened with Case # {id_}", dispute)
        return dispute

    def resolve(self, dispute_id: str, favour: str) -> Document:
        """Resolve a dispute in the `seller`'s or the `buyer`'s favour, who gets the money back. Raises ValueError."""
        dispute = self._context.store.get("dispute", dispute_id)
        if dispute is None or dispute["status"] != "OPEN":
            raise ValueError(f"there is no open dispute {dispute_id}")
        if favour not in {"seller", "buyer"}:
            raise ValueError("a dispute is resolved in favour of the seller or the buyer")
        outcome: Document = {"outcome_code": f"RESOLVED_{favour.upper()}_FAVOUR"}
        capture = self._captures.find(dispute["disputed_transactions"][0]["seller_transaction_id"])
        if favour == "buyer" and self._refunds.left(capture) > 0:
            outcome["amount_refunded"] = money(self._refunds.left(capture), capture["currency"])
            self._refunds.reverse(capture["id"])
        if favour == "seller" and capture["reversed"]:
            self._refunds.cancel_reversal(capture["id"], f"{dispute_id}-{capture['id']}")
        dispute |= {
            "status": "RESOLVED",
            "update_time": self._context.clock.iso(),
            "dispute_outcome": outcome,
        }
        self._context.store.put("dispute", dispute_id, dispute)
        self._notify("RESOLVED", f"A dispute was resolved with case # {dispute_id}", dispute)
        return dispute

    def open_about(self, capture_id: str) -> list[str]:
        """List the IDs of open disputes of a capture."""
        return [
            str(dispute["dispute_id"])
            for dispute in self._context.store.all("dispute")
            if dispute["status"] == "OPEN"
            and dispute["disputed_transactions"][0]["seller_transaction_id"] == capture_id
        ]

    def _notify(self, what: str, summary: str, dispute: Document) -> None:
        self._context.webhooks.notify(f"CUSTOMER.DISPUTE.{what}", "dispute", summary, dispute)


def _transaction(capture: Document) -> Document:
    names = BUYER["name"]
    return {
        "seller_transaction_id": capture["id"],
        "transaction_status": "COMPLETED",
        "gross_amount": money(capture["amount"], capture["currency"]),
        "buyer": {"name": f"{names['given_name']} {names['surname']}"},
        "seller": {"email": MERCHANT["email_address"], "merchant_id": MERCHANT["merchant_id"]},
        "items": [],
        "seller_protection_eligible": True,
    }
