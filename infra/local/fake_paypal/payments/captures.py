"""Captures: an approved order is paid immediately, later, or not at all."""

from __future__ import annotations

from typing import Any

from infra.local.fake_paypal.api import request_schemas
from infra.local.fake_paypal.api.api_errors import not_found, unprocessable
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.ledger import Ledger
from infra.local.fake_paypal.payments.money import fee, money, to_minor, worth
from infra.local.fake_paypal.payments.orders import Orders
from infra.local.fake_paypal.payments.scripted_outcomes import Script, Scripts
from infra.local.fake_paypal.store import Document, new_id

HAS_MONEY = ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")

_BY_FUNDING = {"balance": "completed", "slow": "pending", "declined": "INSTRUMENT_DECLINED"}


class Captures:
    """Captured payments, at most one per order."""

    def __init__(self, context: Context, orders: Orders, ledger: Ledger) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger
        self.scripts = Scripts(context.store, "capture")

    def capture(self, order_id: str, body: Any) -> Document:
        """Capture an approved order; return the order as stored. Raises ApiError."""
        request_schemas.require(request_schemas.CAPTURE, body)
        order = self._orders.get(order_id)
        if order["status"] == "COMPLETED":
            raise unprocessable("ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            raise unprocessable("ORDER_NOT_APPROVED")
        invoice = order["unit"].get("invoice_id")
        if invoice is not None and self._context.store.get("invoice", invoice) is not None:
            raise unprocessable("DUPLICATE_INVOICE_ID")
        script = self.scripts.take(order_id) or Script(_BY_FUNDING[order["funding"]])
        if script.refusal is not None:
            raise self._orders.refused(order, script.refusal)
        capture = self._new(order, script)
        order |= {"status": "COMPLETED", "completed": self._context.clock.stamp()}
        order["captures"].append(capture["id"])
        order["unit"]["payee"] = capture["payee"]
        self._orders.save_update(order)
        self._notify(capture, "DECLINED")
        return order

    def find(self, capture_id: str) -> Document:
        """Return a capture as stored. Raises ApiError (404)."""
        capture = self._context.store.get("capture", capture_id)
        if capture is None:
            raise not_found()
        return capture

    def settle(self, capture_id: str, completed: bool) -> Document:
        """Complete or deny a pending capture. Raises ValueError if it is not pending."""
        capture = self.find(capture_id)
        if capture["status"] != "PENDING":
            raise ValueError(f"capture {capture_id} is {capture['status']}, not PENDING")
        capture["status"] = "COMPLETED" if completed else "DECLINED"
        capture["reason"] = None
        if completed:
            self._receive(capture)
        elif capture["invoice_id"]:
            self._context.store.delete("invoice", capture["invoice_id"])
        self.save_update(capture)
        self._notify(capture, "DENIED")
        return capture

    def save_update(self, capture: Document) -> None:
        """Store a changed capture."""
        capture["update_time"] = self._context.clock.iso()
        self._context.store.put("capture", capture["id"], capture)

    def view(self, capture: Document) -> Document:
        """Return a capture as PayPal shows it on its own."""
        return self.view_within_order(capture) | {
            "supplementary_data": {"related_ids": {"order_id": capture["order_id"]}},
            "payee": capture["payee"],
        }

    def view_within_order(self, capture: Document) -> Document:
        """Return a capture as PayPal shows it in its order."""
        path = f"/v2/payments/captures/{capture['id']}"
        view: Document = {
            "id": capture["id"],
            "status": capture["status"],
            "amount": money(capture["amount"], capture["currency"]),
            "final_capture": True,
            "seller_protection": {
                "status": "ELIGIBLE",
                "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"],
            },
            "seller_receivable_breakdown": _receivable(capture),
            "create_time": capture["create_time"],
            "update_time": capture["update_time"],
            "links": [
                self._context.link("self", path),
                self._context.link("refund", f"{path}/refund", "POST"),
                self._context.link("up", f"/v2/checkout/orders/{capture['order_id']}"),
            ],
        }
        if capture["reason"]:
            view["status_details"] = {"reason": capture["reason"]}
        return view | {key: capture[key] for key in ("custom_id", "invoice_id") if capture[key]}

    def _new(self, order: Document, script: Script) -> Document:
        unit = order["unit"]
        currency = script.currency or unit["amount"]["currency_code"]
        payee = unit["payee"] | ({"merchant_id": script.merchant_id} if script.merchant_id else {})
        capture: Document = {
            "id": new_id(),
            "order_id": order["id"],
            "status": script.outcome.upper(),
            "reason": (script.reason or "ECHECK") if script.outcome == "pending" else None,
            "amount": to_minor(script.value or unit["amount"]["value"], currency),
            "currency": currency,
            "custom_id": script.custom_id or unit.get("custom_id"),
            "invoice_id": unit.get("invoice_id"),
            "payee": payee,
            "fee": 0,
            "created": self._context.clock.stamp(),
            "create_time": self._context.clock.iso(),
            "refunds": [],
            "reversed": 0,
        }
        if script.outcome == "completed":
            self._receive(capture)
        if script.outcome in {"completed", "pending"} and capture["invoice_id"]:
            self._context.store.put("invoice", capture["invoice_id"], {"capture_id": capture["id"]})
        self.save_update(capture)
        return capture

    def _receive(self, capture: Document) -> None:
        capture["fee"] = fee(capture["amount"], capture["currency"])
        self._ledger.book("sale", capture["id"], capture, capture["amount"], capture["fee"])

    def tell_again(self, capture: Document) -> Document:
        """Notify that a capture is completed again: what was taken back was returned."""
        amount = worth(capture["amount"], capture["currency"])
        summary = f"Payment completed for {amount}"
        return self._context.webhooks.notify(
            "PAYMENT.CAPTURE.COMPLETED", "capture", summary, self.view(capture)
        )

    def _notify(self, capture: Document, refused: str) -> None:
        amount = worth(capture["amount"], capture["currency"])
        event, summary = {
            "COMPLETED": ("COMPLETED", f"Payment completed for {amount}"),
            "PENDING": ("PENDING", f"Payment pending for {amount}"),
        }.get(capture["status"], (refused, f"A {amount} capture payment was {refused.lower()}"))
        self._context.webhooks.notify(f"PAYMENT.CAPTURE.{event}", "capture", summary, self.view(capture))


def _receivable(capture: Document) -> Document:
    currency = capture["currency"]
    breakdown = {"gross_amount": money(capture["amount"], currency)}
    if capture["status"] in HAS_MONEY:
        breakdown["paypal_fee"] = money(capture["fee"], currency)
        breakdown["net_amount"] = money(capture["amount"] - capture["fee"], currency)
    return breakdown
