"""Refunds by the shop, refunds in PayPal's dashboard, and reversals by a bank."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.local.fake_paypal.api import request_schemas
from infra.local.fake_paypal.api.api_errors import ApiError, detail, not_found, unprocessable
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.captures import HAS_MONEY, Captures
from infra.local.fake_paypal.payments.ledger import Ledger
from infra.local.fake_paypal.payments.money import (
    CURRENCIES,
    WITHOUT_DECIMALS,
    money,
    precise,
    to_minor,
    to_value,
    worth,
)
from infra.local.fake_paypal.payments.scripted_outcomes import OUTCOMES, Script, Scripts
from infra.local.fake_paypal.settings import MERCHANT
from infra.local.fake_paypal.store import Document, new_id

REFUND_WITHIN = 180 * 86400


class Refunds:
    """Refunds and reversals of captures. Pending ones count as refunded until they fail."""

    def __init__(self, context: Context, captures: Captures, ledger: Ledger) -> None:
        self._context = context
        self._captures = captures
        self._ledger = ledger
        self.scripts = Scripts(context.store, "refund")

    def refund(self, capture_id: str, body: Any) -> Document:
        """Refund a capture on the shop's request; return the refund as stored. Raises ApiError."""
        request_schemas.require(request_schemas.REFUND, body)
        capture = self._captures.find(capture_id)
        amount = self._refundable(capture, body.get("amount"))
        invoice = body.get("invoice_id")
        if invoice is not None and self._context.store.get("refund-invoice", invoice) is not None:
            message = "Invoice ID was previously used to refund a capture."
            raise ApiError(422, [detail("DUPLICATE_INVOICE_ID") | {"description": message}])
        script = self.scripts.take(capture["order_id"]) or Script("completed")
        if script.refusal is not None:
            raise unprocessable(script.refusal)
        refund = self._new(capture, amount, script.outcome, body)
        if invoice is not None:
            self._context.store.put("refund-invoice", invoice, {"refund_id": refund["id"]})
        return refund

    def refund_in_dashboard(self, capture_id: str, value: str | None, outcome: str) -> Document:
        """Refund as the merchant does in PayPal's dashboard. Raises ApiError, ValueError."""
        if outcome not in OUTCOMES["refund"]:
            raise ValueError(f"unknown outcome {outcome!r}: one of {', '.join(OUTCOMES['refund'])}")
        capture = self._captures.find(capture_id)
        return self._new(capture, self._refundable(capture, _asked(capture, value)), outcome, _sale(capture))

    def reverse(self, capture_id: str, value: str | None = None) -> Document:
        """Reverse a capture, as the buyer's bank does (a chargeback); return the refund-like record. Raises ApiError."""
        capture = self._captures.find(capture_id)
        amount = self._refundable(capture, _asked(capture, value))
        reversal = self._record(
            capture, amount, "COMPLETED", {**_sale(capture), "note_to_payer": "Payment reversed"}
        )
        reversal["total"] = self._returned(capture) + amount
        self._save_update(reversal)
        capture["reversed"] += amount
        self._captures.save_update(capture)
        self._ledger.book("reversal", reversal["id"], capture, -amount)
        self._notify("PAYMENT.CAPTURE.REVERSED", reversal, "was reversed")
        return reversal

    def cancel_reversal(self, capture_id: str, id_: str | None = None) -> Document:
        """Return what a bank took back to the seller; `id_` is the won dispute. Raises ValueError."""
        capture = self._captures.find(capture_id)
        amount = capture["reversed"]
        if not amount:
            raise ValueError(f"nothing of capture {capture_id} was taken back")
        capture["reversed"] = 0
        self._captures.save_update(capture)
        if id_ is None:  # only the capture reports it: it is completed again
            event = self._captures.tell_again(capture)
            id_ = str(event["id"])
        self._ledger.book("reversal_cancelled", id_, capture, amount)
        return self._captures.view(capture)

    def settle(self, refund_id: str, completed: bool) -> Document:
        """Complete or fail a pending refund. Raises ValueError if it is not pending."""
        refund = self.find(refund_id)
        if refund["status"] != "PENDING":
            raise ValueError(f"refund {refund_id} is {refund['status']}, not PENDING")
        self._end(refund, self._captures.find(refund["capture_id"]), completed)
        return refund

    def find(self, refund_id: str) -> Document:
        """Return a refund or a reversal as stored. Raises ApiError (404)."""
        refund = self._context.store.get("refund", refund_id)
        if refund is None:
            raise not_found()
        return refund

    def left(self, capture: Document) -> int:
        """Return the minor units that are neither refunded nor being refunded."""
        under_way = sum(
            refund["amount"] for refund in self._of(capture) if refund["status"] in {"COMPLETED", "PENDING"}
        )
        return int(capture["amount"] - under_way - capture["reversed"])

    def left_to_refund(self, capture: Document) -> str | None:
        """Return what can still be refunded, as PayPal's string; None if nothing."""
        left = self.left(capture) if capture["status"] in HAS_MONEY and not capture["reversed"] else 0
        return to_value(left, capture["currency"]) if left > 0 else None

    def view(self, refund: Document) -> Document:
        """Return a refund as PayPal shows it; a reversal looks the same."""
        amount = money(refund["amount"], refund["currency"])
        view: Document = {
            "id": refund["id"],
            "status": refund["status"],
            "amount": amount,
            "seller_payable_breakdown": {
                "gross_amount": amount,
                "paypal_fee": money(0, refund["currency"]),  # PayPal keeps the fee of the sale
                "net_amount": amount,
                "total_refunded_amount": money(refund["total"], refund["currency"]),
            },
            "payer": MERCHANT,
            "create_time": refund["create_time"],
            "update_time": refund["update_time"],
            "links": [
                self._context.link("self", f"/v2/payments/refunds/{refund['id']}"),
                self._context.link("up", f"/v2/payments/captures/{refund['capture_id']}"),
            ],
        }
        if refund["status"] == "PENDING":
            view["status_details"] = {"reason": "ECHECK"}
        return view | {
            key: refund[key] for key in ("custom_id", "invoice_id", "note_to_payer") if refund[key]
        }

    def _refundable(self, capture: Document, asked: Document | None) -> int:
        """Return the minor units to refund: the requested amount, else all that is left. Raises ApiError."""
        if capture["status"] == "PENDING":
            raise unprocessable("PENDING_CAPTURE")
        if capture["status"] not in HAS_MONEY:
            raise unprocessable("REFUND_NOT_ALLOWED")
        if capture["reversed"]:
            raise unprocessable("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK")
        left = self.left(capture)
        if left <= 0:
            raise unprocessable("CAPTURE_FULLY_REFUNDED")
        if self._context.clock.stamp() > capture["created"] + REFUND_WITHIN:
            raise unprocessable("REFUND_TIME_LIMIT_EXCEEDED")
        amount = left if asked is None else _minor(capture, asked)
        if amount > left:
            raise unprocessable("REFUND_AMOUNT_EXCEEDED")
        if amount < left and self._disputed(capture):
            raise unprocessable("TRANSACTION_DISPUTED")
        return amount

    def _new(self, capture: Document, amount: int, outcome: str, given: Document) -> Document:
        refund = self._record(capture, amount, "PENDING", given)
        refund["total"] = self._returned(capture)
        self._save_update(refund)
        capture["refunds"].append(refund["id"])
        self._captures.save_update(capture)
        if outcome == "pending":
            self._notify("PAYMENT.REFUND.PENDING", refund, "is being refunded")
        else:
            self._end(refund, capture, outcome == "completed")
        return refund

    def _end(self, refund: Document, capture: Document, completed: bool) -> None:
        refund["status"] = "COMPLETED" if completed else "FAILED"
        self._save_update(refund)
        refund["total"] = self._returned(capture)
        self._save_update(refund)
        if not completed:
            self._notify("PAYMENT.REFUND.FAILED", refund, "could not be refunded")
            return
        everything = refund["total"] >= capture["amount"]
        capture["status"] = "REFUNDED" if everything else "PARTIALLY_REFUNDED"
        self._captures.save_update(capture)
        self._ledger.book("refund", refund["id"], capture, -refund["amount"])
        self._notify("PAYMENT.CAPTURE.REFUNDED", refund, "was refunded")

    def _record(self, capture: Document, amount: int, status: str, given: Document) -> Document:
        record = {
            "id": new_id(),
            "capture_id": capture["id"],
            "status": status,
            "amount": amount,
            "currency": capture["currency"],
            "create_time": self._context.clock.iso(),
        }
        return record | {key: given.get(key) for key in ("custom_id", "invoice_id", "note_to_payer")}

    def _save_update(self, refund: Document) -> None:
        refund["update_time"] = self._context.clock.iso()
        self._context.store.put("refund", refund["id"], refund)

    def _of(self, capture: Document) -> list[Document]:
        return [self.find(id_) for id_ in capture["refunds"]]

    def _returned(self, capture: Document) -> int:
        """Return the refunded minor units."""
        done = sum(refund["amount"] for refund in self._of(capture) if refund["status"] == "COMPLETED")
        return int(done + capture["reversed"])

    def _disputed(self, capture: Document) -> bool:
        return any(
            dispute["status"] == "OPEN"
            and dispute["disputed_transactions"][0]["seller_transaction_id"] == capture["id"]
            for dispute in self._context.store.all("dispute")
        )

    def _notify(self, event: str, refund: Document, what: str) -> None:
        summary = f"A {worth(refund['amount'], refund['currency'])} capture payment {what}"
        self._context.webhooks.notify(event, "refund", summary, self.view(refund))


def _sale(capture: Document) -> Document:
    """Return what a refund that was not requested by API copies from the sale."""
    return {key: capture[key] for key in ("custom_id", "invoice_id")}


def _asked(capture: Document, value: str | None) -> Document | None:
    if value is None:
        return None
    asked = {"currency_code": capture["currency"], "value": value}
    request_schemas.require(request_schemas.MONEY, asked)
    return asked


def _minor(capture: Document, asked: Document) -> int:
    currency, value = asked["currency_code"], asked["value"]
    if currency not in CURRENCIES:
        raise unprocessable("INVALID_CURRENCY_CODE", "/amount/currency_code", currency)
    if currency != capture["currency"]:
        raise unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH", "/amount/currency_code", currency)
    if not precise(value, currency):
        issue = "DECIMALS_NOT_SUPPORTED" if currency in WITHOUT_DECIMALS else "DECIMAL_PRECISION"
        raise unprocessable(issue, "/amount/value", value)
    if Decimal(value) <= 0:
        raise unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "/amount/value", value)
    return to_minor(value, currency)
