"""A client for the control address: `Control("http://localhost:PORT")`, for tests and harnesses."""

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
    """The fake PayPal would not do it; the text says why."""


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
    """One delivery of an event, as it is on the wire. `state`: pending, delivered, dropped, given up."""

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
    """One API request that the fake PayPal received; `status` is None where a fault forbade its work."""

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
    """Steer a fake PayPal, of this process or another. Every method raises ControlError if it is refused."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    # Everything

    def reset(self) -> None:
        """Forget all but tokens and the certificate, and put the clock right."""
        self._post("reset")

    def now(self) -> datetime:
        """Read its clock."""
        return datetime.fromisoformat(self._get("clock")["now"])

    def advance(self, seconds: float) -> datetime:
        """Move its clock on; orders and keys that lapse meanwhile lapse at once."""
        return datetime.fromisoformat(self._post("advance", seconds=seconds)["now"])

    def set_webhook(self, url: str | None) -> None:
        """Notify this address from now on; None keeps notifications pending."""
        self._post("settings", webhook_url=url)

    def subscribe(self, *event_types: str) -> None:
        """Notify of these types alone from now on; `*` stands for all."""
        self._post("settings", webhook_events=event_types)

    def automatic(self, on: bool) -> None:
        """Let notifications go out by themselves, or only on `deliver_pending()`."""
        self._post("settings", automatic=on)

    def token_life(self, seconds: int) -> None:
        """Let coming tokens live so long."""
        self._post("settings", token_life=seconds)

    def forget_paid_orders(self, days: float | None) -> None:
        """Show an order as gone so many days after its capture, which stays; None: never."""
        self._post("settings", paid_orders_kept=None if days is None else days * 86400)

    def revoke_tokens(self) -> None:
        """Make every token given so far worthless: the next call gets 401."""
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
        """List all orders as PayPal shows them, the dead ones too (`dead`)."""
        orders: list[Json] = self._get("orders")["orders"]
        return orders

    def order(self, order_id: str) -> Json:
        """Show one order, dead or alive."""
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
        """Decide the next capture (of this order): completed, pending, declined, failed, or the ISSUE of a 422.

        `reason` is why it is pending; the others make the capture differ from what was ordered.
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
        """Decide the next refund by API: completed, pending, failed, or the ISSUE of a 422."""
        self._post("script-refund", outcome=outcome, order_id=order_id)

    def complete(self, capture_id: str) -> Json:
        """Let a pending capture come true."""
        return self._post("settle-capture", capture_id=capture_id, completed=True)

    def deny(self, capture_id: str) -> Json:
        """Let a pending capture be denied."""
        return self._post("settle-capture", capture_id=capture_id, completed=False)

    def refund(self, capture_id: str, value: str | None = None, outcome: str = "completed") -> Json:
        """Refund on PayPal's own pages: `value` ("1.50") or all; completed, pending or failed."""
        return self._post("refund", capture_id=capture_id, value=value, outcome=outcome)

    def complete_refund(self, refund_id: str) -> Json:
        """Let a pending refund come true."""
        return self._post("settle-refund", refund_id=refund_id, completed=True)

    def fail_refund(self, refund_id: str) -> Json:
        """Let a pending refund fail."""
        return self._post("settle-refund", refund_id=refund_id, completed=False)

    def reverse(self, capture_id: str, value: str | None = None) -> Json:
        """Let the buyer's bank take the money back; return the refund-like record."""
        return self._post("reverse", capture_id=capture_id, value=value)

    def cancel_reversal(self, capture_id: str) -> Json:
        """Let what the bank took come back, which only PAYMENT.CAPTURE.COMPLETED tells once more."""
        return self._post("cancel-reversal", capture_id=capture_id)

    def open_dispute(self, capture_id: str) -> Json:
        """Let the buyer open a case; its id is `dispute_id`."""
        return self._post("open-dispute", capture_id=capture_id)

    def resolve_dispute(self, dispute_id: str, favour: str = "seller") -> Json:
        """End a case in favour of the `seller`, or of the `buyer`, who then gets the money back."""
        return self._post("resolve-dispute", dispute_id=dispute_id, favour=favour)

    def ledger(self) -> list[LedgerRow]:
        """List the money moved, oldest first."""
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
        """List deliveries, oldest first, with the headers and the body they have on the wire."""
        rows = self._get("notifications")["notifications"]
        fields = Notification.__dataclass_fields__
        found = [Notification(**{name: row[name] for name in fields}) for row in rows]
        return [row for row in found if event_type in (None, row.event_type)]

    def deliver_pending(self, due_only: bool = False) -> list[Json]:
        """Send what is pending, once each, and wait; return the answers (`status` or `error`)."""
        answers: list[Json] = self._post("deliver-pending", due_only=due_only)["answers"]
        return answers

    def deliver(self, notification_id: str) -> Json:
        """Send one delivery, whatever its state, and wait; return the answer."""
        return self._post("deliver", id=notification_id)

    def resend(self, event_id: str) -> None:
        """Line up one more notification of an event."""
        self._post("resend", event_id=event_id)

    def sign(self, body: bytes, key: str = "right", **chosen: str) -> dict[str, str]:
        """Return PayPal's headers for a body; `key` is right or wrong; chosen: transmission_id, time, webhook_id."""
        headers: dict[str, str] = self._post("sign", body=_base64(body), key=key, **chosen)["headers"]
        return headers

    def forge(
        self, body: bytes, key: str = "right", headers: Mapping[str, str] | None = None, **chosen: str
    ) -> Json:
        """Post a body to the webhook, signed as in `sign()`, with `headers` laid over; return the answer."""
        return self._post("forge", body=_base64(body), key=key, headers=dict(headers or {}), **chosen)

    def trust(self, certificate_url: str, pem: str) -> None:
        """Judge signatures by another certificate, too, as if it lay at that address; `reset()` forgets it."""
        self._post("trust", certificate_url=certificate_url, pem=pem)

    # Requests and faults

    def requests(self, operation: str | None = None) -> list[Received]:
        """List the API requests received, oldest first."""
        rows = [Received(**row) for row in self._get("requests")["requests"]]
        return [row for row in rows if operation in (None, row.operation)]

    def clear_requests(self) -> None:
        """Forget the requests received."""
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
        """Order a fault and return its id; the README lists operations and kinds.

        To `refuse` takes `issue`, `status`, `field`, or several `details`.
        `skip` matching calls pass first, then `times` (None: all) are hit. `match` must occur in the call's
        target or body, or in the event. `seconds` is how long to hang, be slow, delay, or say Retry-After.
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
        """Refuse a call definitely, until the fault is cleared, or so many times."""
        return self.fault(operation, "refuse", times, match=match, issue=issue, status=status, field=field)

    def faults(self) -> list[Json]:
        """List the faults still in force."""
        faults: list[Json] = self._get("faults")["faults"]
        return faults

    def clear_faults(self, id_: int | None = None) -> None:
        """Withdraw one fault or all, and end the hangs under way."""
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
