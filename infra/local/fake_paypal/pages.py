"""The pages: the shopper's approval page, and the operator's page to watch and control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.local.fake_paypal.api.api_errors import ApiError
from infra.local.fake_paypal.api.http_types import Request, Response, Route, route, see_other
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.payments import Payments
from infra.local.fake_paypal.store import Document

_FOLDER = Path(__file__).parent / "templates"
_SHOWN = 50  # rows of each table on the operator's page

_BREAKDOWN = {
    "item_total": "Items",
    "shipping": "Shipping",
    "handling": "Handling",
    "tax_total": "Tax",
    "insurance": "Insurance",
    "shipping_discount": "Shipping discount",
    "discount": "Discount",
}
_FUNDINGS = {"pay": "balance", "pay-and-close": "balance", "declined": "declined", "slow": "slow"}


class Pages:
    """All pages."""

    def __init__(self, context: Context, payments: Payments) -> None:
        self._context = context
        self._payments = payments
        self._orders = payments.orders
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["time"] = lambda iso: iso[:19].replace("T", " ")
        self._templates.filters["amount"] = lambda money: f"{money['value']} {money['currency_code']}"

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            route("GET", "/", self.operator),
            route("POST", "/", self.operate),
            route("GET", "/checkoutnow", self.approval),
            route("POST", "/checkoutnow", self.decide),
            route("GET", "/fake_paypal.css", self.style),
            route("GET", "/favicon.ico", self.icon),
        ]

    def approval(self, request: Request) -> Response:
        """Show the approval page, where the shopper may pay in several ways or cancel."""
        with self._context.store.transaction():
            order = self._orders.find(request.query.get("token", ""))
            if order is None:
                return self._notice(404, "Payment not found", "The link is wrong or has expired.")
            if order["status"] == "COMPLETED":
                return self._paid(order)
            if self._orders.dead(order):
                return self._expired(order)
            return self._page("approve.html", 200, **self._approval_view(order))

    def decide(self, request: Request) -> Response:
        """Apply the shopper's choice and redirect the browser to the shop."""
        if not _from_here(request):
            return self._notice(403, "Request blocked", "Please open the payment page again.")
        choice = request.form.get("choice", "")
        order_id = request.form.get("token", "")
        with self._context.store.transaction():
            order = self._orders.find(order_id)
            if order is None or order["status"] == "COMPLETED" or self._orders.dead(order):
                return see_other(f"/checkoutnow?token={order_id}" if _is_id(order_id) else "/checkoutnow")
            if choice == "cancel":
                return self._leave(self._orders.cancel_url(order), "Cancelled", "You haven’t paid anything.")
            if choice not in _FUNDINGS:
                return self._notice(
                    400, "Unknown payment method", "Please use one of the buttons on the payment page."
                )
            order = self._orders.approve(order_id, _FUNDINGS[choice])
        approved = "You’ve approved the payment. The shop will complete it."
        target = None if choice == "pay-and-close" else self._orders.return_url(order)
        return self._leave(target, "Approved", f"{approved} You can close this page.")

    def operator(self, request: Request) -> Response:
        """Show orders, money and notifications."""
        with self._context.store.transaction():
            orders = self._context.store.latest("order", _SHOWN)
            return self._page(
                "operator.html",
                200,
                settings=self._context.settings,
                now=self._context.clock.iso(),
                orders=[self._operator_row(order) for order in orders],
                ledger=self._context.store.latest("ledger", _SHOWN),
                totals=self._payments.ledger.totals(),
                notifications=self._context.webhooks.latest(_SHOWN),
                problem=request.query.get("problem", ""),
            )

    def operate(self, request: Request) -> Response:
        """Apply a button of the operator's page."""
        if not _from_here(request):
            return self._notice(403, "Request blocked", "Please open the operator’s page again.")
        form = request.form
        captures, refunds = self._payments.captures, self._payments.refunds
        actions: dict[str, Callable[[str], object]] = {
            "complete": lambda id_: captures.settle(id_, completed=True),
            "deny": lambda id_: captures.settle(id_, completed=False),
            "refund": lambda id_: refunds.refund_in_dashboard(id_, form.get("value") or None, "completed"),
            "reverse": refunds.reverse,
            "cancel-reversal": refunds.cancel_reversal,
            "dispute": self._payments.disputes.open,
            "seller-wins": lambda id_: self._payments.disputes.resolve(id_, "seller"),
            "buyer-wins": lambda id_: self._payments.disputes.resolve(id_, "buyer"),
            "resend": self._resend,
        }
        action = actions.get(form.get("action", ""))
        if action is None:
            return self._notice(400, "Unknown action", "Please open the operator’s page again.")
        try:
            with self._context.store.transaction():
                action(form.get("id", ""))
        except ApiError as problem:
            return see_other(f"/?problem={_issue(problem)}")
        except ValueError:
            return see_other("/?problem=NO_LONGER_PENDING")
        return see_other("/#notifications" if form.get("action") == "resend" else "/#orders")

    def style(self, request: Request) -> Response:
        """Return the style sheet."""
        return Response(200, (_FOLDER / "fake_paypal.css").read_bytes(), "text/css; charset=utf-8")

    def icon(self, request: Request) -> Response:
        """Return the favicon."""
        return Response(200, (_FOLDER / "mark.svg").read_bytes(), "image/svg+xml")

    def _approval_view(self, order: Document) -> Document:
        unit, context = order["unit"], order["context"]
        breakdown: Document = unit["amount"].get("breakdown", {})
        return {
            "order": order,
            "merchant": context.get("brand_name") or unit["payee"]["email_address"],
            "amount": unit["amount"],
            "items": unit.get("items", []),
            "parts": [
                (label, breakdown[name], "discount" in name)
                for name, label in _BREAKDOWN.items()
                if name in breakdown and float(breakdown[name]["value"]) != 0
            ],
            "description": unit.get("description", ""),
            "address": unit.get("shipping"),
            "pay_now": context.get("user_action") == "PAY_NOW",
            "slow_allowed": context.get("payment_method_preference") != "IMMEDIATE_PAYMENT_REQUIRED",
        }

    def _operator_row(self, order: Document) -> Document:
        captures = [self._payments.captures.find(id_) for id_ in order["captures"]]
        return {
            "id": order["id"],
            "status": "EXPIRED" if self._orders.dead(order) else order["status"],
            "amount": order["unit"]["amount"],
            "invoice_id": order["unit"].get("invoice_id", ""),
            "time": order["create_time"],
            "can_pay": order["status"] != "COMPLETED" and not self._orders.dead(order),
            "captures": [
                self._payments.captures.view(capture)
                | {
                    "left": self._payments.refunds.left_to_refund(capture),
                    "reversed": capture["reversed"],
                    "disputes": self._payments.disputes.open_about(capture["id"]),
                }
                for capture in captures
            ],
        }

    def _resend(self, event_id: str) -> None:
        event = self._context.webhooks.event(event_id)
        if event is not None:
            self._context.webhooks.resend(event)

    def _paid(self, order: Document) -> Response:
        return self._notice(
            200,
            "Already paid",
            "This payment is complete. You don’t need to do anything else.",
            self._orders.return_url(order),
        )

    def _expired(self, order: Document) -> Response:
        text = "A payment must be approved within three hours and completed within another three. Please go back to the shop and pay again."
        return self._notice(410, "This payment has expired", text, self._orders.cancel_url(order))

    def _leave(self, target: str | None, title: str, text: str) -> Response:
        return self._notice(200, title, text) if target is None else see_other(target)

    def _notice(self, status: int, title: str, text: str, back: str | None = None) -> Response:
        return self._page("notice.html", status, title=title, text=text, back=back)

    def _page(self, template: str, status: int, **view: Any) -> Response:
        html = self._templates.get_template(template).render(view).encode()
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        return Response(status, html, "text/html; charset=utf-8", headers)


def _from_here(request: Request) -> bool:
    """Return whether a post comes from one of these pages, or not from a browser."""
    return request.headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _issue(problem: ApiError) -> str:
    return str(problem.details[0]["issue"]) if problem.details else str(problem.status)
