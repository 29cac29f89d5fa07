"""Orders: created by the shop, approved by the shopper, captured once, and deleted after a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from infra.local.fake_paypal.api import request_schemas
from infra.local.fake_paypal.api.api_errors import ApiError, detail, invalid, not_found, unprocessable
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.money import CURRENCIES, MAX_VALUE, precise, to_minor
from infra.local.fake_paypal.settings import BUYER, BUYER_ADDRESS, MERCHANT
from infra.local.fake_paypal.store import Document, new_id

APPROVE_WITHIN = 3 * 3600
CAPTURE_WITHIN = 3 * 3600
FUNDINGS = ("balance", "declined", "slow")

_ADDED = ("item_total", "tax_total", "shipping", "handling", "insurance")
_TAKEN_OFF = ("shipping_discount", "discount")


class Orders:
    """Everything about an order up to its capture."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, body: Any, request_id: str | None) -> Document:
        """Create an order from PayPal's request body; return it as stored. Raises ApiError."""
        request_schemas.require(request_schemas.ORDER, body, unknown="NOT_SUPPORTED")
        if body["intent"] != "CAPTURE":
            raise unprocessable("UNSUPPORTED_INTENT", "/intent", body["intent"])
        wallet = body.get("payment_source", {}).get("paypal")
        if wallet is not None and not request_id:
            raise invalid([detail("PAYPAL_REQUEST_ID_REQUIRED")])
        unit = body["purchase_units"][0]
        check_amounts(unit)
        context = _experience_context(body)
        if context.get("shipping_preference") == "SET_PROVIDED_ADDRESS" and not _address(unit):
            raise unprocessable("SHIPPING_ADDRESS_INVALID", "/purchase_units/0/shipping/address")
        now = self._context.clock.iso()
        order: Document = {
            "id": new_id(),
            "intent": "CAPTURE",
            "status": "CREATED" if wallet is None else "PAYER_ACTION_REQUIRED",
            "create_time": now,
            "update_time": now,
            "waiting_since": self._context.clock.stamp(),
            "approved": None,
            "completed": None,
            "wallet": wallet is not None,
            "context": context,
            "funding": None,
            "captures": [],
            "unit": {"reference_id": "default", **unit, "payee": MERCHANT | unit.get("payee", {})},
        }
        self._save(order)
        return order

    def get(self, order_id: str) -> Document:
        """Return an order. Raises ApiError (404) for unknown and expired ones."""
        order = self.find(order_id)
        if order is None or self.dead(order):
            raise not_found()
        return order

    def find(self, order_id: str) -> Document | None:
        """Return an order, expired or not; None if it is unknown."""
        return self._context.store.get("order", order_id)

    def dead(self, order: Document) -> bool:
        """Return whether the order has expired: 3 h to approve, 3 h to capture, then as long as paid ones are kept."""
        if order["status"] == "COMPLETED":
            kept = self._context.settings.paid_orders_kept
            return kept is not None and self._context.clock.stamp() >= (order.get("completed") or 0.0) + kept
        return self._context.clock.stamp() >= self.deadline(order)

    def deadline(self, order: Document) -> float:
        """Return when an unpaid order expires, in seconds since 1970."""
        if order["approved"] is not None:
            return float(order["approved"]) + CAPTURE_WITHIN
        return float(order["waiting_since"]) + APPROVE_WITHIN

    def approve(self, order_id: str, funding: str) -> Document:
        """Approve as the buyer, to be paid from a balance, a declined card or slowly. Raises ApiError."""
        if funding not in FUNDINGS:
            raise ValueError(f"unknown funding {funding!r}: one of {', '.join(FUNDINGS)}")
        order = self.get(order_id)
        if order["status"] == "COMPLETED":
            raise unprocessable("ORDER_ALREADY_CAPTURED")
        order["status"] = "APPROVED"
        order["approved"] = self._context.clock.stamp()
        order["funding"] = funding
        if order["context"].get("shipping_preference", "GET_FROM_FILE") == "GET_FROM_FILE":
            order["unit"].setdefault("shipping", {}).setdefault("address", BUYER_ADDRESS)
        self.save_update(order)
        self._context.webhooks.notify(
            "CHECKOUT.ORDER.APPROVED",
            "checkout-order",
            "An order has been approved by buyer",
            self.view(order),
        )
        return order

    def refused(self, order: Document, issue: str) -> ApiError:
        """Return the refusal (422) of a capture for this issue; its effect on the order is stored."""
        if issue == "INSTRUMENT_DECLINED":
            # As at PayPal, the order stays approved; only another approval brings another card.
            order["funding"] = "declined"
            self.save_update(order)
            return ApiError(422, [detail(issue)], [self.buyer_link(order, "redirect")])
        if issue == "PAYER_ACTION_REQUIRED":
            order |= {"status": issue, "approved": None, "funding": None}
            order["waiting_since"] = self._context.clock.stamp()
            self.save_update(order)
            return ApiError(422, [detail(issue)], [self.buyer_link(order, "payer-action")])
        return unprocessable(issue)

    def save_update(self, order: Document) -> None:
        """Store a changed order."""
        order["update_time"] = self._context.clock.iso()
        self._save(order)

    def expire_approvals(self) -> None:
        """Notify the shop of approvals that were not used in time."""
        for order in self._context.store.tagged("order", "APPROVED"):
            if self.dead(order):
                order["status"] = "VOIDED"
                self.save_update(order)
                self._notify_expired(order)

    def next_deadline(self) -> float | None:
        """Return when the next approval expires, in seconds since 1970."""
        approved = self._context.store.tagged("order", "APPROVED")
        return min((self.deadline(order) for order in approved), default=None)

    def _notify_expired(self, order: Document) -> None:
        unit = order["unit"]
        self._context.webhooks.notify(
            "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
            None,
            "A payment has been reversed after approval.",
            {
                "order_id": order["id"],
                "purchase_units": [
                    {key: unit[key] for key in ("reference_id", "custom_id", "invoice_id") if key in unit}
                ],
                "payment_source": {"paypal": BUYER},
            },
        )

    def view(self, order: Document, payments: Document | None = None) -> Document:
        """Return an order as PayPal shows it in full; `payments` is the unit's {"captures": […], "refunds": […]}."""
        unit = order["unit"] | ({"payments": payments} if payments else {})
        view: Document = {
            "id": order["id"],
            "intent": order["intent"],
            "status": order["status"],
            "purchase_units": [unit],
            "create_time": order["create_time"],
            "update_time": order["update_time"],
            "links": self.links(order),
        }
        if order["funding"] is not None:
            view["payment_source"] = {"paypal": BUYER}
            view["payer"] = {
                "email_address": BUYER["email_address"],
                "payer_id": BUYER["account_id"],
                "name": BUYER["name"],
                "address": BUYER["address"],
            }
        elif order["wallet"]:
            view["payment_source"] = {"paypal": {}}
        return view

    def minimal(self, order: Document) -> Document:
        """Return what `Prefer: return=minimal` shows."""
        return {"id": order["id"], "status": order["status"], "links": self.links(order)}

    def links(self, order: Document) -> list[Document]:
        """Return the links that the order's status allows."""
        path = f"/v2/checkout/orders/{order['id']}"
        links = [self._context.link("self", path)]
        if order["status"] in {"CREATED", "PAYER_ACTION_REQUIRED", "APPROVED"}:
            links.append(self.buyer_link(order, "payer-action" if order["wallet"] else "approve"))
        if order["status"] in {"CREATED", "APPROVED"}:
            links.append(self._context.link("capture", f"{path}/capture", "POST"))
        return links

    def buyer_link(self, order: Document, rel: str) -> Document:
        """Return the link that the buyer is sent to."""
        return self._context.link(rel, f"/checkoutnow?token={order['id']}")

    def return_url(self, order: Document) -> str | None:
        """Return where an approving buyer is sent, with token and PayerID."""
        return _with_query(
            order["context"].get("return_url"), token=order["id"], PayerID=str(BUYER["account_id"])
        )

    def cancel_url(self, order: Document) -> str | None:
        """Return where a cancelling buyer is sent, with the token."""
        return _with_query(order["context"].get("cancel_url"), token=order["id"])

    def _save(self, order: Document) -> None:
        self._context.store.put("order", order["id"], order, tag=order["status"])


