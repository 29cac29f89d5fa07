"""A client of the control API: `Control("http://localhost:PORT")`, for tests and harnesses."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


class ControlError(Exception):
    """Raised if the fake PayPal refuses; the text says why."""


@dataclass(frozen=True)
class LedgerRow:
    """One movement of money. `amount` and `net` are negative for refunds and reversals."""

    id: str
    kind: str
    amount: Decimal
    fee: Decimal
    net: Decimal
    currency: str
    order_id: str
    capture_id: str
    custom_id: str | None
    invoice_id: str | None
    time: datetime


@dataclass(frozen=True)
class Totals:
    """The sums of a currency's ledger rows."""

    amount: Decimal
    fee: Decimal
    net: Decimal


@dataclass(frozen=True)
class Notification:
    """One delivery of an event, as sent. `state`: pending, delivered, dropped, given up."""

    id: str
    event_id: str
    event_type: str
    state: str
    due: float
    fault: str | None
    attempts: list[Json]
    headers: dict[str, str]
    body: str

    @property
    def event(self) -> Json:
        """Return the parsed body."""
        event: Json = json.loads(self.body)
        return event


@dataclass(frozen=True)
class Received:
    """One API request that the fake PayPal received; `status` is None if a fault prevented its work."""

    time: str
    operation: str
    method: str
    path: str
    request_id: str | None
    prefer: str | None
    body: str
    status: int | None
    fault: str | None

    @property
    def json(self) -> Any:
        """Return the parsed body; None if it is empty. Raises ValueError."""
        return json.loads(self.body) if self.body else None


