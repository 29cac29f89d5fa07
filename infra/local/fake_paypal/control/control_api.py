"""The control API `/_control/…`: whatever a buyer, a bank, a merchant or a failure can do, on command."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.fake_paypal.api.api_errors import ApiError
from infra.local.fake_paypal.api.http_server import Dispatcher
from infra.local.fake_paypal.api.http_types import Request, Response, Route, json_response, route
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.faults import Faults
from infra.local.fake_paypal.payments.orders import FUNDINGS
from infra.local.fake_paypal.payments.payments import Payments
from infra.local.fake_paypal.payments.scripted_outcomes import Script
from infra.local.fake_paypal.settings import Settings
from infra.local.fake_paypal.store import Document

Body = Mapping[str, Any]
_SETTINGS: dict[str, Any] = {
    "webhook_url": str | None,
    "webhook_events": list | tuple,
    "automatic": bool,
    "token_life": int,
    "paid_orders_kept": int | float | None,
}


class Steering:
    """The control API. Every POST takes a JSON object and answers with one."""

    def __init__(self, context: Context, payments: Payments, faults: Faults) -> None:
        self._context = context
        self._payments = payments
        self._orders = payments.orders
        self._faults = faults
        self.dispatcher: Dispatcher | None = None

    def routes(self) -> list[Route]:
        """List the routes."""
        verbs: dict[str, Callable[[Body], object]] = {
            "reset": self.reset,
            "approve": self.approve,
            "cancel": self.cancel,
            "script-capture": self.script_capture,
            "script-refund": self.script_refund,
            "settle-capture": self.settle_capture,
            "settle-refund": self.settle_refund,
            "refund": self.refund,
            "reverse": self.reverse,
            "cancel-reversal": self.cancel_reversal,
            "open-dispute": self.open_dispute,
            "resolve-dispute": self.resolve_dispute,
            "advance": self.advance,
            "settings": self.settings,
            "revoke-tokens": self.revoke_tokens,
            "fault": self.fault,
            "clear-faults": self.clear_faults,
            "clear-requests": self.clear_requests,
            "deliver": self.deliver,
            "deliver-pending": self.deliver_pending,
            "resend": self.resend,
            "sign": self.sign,
            "forge": self.forge,
            "trust": self.trust,
        }
        views: dict[str, Callable[[], object]] = {
            "clock": lambda: {"now": self._context.clock.now().isoformat()},
            "settings": lambda: dataclasses.asdict(self._context.settings),
            "ledger": lambda: {
                "rows": self._payments.ledger.rows(),
                "totals": self._payments.ledger.totals(),
            },
            "orders": lambda: {"orders": [self._order(o) for o in self._context.store.all("order")]},
            "notifications": lambda: {"notifications": self._context.webhooks.deliveries()},
            "faults": lambda: {"faults": self._faults.in_force()},
            "requests": lambda: {
                "requests": list(self.dispatcher.requests.copy()) if self.dispatcher else []
            },
        }
        return [
            *(route("GET", f"/_control/{name}", self._shown(view)) for name, view in views.items()),
            *(route("POST", f"/_control/{name}", self._done(verb)) for name, verb in verbs.items()),
        ]

    # Everything

    def reset(self, body: Body) -> object:
        """Delete everything but tokens and the certificate, and reset the clock."""
        self._faults.clear()
        with self._context.store.transaction():
            self._context.store.clear(keep="token")
            self._context.clock.reload()
        self._context.settings.token_life = Settings.token_life
        self._context.settings.paid_orders_kept = Settings.paid_orders_kept
        self._context.settings.webhook_events = Settings.webhook_events
        return self.clear_requests(body)

    def settings(self, body: Body) -> object:
        """Set whom to notify (`webhook_url`), whether automatically (`automatic`), and how long tokens and orders live."""
        for name, value in body.items():
            if not isinstance(value, _SETTINGS.get(name, ())):
                raise ValueError(f"{name} cannot be set to {value!r}")
        for name, value in body.items():
            setattr(self._context.settings, name, value)
        self._context.webhooks.news.set()
        return dataclasses.asdict(self._context.settings)

    def advance(self, body: Body) -> object:
        """Move the clock forward by `seconds`; what expires meanwhile expires immediately."""
        with self._context.store.transaction():
            self._context.clock.advance(float(body["seconds"]))
            self._orders.expire_approvals()
        self._context.webhooks.news.set()
        return {"now": self._context.clock.now().isoformat()}

    def revoke_tokens(self, body: Body) -> object:
        """Invalidate every token issued so far."""
        with self._context.store.transaction():
            for token, _ in self._context.store.items("token"):
                self._context.store.delete("token", token)
        return {}

    # The buyer

    def approve(self, body: Body) -> object:
        """Approve `order_id` with `funding` (balance, declined, slow); return where the browser would go."""
        funding = body.get("funding", FUNDINGS[0])
        with self._context.store.transaction():
            order = self._orders.approve(body["order_id"], funding)
        return {"redirect": self._orders.return_url(order)}

    def cancel(self, body: Body) -> object:
        """Cancel `order_id` unpaid; return where the browser would go."""
        return {"redirect": self._orders.cancel_url(self._orders.get(body["order_id"]))}

    # Money

    def script_capture(self, body: Body) -> object:
        """Set the outcome of the next capture."""
        self._payments.captures.scripts.add(Script(**body))
        return {}

    def script_refund(self, body: Body) -> object:
        """Set the outcome of the next refund requested by API."""
        self._payments.refunds.scripts.add(Script(**body))
        return {}

    def settle_capture(self, body: Body) -> object:
        """Complete (`completed` true) or deny the pending `capture_id`."""
        with self._context.store.transaction():
            capture = self._payments.captures.settle(body["capture_id"], bool(body["completed"]))
            return self._payments.captures.view(capture)

    def settle_refund(self, body: Body) -> object:
        """Complete (`completed` true) or fail the pending `refund_id`."""
        with self._context.store.transaction():
            refund = self._payments.refunds.settle(body["refund_id"], bool(body["completed"]))
            return self._payments.refunds.view(refund)

    def refund(self, body: Body) -> object:
        """Refund `capture_id` as in PayPal's dashboard: `value` or all; completed, pending or failed."""
        with self._context.store.transaction():
            refund = self._payments.refunds.refund_in_dashboard(
                body["capture_id"], body.get("value"), body.get("outcome", "completed")
            )
            return self._payments.refunds.view(refund)

    def reverse(self, body: Body) -> object:
        """Reverse `value` or all of `capture_id`, as a bank does."""
        with self._context.store.transaction():
            reversal = self._payments.refunds.reverse(body["capture_id"], body.get("value"))
            return self._payments.refunds.view(reversal)

    def open_dispute(self, body: Body) -> object:
        """Open a dispute about `capture_id`."""
        with self._context.store.transaction():
            return self._payments.disputes.open(**body)

    def resolve_dispute(self, body: Body) -> object:
        """Resolve `dispute_id` in `favour` of the seller or the buyer."""
        with self._context.store.transaction():
            return self._payments.disputes.resolve(body["dispute_id"], body["favour"])

    def cancel_reversal(self, body: Body) -> object:
        """Return what a bank took from `capture_id`, without a dispute."""
        with self._context.store.transaction():
            return self._payments.refunds.cancel_reversal(body["capture_id"])

    # Bad luck

    def fault(self, body: Body) -> object:
        """Inject a fault."""
        return self._faults.add(**body).describe()

    def clear_faults(self, body: Body) -> object:
        """Clear the fault `id`, or all."""
        self._faults.clear(body.get("id"))
        return {}

    def clear_requests(self, body: Body) -> object:
        """Delete the list of received requests."""
        if self.dispatcher is not None:
            self.dispatcher.requests.clear()
        return {}

    # Notifications

    def deliver(self, body: Body) -> object:
        """Send the delivery `id` now."""
        answer = self._context.webhooks.deliver(body["id"])
        if answer is None:
            raise ValueError(f"there is no delivery {body['id']}, or it is being sent this moment")
        return answer

    def deliver_pending(self, body: Body) -> object:
        """Send what is pending (with `due_only`, only what is due) and return the answers."""
        return {"answers": self._context.webhooks.deliver_pending(bool(body.get("due_only", False)))}

    def resend(self, body: Body) -> object:
        """Enqueue another notification of `event_id`."""
        event = self._context.webhooks.event(body["event_id"])
        if event is None:
            raise ValueError(f"there is no event {body['event_id']}")
        self._context.webhooks.resend(event)
        return {}

    def sign(self, body: Body) -> object:
        """Return the headers for a body (`body`, in base64), signed with the `right` or a `wrong` key."""
        return {"headers": self._signed(body)}

    def forge(self, body: Body) -> object:
        """Post a custom body to the webhook, signed as requested, with `headers` overriding."""
        headers = self._signed(body) | dict(body.get("headers", {}))
        return self._context.webhooks.post(base64.b64decode(body["body"]), headers)

    def trust(self, body: Body) -> object:
        """Accept signatures by the certificate `pem`, too, as if it were at `certificate_url`."""
        self._context.webhooks.trust(body["certificate_url"], body["pem"])
        return {}

    def _signed(self, body: Body) -> dict[str, str]:
        chosen = {
            name: body[name] for name in ("key", "transmission_id", "time", "webhook_id") if name in body
        }
        return self._context.webhooks.sign(base64.b64decode(body["body"]), **chosen)

    def _order(self, order: Document) -> Document:
        view = self._payments.order_view(order)
        view["dead"] = self._orders.dead(order)
        return view

    def _shown(self, view: Callable[[], object]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            with self._context.store.transaction():
                return json_response(200, view())

        return answer

    def _done(self, verb: Callable[[Body], object]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            if request.media_type != "application/json":  # so no web page can post here unnoticed
                return json_response(415, {"error": "send application/json"})
            try:
                return json_response(200, verb(request.json()))
            except ApiError as problem:
                return json_response(problem.status, {"error": str(problem)})
            except KeyError as missing:
                return json_response(400, {"error": f"{missing} is missing"})
            except (ValueError, TypeError) as error:
                return json_response(400, {"error": str(error)})

        return answer