def check_amounts(unit: Document) -> None:
    """Raise the ApiError in a purchase unit's amounts: currency, decimals, sums."""
    path = "/purchase_units/0"
    amount = unit["amount"]
    currency = amount["currency_code"]
    if currency not in CURRENCIES:
        raise unprocessable("INVALID_CURRENCY_CODE", f"{path}/amount/currency_code", currency)
    for field, money in _moneys(unit):
        check_money(money, currency, f"{path}/{field}")
    if to_minor(amount["value"], currency) == 0:
        raise unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", f"{path}/amount/value", amount["value"])
    _check_breakdown(amount, currency, path)
    _check_items(unit, currency, path)


def check_money(money: Document, currency: str, field: str) -> None:
    """Raise the ApiError in one amount of an order."""
    if money["currency_code"] != currency:
        raise unprocessable("MULTI_CURRENCY_ORDER", f"{field}/currency_code", money["currency_code"])
    value = Decimal(money["value"])
    if value < 0:
        raise unprocessable("CANNOT_BE_NEGATIVE", f"{field}/value", money["value"])
    if value > MAX_VALUE:
        raise unprocessable("MAX_VALUE_EXCEEDED", f"{field}/value", money["value"])
    if not precise(money["value"], currency):
        raise unprocessable("DECIMAL_PRECISION", f"{field}/value", money["value"])