class Control:
    """Controls a fake PayPal, in this process or another. Every method raises ControlError if it is refused."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    # Everything

    def reset(self) -> None:
        """Delete everything but tokens and the certificate, and reset the clock."""
        self._post("reset")

    def now(self) -> datetime:
        """Return its time."""
        return datetime.fromisoformat(self._get("clock")["now"])

    def advance(self, seconds: float) -> datetime:
        """Move its clock forward; orders and keys that expire meanwhile expire immediately."""
        return datetime.fromisoformat(self._post("advance", seconds=seconds)["now"])

    def set_webhook(self, url: str | None) -> None:
        """Notify this address from now on; None keeps notifications pending."""
        self._post("settings", webhook_url=url)

    def subscribe(self, *event_types: str) -> None:
        """Notify only of these event types from now on; `*` means all."""
        self._post("settings", webhook_events=event_types)

    def automatic(self, on: bool) -> None:
        """Send notifications automatically, or only on `deliver_pending()`."""
        self._post("settings", automatic=on)

    def token_life(self, seconds: int) -> None:
        """Set the lifetime of new tokens."""
        self._post("settings", token_life=seconds)

    def forget_paid_orders(self, days: float | None) -> None:
        """Show an order as deleted this many days after its capture, which stays; None: never."""
        self._post("settings", paid_orders_kept=None if days is None else days * 86400)

    def revoke_tokens(self) -> None:
        """Invalidate every token issued so far: the next call gets 401."""
        self._post("revoke-tokens")

    # The buyer

    def approve(self, order_id: str) -> str | None:
        """Approve and pay; return where the browser would go."""
        return self._approve(order_id, "balance")

    def decline(self, order_id: str) -> str | None:
        """Approve with a card that will be declined; return where the browser would go."""
        return self._approve(order_id, "declined")

    def slow(self, order_id: str) -> str | None:
        """Approve with a slow method: the capture will be PENDING; return where the browser would go."""
        return self._approve(order_id, "slow")

    def cancel(self, order_id: str) -> str | None:
        """Go back without paying; return where the browser would go."""
        redirect: str | None = self._post("cancel", order_id=order_id)["redirect"]
        return redirect

    # Money

    def orders(self) -> list[Json]:
        """List all orders as PayPal shows them, including those no longer payable (`dead`)."""
        orders: list[Json] = self._get("orders")["orders"]
        return orders

    def order(self, order_id: str) -> Json:
        """Return one order, dead or alive."""
        for order in self.orders():
            if order["id"] == order_id:
                return order
        raise ControlError(f"there is no order {order_id}")

    def captures(self, order_id: str) -> list[Json]:
        """List an order's captures."""
        payments: Json = self.order(order_id)["purchase_units"][0].get("payments", {})
        captures: list[Json] = payments.get("captures", [])
        return captures

    def next_capture(
        self,
        outcome: str = "completed",
        order_id: str | None = None,
        reason: str | None = None,
        value: str | None = None,
        currency: str | None = None,
        custom_id: str | None = None,
        merchant_id: str | None = None,
    ) -> None:
        """Set the outcome of the next capture (of this order): completed, pending, declined, failed, or the ISSUE of a 422.

        `reason` is why it is pending; the other values replace the order's.
        """
        script = {
            "order_id": order_id,
            "reason": reason,
            "value": value,
            "currency": currency,
            "custom_id": custom_id,
            "merchant_id": merchant_id,
        }
        self._post("script-capture", outcome=outcome, **script)

    def next_refund(self, outcome: str, order_id: str | None = None) -> None:
        """Set the outcome of the next refund by API: completed, pending, failed, or the ISSUE of a 422."""
        self._post("script-refund", outcome=outcome, order_id=order_id)

    def complete(self, capture_id: str) -> Json:
        """Complete a pending capture."""
        return self._post("settle-capture", capture_id=capture_id, completed=True)

    def deny(self, capture_id: str) -> Json:
        """Deny a pending capture."""
        return self._post("settle-capture", capture_id=capture_id, completed=False)

    def refund(self, capture_id: str, value: str | None = None, outcome: str = "completed") -> Json:
        """Refund as in PayPal's dashboard: `value` ("1.50") or all; completed, pending or failed."""
        return self._post("refund", capture_id=capture_id, value=value, outcome=outcome)

    def complete_refund(self, refund_id: str) -> Json:
        """Complete a pending refund."""
        return self._post("settle-refund", refund_id=refund_id, completed=True)

    def fail_refund(self, refund_id: str) -> Json:
        """Fail a pending refund."""
        return self._post("settle-refund", refund_id=refund_id, completed=False)

    def reverse(self, capture_id: str, value: str | None = None) -> Json:
        """Reverse a capture, as the buyer's bank does; return the refund-like record."""
        return self._post("reverse", capture_id=capture_id, value=value)

    def cancel_reversal(self, capture_id: str) -> Json:
        """Return what the bank took, which only another PAYMENT.CAPTURE.COMPLETED reports."""
        return self._post("cancel-reversal", capture_id=capture_id)

    def open_dispute(self, capture_id: str) -> Json:
        """Open a dispute as the buyer; its ID is `dispute_id`."""
        return self._post("open-dispute", capture_id=capture_id)

    def resolve_dispute(self, dispute_id: str, favour: str = "seller") -> Json:
        """Resolve a dispute in favour of the `seller`, or of the `buyer`, who then gets the money back."""
        return self._post("resolve-dispute", dispute_id=dispute_id, favour=favour)

    def ledger(self) -> list[LedgerRow]:
        """List the movements of money, oldest first."""
        return [_ledger_row(row) for row in self._get("ledger")["rows"]]

    def totals(self) -> dict[str, Totals]:
        """Return the ledger's sums by currency."""
        totals: dict[str, Json] = self._get("ledger")["totals"]
        return {
            currency: Totals(**{name: Decimal(text) for name, text in sums.items()})
            for currency, sums in totals.items()
        }

    # Notifications

    def notifications(self, event_type: str | None = None) -> list[Notification]:
        """List deliveries, oldest first, with their headers and body."""
        rows = self._get("notifications")["notifications"]
        fields = Notification.__dataclass_fields__
        found = [Notification(**{name: row[name] for name in fields}) for row in rows]
        return [row for row in found if event_type in (None, row.event_type)]

    def deliver_pending(self, due_only: bool = False) -> list[Json]:
        """Send what is pending, once each, and wait; return the answers (`status` or `error`)."""
        answers: list[Json] = self._post("deliver-pending", due_only=due_only)["answers"]
        return answers

    def deliver(self, notification_id: str) -> Json:
        """Send one delivery, whatever its state, and wait; return the response."""
        return self._post("deliver", id=notification_id)

    def resend(self, event_id: str) -> None:
        """Enqueue another notification of an event."""
        self._post("resend", event_id=event_id)

    def sign(self, body: bytes, key: str = "right", **chosen: str) -> dict[str, str]:
        """Return PayPal's headers for a body; `key` is right or wrong; `chosen`: transmission_id, time, webhook_id."""
        headers: dict[str, str] = self._post("sign", body=_base64(body), key=key, **chosen)["headers"]
        return headers

    def forge(
        self, body: bytes, key: str = "right", headers: Mapping[str, str] | None = None, **chosen: str
    ) -> Json:
        """Post a body to the webhook, signed as in `sign()`, with `headers` overriding; return the response."""
        return self._post("forge", body=_base64(body), key=key, headers=dict(headers or {}), **chosen)

    def trust(self, certificate_url: str, pem: str) -> None:
        """Accept signatures by another certificate, too, as if it were at that address; `reset()` removes it."""
        self._post("trust", certificate_url=certificate_url, pem=pem)

    # Requests and faults

    def requests(self, operation: str | None = None) -> list[Received]:
        """List the API requests received, oldest first."""
        rows = [Received(**row) for row in self._get("requests")["requests"]]
        return [row for row in rows if operation in (None, row.operation)]

    def clear_requests(self) -> None:
        """Delete the list of received requests."""
        self._post("clear-requests")

    def fault(
        self,
        operation: str,
        kind: str,
        times: int | None = 1,
        skip: int = 0,
        seconds: float | None = None,
        match: str = "",
        **refusal: object,
    ) -> int:
        """Inject a fault and return its ID; the README lists operations and kinds.

        `refuse` takes `issue`, `status`, `field`, or several `details`.

        The first `skip` matching calls pass, then `times` are hit (None: all). `match` must occur in the call's
        target or body, or in the event. `seconds` is how long to hang, be slow, delay, or the value of Retry-After.
        """
        fault = self._post(
            "fault",
            operation=operation,
            kind=kind,
            times=times,
            skip=skip,
            seconds=seconds,
            match=match,
            **refusal,
        )
        return int(fault["id"])

    def refuse(
        self,
        operation: str,
        issue: str,
        status: int = 422,
        field: str = "",
        times: int | None = None,
        match: str = "",
    ) -> int:
        """Refuse a call definitely, until the fault is cleared, or `times` times."""
        return self.fault(operation, "refuse", times, match=match, issue=issue, status=status, field=field)

    def faults(self) -> list[Json]:
        """List the active faults."""
        faults: list[Json] = self._get("faults")["faults"]
        return faults

    def clear_faults(self, id_: int | None = None) -> None:
        """Clear one fault or all, and end hanging calls."""
        self._post("clear-faults", id=id_)

    def _approve(self, order_id: str, funding: str) -> str | None:
        redirect: str | None = self._post("approve", order_id=order_id, funding=funding)["redirect"]
        return redirect

    def _get(self, name: str) -> Json:
        return self._call("GET", name, None)

    def _post(self, name: str, **body: object) -> Json:
        return self._call("POST", name, json.dumps(body).encode())

    def _call(self, method: str, name: str, body: bytes | None) -> Json:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request(method, f"/_control/{name}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: Json = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(str(answer.get("error", answer)))
        return answer


def _ledger_row(row: Json) -> LedgerRow:
    amounts = {name: Decimal(row[name]) for name in ("amount", "fee", "net")}
    return LedgerRow(**(row | amounts | {"time": datetime.fromisoformat(row["time"])}))


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()
