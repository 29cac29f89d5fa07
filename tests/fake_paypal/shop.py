"""A shop that talks to the fake PayPal: the least that the tests need of a client."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.fake_paypal import FakePayPal

Json = dict[str, Any]
RETURN_URL = "http://127.0.0.1:9/return?shop=1"
CANCEL_URL = "http://127.0.0.1:9/cancel"


@dataclass(frozen=True)
class Response:
    """What the fake PayPal answered."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """Return the parsed body. Raises ValueError."""
        return json.loads(self.raw)

    @property
    def issue(self) -> str:
        """Return the first issue of a refusal."""
        return str(self.body["details"][0]["issue"])

    @property
    def issues(self) -> set[tuple[str, str]]:
        """Return every (issue, field) of a refusal."""
        return {(entry["issue"], entry.get("field", "")) for entry in self.body["details"]}


Check = Callable[[str, str, Response], None]


class Shop:
    """Calls with a token; every call makes a connection of its own."""

    def __init__(self, paypal: FakePayPal, check: Check | None = None) -> None:
        self._paypal = paypal
        self._check = check
        self.token = self.ask_token().body["access_token"]

    def ask_token(self, secret: str | None = None, form: str = "grant_type=client_credentials") -> Response:
        """Ask for a token."""
        pair = f"{self._paypal.client_id}:{secret or self._paypal.client_secret}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.send("POST", "/v1/oauth2/token", form.encode(), headers)

    def call(
        self, method: str, path: str, body: object = None, key: str | None = None, full: bool = False
    ) -> Response:
        """Call the API with the token; `key` is the PayPal-Request-Id, `full` asks for a representation."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key is not None:
            headers["PayPal-Request-Id"] = key
        if full:
            headers["Prefer"] = "return=representation"
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.send(method, path, raw, headers)
        if self._check is not None:
            self._check(method, path, answer)
        return answer

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Json | None = None, timeout: float = 5
    ) -> Response:
        """Send anything. Raises OSError and http.client's exceptions."""
        address = self._paypal.api_url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            received = {name.lower(): text for name, text in response.getheaders()}
            return Response(response.status, received, response.read())
        finally:
            connection.close()

    def create(self, key: str = "create-1", **changes: Any) -> str:
        """Make an order and return its id; `changes` as for `an_order()`."""
        answer = self.call("POST", "/v2/checkout/orders", an_order(**changes), key)
        assert answer.status in {200, 201}, answer.raw
        return str(answer.body["id"])

    def capture(self, order_id: str, key: str = "capture-1") -> Response:
        """Capture an order."""
        return self.call("POST", f"/v2/checkout/orders/{order_id}/capture", {}, key, full=True)

    def paid(self, **changes: Any) -> str:
        """Make, approve and capture an order; return the capture's id."""
        order_id = self.create(key=f"create-{changes.get('invoice_id')}", **changes)
        self._paypal.control.approve(order_id)
        return str(capture_of(self.capture(order_id))["id"])

    def refund(
        self, capture_id: str, value: str | None = None, key: str = "refund-1", **more: Any
    ) -> Response:
        """Refund a capture, all of it or some."""
        amount = {} if value is None else {"amount": {"currency_code": "EUR", "value": value}}
        return self.call("POST", f"/v2/payments/captures/{capture_id}/refund", amount | more, key, full=True)


def capture_of(answer: Response) -> Json:
    """Return the capture in a captured order."""
    assert answer.status in {200, 201}, answer.raw
    capture: Json = answer.body["purchase_units"][0]["payments"]["captures"][0]
    return capture


def eur(value: str) -> Json:
    """Return an amount of PayPal's kind."""
    return {"currency_code": "EUR", "value": value}


def an_order(**changes: Any) -> Json:
    """Return an order's request: two teas and shipping for 30.00 EUR; `changes` go into its purchase unit."""
    unit: Json = {
        "amount": {
            **eur("30.00"),
            "breakdown": {"item_total": eur("25.00"), "shipping": eur("5.00")},
        },
        "items": [{"name": "Grüner Tee", "quantity": "2", "unit_amount": eur("12.50"), "sku": "TEA-1"}],
        "custom_id": "order-1",
        "invoice_id": "S-1",
        **changes,
    }
    context = {
        "brand_name": "Awning",
        "return_url": RETURN_URL,
        "cancel_url": CANCEL_URL,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": context}},
    }