def _moneys(unit: Document) -> list[tuple[str, Document]]:
    """List every amount of a purchase unit with its field."""
    found = [("amount", unit["amount"])]
    found += [(f"amount/breakdown/{name}", money) for name, money in _breakdown(unit["amount"]).items()]
    for index, item in enumerate(unit.get("items", [])):
        found += [(f"items/{index}/{name}", item[name]) for name in ("unit_amount", "tax") if name in item]
    return found


def _check_breakdown(amount: Document, currency: str, path: str) -> None:
    parts = _breakdown(amount)
    if not parts:
        return

    def total(names: tuple[str, ...]) -> int:
        return sum(to_minor(parts[name]["value"], currency) for name in names if name in parts)

    if total(_ADDED) - total(_TAKEN_OFF) != to_minor(amount["value"], currency):
        raise unprocessable("AMOUNT_MISMATCH", f"{path}/amount/value", amount["value"])


def _check_items(unit: Document, currency: str, path: str) -> None:
    items = unit.get("items", [])
    if not items:
        return
    _check_sum(unit, currency, path, ("unit_amount", "item_total", "ITEM_TOTAL"))
    if any("tax" in item for item in items):
        _check_sum(unit, currency, path, ("tax", "tax_total", "TAX_TOTAL"))


def _check_sum(unit: Document, currency: str, path: str, names: tuple[str, str, str]) -> None:
    of_item, of_total, issue = names
    total = _breakdown(unit["amount"]).get(of_total)
    field = f"{path}/amount/breakdown/{of_total}"
    if total is None:
        raise unprocessable(f"{issue}_REQUIRED", field)
    items = sum(
        to_minor(item[of_item]["value"], currency) * int(item["quantity"])
        for item in unit["items"]
        if of_item in item
    )
    if items != to_minor(total["value"], currency):
        raise unprocessable(f"{issue}_MISMATCH", f"{field}/value", total["value"])


def _breakdown(amount: Document) -> Document:
    found: Document = amount.get("breakdown", {})
    return found


def _experience_context(body: Document) -> Document:
    wallet = body.get("payment_source", {}).get("paypal", {})
    context: Document = wallet.get("experience_context") or body.get("application_context") or {}
    return context


def _address(unit: Document) -> Document | None:
    address: Document | None = unit.get("shipping", {}).get("address")
    return address


def _with_query(url: str | None, **added: str) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *added.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))
