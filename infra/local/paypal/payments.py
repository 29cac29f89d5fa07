"""Money: captures, refunds, reversals, disputes, and the ledger that says what moved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from . import shapes
from .desk import BUYER, MERCHANT, Desk
from .money import CURRENCIES, WITHOUT_DECIMALS, fee, money, to_minor, to_value
from .orders import Orders, declined, payer_action_required, precise
from .problems import Problem, detail, not_found, unprocessable
from .store import Document, new_id

CAPTURE_OUTCOMES = ("completed", "pending", "declined", "failed")
REFUND_OUTCOMES = ("completed", "pending", "failed")
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
REFUND_WITHIN = 180 * 86400

_FUNDING_OUTCOMES = {"balance": "completed", "slow": "pending", "declined": "INSTRUMENT_DECLINED"}


@dataclass
class Script:
    """What a coming capture (or refund) shall end in: an outcome, or the issue of a 422; None is unchanged."""

    outcome: str
    order_id: str | None = None
    reason: str | None = None
    value: str | None = None
    currency: str | None = None
    custom_id: str | None = None
    merchant_id: str | None = None

    def __post_init__(self) -> None:
        if not (self.outcome in CAPTURE_OUTCOMES or self.outcome.isupper()):
            raise ValueError(f"unknown outcome {self.outcome!r}: {', '.join(CAPTURE_OUTCOMES)} or an ISSUE")
        if self.reason is not None and self.reason not in PENDING_REASONS:
            raise ValueError(f"unknown reason {self.reason!r}: one of {', '.join(PENDING_REASONS)}")


class Payments:
    """Everything that moves money, or says that it could not move."""

    def __init__(self, desk: Desk, orders: Orders) -> None:
        self._desk = desk
        self._orders = orders

    def script(self, kind: str, script: Script) -> None:
        """Decide what the next `capture` or `refund` ends in; several are used in turn."""
        self._desk.store.put(f"{kind}-script", new_id(), asdict(script))

    # Captures

    def capture(self, order_id: str, body: Any) -> Document:
        """Capture an approved order; return the order as stored. Raises Problem."""
        shapes.require(shapes.CAPTURE, body)
        order = self._orders.get(order_id)
        if order["status"] == "COMPLETED":
            raise unprocessable("ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            raise unprocessable("ORDER_NOT_APPROVED")
        invoice = order["unit"].get("invoice_id")
        if invoice is not None and self._desk.store.get("invoice", invoice) is not None:
            raise unprocessable("DUPLICATE_INVOICE_ID")
        script = self._take_script("capture", order_id) or Script(_FUNDING_OUTCOMES[order["funding"]])
        self._refuse(script.outcome, order)
        capture = self._new_capture(order, script)
        order["status"] = "COMPLETED"
        order["captures"].append(capture["id"])
        self._orders.touch(order)
        self._tell_capture(capture)
        return order

    def find_capture(self, capture_id: str) -> Document:
        """Return a capture as stored. Raises Problem (404)."""
        capture = self._desk.store.get("capture", capture_id)
        if capture is None:
            raise not_found()
        return capture

    def settle(self, capture_id: str, completed: bool) -> Document:
        """Let a pending capture come true, or be denied. Raises ValueError if it is not pending."""
        capture = self.find_capture(capture_id)
        if capture["status"] != "PENDING":
            raise ValueError(f"capture {capture_id} is {capture['status']}, not PENDING")
        capture["status"] = "COMPLETED" if completed else "DECLINED"
        capture["reason"] = None
        if completed:
            capture["fee"] = fee(capture["amount"], capture["currency"])
            self._book("sale", capture["id"], capture, capture["amount"], capture["fee"])
        elif capture["invoice_id"]:
            self._desk.store.delete("invoice", capture["invoice_id"])
        self._touch("capture", capture)
        self._tell_capture(capture, "DENIED")
        return capture

    def capture_view(self, capture: Document, within_order: bool = False) -> Document:
        """Return PayPal's representation of a capture."""
        path = f"/v2/payments/captures/{capture['id']}"
        gross = money(capture["amount"], capture["currency"])
        view: Document = {"id": capture["id"], "status": capture["status"], "amount": gross}
        if capture["reason"]:
            view["status_details"] = {"reason": capture["reason"]}
        view |= {key: capture[key] for key in ("custom_id", "invoice_id") if capture[key]}
        view |= {
            "final_capture": True,
            "seller_protection": {
                "status": "ELIGIBLE",
                "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"],
            },
            "seller_receivable_breakdown": self._receivable(capture),
            "create_time": capture["create_time"],
            "update_time": capture["update_time"],
            "links": [
                self._desk.link("self", path),
                self._desk.link("refund", f"{path}/refund", "POST"),
                self._desk.link("up", f"/v2/checkout/orders/{capture['order_id']}"),
            ],
        }
        if not within_order:
            view["supplementary_data"] = {"related_ids": {"order_id": capture["order_id"]}}
            view["payee"] = capture["payee"]
        return view

    def order_view(self, order: Document) -> Document:
        """Return PayPal's representation of an order with what was paid for it."""
        captures = [self.find_capture(id_) for id_ in order["captures"]]
        refunds = [self.find_refund(id_) for capture in captures for id_ in capture["refunds"]]
        payments: Document = {}
        if captures:
            payments["captures"] = [self.capture_view(capture, within_order=True) for capture in captures]
        if refunds:
            payments["refunds"] = [self.refund_view(refund) for refund in refunds]
        return self._orders.view(order, [payments] if payments else [])

    def left_view(self, capture: Document) -> str | None:
        """Return what can still be refunded, as PayPal's string; None where nothing can."""
        refundable = capture["status"] in {"COMPLETED", "PARTIALLY_REFUNDED"} and not capture["reversed"]
        left = self._left(capture)
        return to_value(left, capture["currency"]) if refundable and left > 0 else None

    # Refunds

    def refund(self, capture_id: str, body: Any) -> Document:
        """Refund a capture on the shop's request; return the refund as stored. Raises Problem."""
        shapes.require(shapes.REFUND, body)
        capture = self.find_capture(capture_id)
        amount = self._refundable(capture, body.get("amount"))
        invoice = body.get("invoice_id")
        if invoice is not None and self._desk.store.get("refund-invoice", invoice) is not None:
            message = "Invoice ID was previously used to refund a capture."
            raise Problem(422, [detail("DUPLICATE_INVOICE_ID") | {"description": message}])
        script = self._take_script("refund", capture["order_id"]) or Script("completed")
        if script.outcome.isupper():
            raise unprocessable(script.outcome)
        refund = self._new_refund(capture, amount, script.outcome, body)
        if invoice is not None:
            self._desk.store.put("refund-invoice", invoice, {"refund_id": refund["id"]})
        return refund

    def refund_in_dashboard(self, capture_id: str, value: str | None, outcome: str) -> Document:
        """Refund as the merchant does on PayPal's own pages. Raises Problem, ValueError."""
        if outcome not in REFUND_OUTCOMES:
            raise ValueError(f"unknown outcome {outcome!r}: one of {', '.join(REFUND_OUTCOMES)}")
        capture = self.find_capture(capture_id)
        asked = None if value is None else {"currency_code": capture["currency"], "value": value}
        if asked is not None:
            shapes.require(shapes.MONEY, asked)
        return self._new_refund(capture, self._refundable(capture, asked), outcome, {})

    def find_refund(self, refund_id: str) -> Document:
        """Return a refund as stored. Raises Problem (404)."""
        refund = self._desk.store.get("refund", refund_id)
        if refund is None:
            raise not_found()
        return refund

    def settle_refund(self, refund_id: str, completed: bool) -> Document:
        """Let a pending refund come true, or fail. Raises ValueError if it is not pending."""
        refund = self.find_refund(refund_id)
        if refund["status"] != "PENDING":
            raise ValueError(f"refund {refund_id} is {refund['status']}, not PENDING")
        self._end_refund(refund, self.find_capture(refund["capture_id"]), completed)
        return refund

    def refund_view(self, refund: Document) -> Document:
        """Return PayPal's representation of a refund (a reversal has the same)."""
        currency = refund["currency"]
        zero, amount = money(0, currency), money(refund["amount"], currency)
        view: Document = {"id": refund["id"], "amount": amount, "status": refund["status"]}
        if refund["status"] == "PENDING":
            view["status_details"] = {"reason": "ECHECK"}
        view |= {key: refund[key] for key in ("custom_id", "invoice_id", "note_to_payer") if refund.get(key)}
        return view | {
            "seller_payable_breakdown": {
                "gross_amount": amount,
                "paypal_fee": zero,  # PayPal keeps the fee of the sale
                "net_amount": amount,
                "total_refunded_amount": money(refund["total"], currency),
            },
            "payer": MERCHANT,
            "create_time": refund["create_time"],
            "update_time": refund["update_time"],
            "links": self.refund_links(refund),
        }

    def refund_links(self, refund: Document) -> list[Document]:
        """Return the refund's own link and the one up to its capture."""
        return [
            self._desk.link("self", f"/v2/payments/refunds/{refund['id']}"),
            self._desk.link("up", f"/v2/payments/captures/{refund['capture_id']}"),
        ]

    # What others do: the buyer's bank, the buyer

    def reverse(self, capture_id: str, value: str | None = None) -> Document:
        """Let the buyer's bank take money back (a chargeback); return the refund-like record. Raises Problem."""
        capture = self.find_capture(capture_id)
        asked = None if value is None else {"currency_code": capture["currency"], "value": value}
        amount = self._refundable(capture, asked)
        reversal = self._refund_record(capture, amount, "COMPLETED", {})
        reversal["total"] = self._returned(capture) + amount
        self._touch("refund", reversal)
        capture["reversed"] += amount
        self._touch("capture", capture)
        self._book("reversal", reversal["id"], capture, -amount, 0)
        worth = self._worth(amount, capture["currency"])
        self._desk.webhooks.notify(
            "PAYMENT.CAPTURE.REVERSED",
            "refund",
            f"A {worth} capture payment was reversed",
            self.refund_view(reversal)
            | {key: capture[key] for key in ("custom_id", "invoice_id") if capture[key]},
        )
        return reversal

    def open_dispute(self, capture_id: str, reason: str = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED") -> Document:
        """Let the buyer open a case; return it as PayPal represents it."""
        capture = self.find_capture(capture_id)
        amount = money(self._left(capture), capture["currency"])
        now = self._desk.clock.iso()
        dispute: Document = {
            "dispute_id": f"PP-D-{new_id(6)}",
            "create_time": now,
            "update_time": now,
            "disputed_transactions": [_disputed(capture)],
            "reason": reason,
            "status": "OPEN",
            "dispute_amount": amount,
            "dispute_life_cycle_stage": "INQUIRY",
            "dispute_channel": "INTERNAL",
        }
        dispute["links"] = [self._desk.link("self", f"/v1/customer/disputes/{dispute['dispute_id']}")]
        self._desk.store.put("dispute", dispute["dispute_id"], dispute)
        self._tell_dispute("CREATED", "A new dispute opened with Case", dispute)
        return dispute

    def resolve_dispute(self, dispute_id: str, favour: str) -> Document:
        """End a case in the `seller`'s or the `buyer`'s favour; the latter takes the money back. Raises ValueError."""
        dispute = self._desk.store.get("dispute", dispute_id)
        if dispute is None or dispute["status"] != "OPEN":
            raise ValueError(f"there is no open dispute {dispute_id}")
        if favour not in {"seller", "buyer"}:
            raise ValueError("a dispute is resolved in favour of the seller or the buyer")
        dispute |= {
            "status": "RESOLVED",
            "update_time": self._desk.clock.iso(),
            "dispute_outcome": {"outcome_code": f"RESOLVED_{favour.upper()}_FAVOUR"},
        }
        capture = self.find_capture(dispute["disputed_transactions"][0]["seller_transaction_id"])
        if favour == "buyer" and self._left(capture) > 0:
            dispute["dispute_outcome"]["amount_refunded"] = money(self._left(capture), capture["currency"])
            self.reverse(capture["id"])
        self._desk.store.put("dispute", dispute_id, dispute)
        self._tell_dispute("RESOLVED", "A dispute was resolved with Case", dispute)
        return dispute

    # The ledger

    def ledger(self) -> list[Document]:
        """Return every movement of money, oldest first; refunds and reversals are negative."""
        return self._desk.store.all("ledger")

    def totals(self) -> dict[str, Document]:
        """Return for each currency the sums of amounts, fees and what is left."""
        totals: dict[str, Document] = {}
        for row in self.ledger():
            currency = row["currency"]
            sums = totals.setdefault(currency, {"amount": "0", "fee": "0", "net": "0"})
            for name in sums:
                sums[name] = str(Decimal(sums[name]) + Decimal(row[name]))
        return totals

    def _book(self, kind: str, id_: str, capture: Document, amount: int, fee_: int) -> None:
        currency = capture["currency"]
        row = {
            "id": id_,
            "kind": kind,
            "amount": to_value(amount, currency),
            "fee": to_value(fee_, currency),
            "net": to_value(amount - fee_, currency),
            "currency": currency,
            "order_id": capture["order_id"],
            "capture_id": capture["id"],
            "custom_id": capture["custom_id"],
            "invoice_id": capture["invoice_id"],
            "time": self._desk.clock.iso(),
        }
        self._desk.store.put("ledger", id_, row)

    def _new_capture(self, order: Document, script: Script) -> Document:
        unit = order["unit"]
        currency = script.currency or unit["amount"]["currency_code"]
        now = self._desk.clock.iso()
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
            "created": self._desk.clock.stamp(),
            "create_time": now,
            "update_time": now,
            "refunds": [],
            "reversed": 0,
        }
        if script.outcome == "completed":
            capture["fee"] = fee(capture["amount"], currency)
            self._book("sale", capture["id"], capture, capture["amount"], capture["fee"])
        if script.outcome in {"completed", "pending"} and capture["invoice_id"]:
            self._desk.store.put("invoice", capture["invoice_id"], {"capture_id": capture["id"]})
        self._desk.store.put("capture", capture["id"], capture)
        return capture

    def _refuse(self, outcome: str, order: Document) -> None:
        """Raise the 422 that the outcome names, if it is one; what it changes about the order stays changed."""
        if outcome == "INSTRUMENT_DECLINED":
            # As at PayPal, the order stays approved; only another approval brings another card.
            order["funding"] = "declined"
            self._orders.touch(order)
            raise declined(self._orders, order)
        if outcome == "PAYER_ACTION_REQUIRED":
            self._orders.send_back(order)
            raise payer_action_required(self._orders, order)
        if outcome.isupper():
            raise unprocessable(outcome)

    def _take_script(self, kind: str, order_id: str) -> Script | None:
        for id_, stored in self._desk.store.items(f"{kind}-script"):
            if stored["order_id"] in (None, order_id):
                self._desk.store.delete(f"{kind}-script", id_)
                return Script(**stored)
        return None

    def _receivable(self, capture: Document) -> Document:
        currency = capture["currency"]
        breakdown = {"gross_amount": money(capture["amount"], currency)}
        if capture["status"] in {"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"}:
            breakdown["paypal_fee"] = money(capture["fee"], currency)
            breakdown["net_amount"] = money(capture["amount"] - capture["fee"], currency)
        return breakdown

    def _refundable(self, capture: Document, asked: Document | None) -> int:
        """Return the minor units to give back: what was asked for, else all that is left. Raises Problem."""
        if capture["status"] == "PENDING":
            raise unprocessable("PENDING_CAPTURE")
        if capture["status"] not in {"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"}:
            raise unprocessable("REFUND_NOT_ALLOWED")
        if capture["reversed"]:
            raise unprocessable("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK")
        left = self._left(capture)
        if left <= 0:
            raise unprocessable("CAPTURE_FULLY_REFUNDED")
        if self._desk.clock.stamp() > capture["created"] + REFUND_WITHIN:
            raise unprocessable("REFUND_TIME_LIMIT_EXCEEDED")
        amount = left if asked is None else _asked_amount(capture, asked)
        if amount > left:
            raise unprocessable("REFUND_AMOUNT_EXCEEDED")
        if amount < left and self._disputed(capture):
            raise unprocessable("TRANSACTION_DISPUTED")
        return amount

    def _new_refund(self, capture: Document, amount: int, outcome: str, body: Document) -> Document:
        refund = self._refund_record(capture, amount, "PENDING", body)
        capture["refunds"].append(refund["id"])
        if outcome == "pending":
            refund["total"] = self._returned(capture)
            self._touch("refund", refund)
            self._touch("capture", capture)
            self._tell_refund("PAYMENT.REFUND.PENDING", refund, "is pending")
        else:
            self._end_refund(refund, capture, outcome == "completed")
        return refund

    def _end_refund(self, refund: Document, capture: Document, completed: bool) -> None:
        refund["status"] = "COMPLETED" if completed else "FAILED"
        refund["total"] = self._returned(capture) + (refund["amount"] if completed else 0)
        self._touch("refund", refund)
        if completed:
            everything = refund["total"] >= capture["amount"]
            capture["status"] = "REFUNDED" if everything else "PARTIALLY_REFUNDED"
            self._book("refund", refund["id"], capture, -refund["amount"], 0)
        self._touch("capture", capture)
        if completed:
            self._tell_refund("PAYMENT.CAPTURE.REFUNDED", refund, "was refunded")
        else:
            self._tell_refund("PAYMENT.REFUND.FAILED", refund, "could not be refunded")

    def _refund_record(self, capture: Document, amount: int, status: str, body: Document) -> Document:
        now = self._desk.clock.iso()
        return {
            "id": new_id(),
            "capture_id": capture["id"],
            "status": status,
            "amount": amount,
            "currency": capture["currency"],
            "total": 0,
            "create_time": now,
            "update_time": now,
        } | {key: body.get(key) for key in ("custom_id", "invoice_id", "note_to_payer")}

    def _left(self, capture: Document) -> int:
        """Return the minor units that neither were nor are being given back."""
        refunds = [self.find_refund(id_) for id_ in capture["refunds"]]
        under_way = sum(
            refund["amount"] for refund in refunds if refund["status"] in {"COMPLETED", "PENDING"}
        )
        return int(capture["amount"] - under_way - capture["reversed"])

    def _returned(self, capture: Document) -> int:
        """Return the minor units that were given back."""
        stored = [self._desk.store.get("refund", id_) for id_ in capture["refunds"]]
        done = sum(refund["amount"] for refund in stored if refund and refund["status"] == "COMPLETED")
        return int(done) + int(capture["reversed"])

    def _disputed(self, capture: Document) -> bool:
        return any(
            dispute["status"] == "OPEN"
            and dispute["disputed_transactions"][0]["seller_transaction_id"] == capture["id"]
            for dispute in self._desk.store.all("dispute")
        )

    def _touch(self, kind: str, document: Document) -> None:
        document["update_time"] = self._desk.clock.iso()
        self._desk.store.put(kind, document["id"], document)

    # What the shop is told

    def _tell_capture(self, capture: Document, refused: str = "DECLINED") -> None:
        event = {"COMPLETED": "COMPLETED", "PENDING": "PENDING"}.get(capture["status"], refused)
        worth = self._worth(capture["amount"], capture["currency"])
        summary = {"COMPLETED": f"Payment completed for {worth}", "PENDING": f"Payment pending for {worth}"}
        self._desk.webhooks.notify(
            f"PAYMENT.CAPTURE.{event}",
            "capture",
            summary.get(event, f"A {worth} capture payment was {event.lower()}"),
            self.capture_view(capture),
        )

    def _tell_refund(self, event: str, refund: Document, what: str) -> None:
        worth = self._worth(refund["amount"], refund["currency"])
        summary = f"A {worth} capture payment {what}"
        self._desk.webhooks.notify(event, "refund", summary, self.refund_view(refund))

    def _tell_dispute(self, what: str, summary: str, dispute: Document) -> None:
        self._desk.webhooks.notify(
            f"CUSTOMER.DISPUTE.{what}", "dispute", f"{summary} # {dispute['dispute_id']}", dispute
        )

    def _worth(self, amount: int, currency: str) -> str:
        return f"{to_value(amount, currency)} {currency}"


def _asked_amount(capture: Document, asked: Document) -> int:
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


def _disputed(capture: Document) -> Document:
    return {
        "seller_transaction_id": capture["id"],
        "invoice_number": capture["invoice_id"],
        "custom": capture["custom_id"],
        "transaction_status": "COMPLETED",
        "gross_amount": money(capture["amount"], capture["currency"]),
        "buyer": {"name": f"{BUYER['name']['given_name']} {BUYER['name']['surname']}"},
        "seller": {"email": MERCHANT["email_address"], "merchant_id": MERCHANT["merchant_id"]},
    }
