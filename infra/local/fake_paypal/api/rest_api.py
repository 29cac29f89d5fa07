"""PayPal's REST API: tokens, idempotency and routes; the logic is in orders.py, captures.py and refunds.py."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.fake_paypal.api import request_schemas
from infra.local.fake_paypal.api.api_errors import (
    ApiError,
    detail,
    invalid,
    new_debug_id,
    not_found,
    unprocessable,
)
from infra.local.fake_paypal.api.http_types import Request, Response, Route, json_response, raw_value, route
from infra.local.fake_paypal.certificates import Certificate
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.payments.payments import Payments
from infra.local.fake_paypal.store import Document

ORDER_KEYS_KEPT = 6 * 3600
REFUND_KEYS_KEPT = 45 * 86400

Work = Callable[[], tuple[int, Document]]


class Api:
    """The routes under /v1 and /v2."""

    def __init__(self, context: Context, payments: Payments, certificate: Certificate) -> None:
        self._context = context
        self._payments = payments
        self._orders = payments.orders
        self._captures = payments.captures
        self._refunds = payments.refunds
        self._certificate = certificate

    def routes(self) -> list[Route]:
        """List the routes, each with its operation's name."""
        order = "/v2/checkout/orders/([^/]+)"
        capture = "/v2/payments/captures/([^/]+)"
        refund = "/v2/payments/refunds/([^/]+)"
        events = "/v1/notifications/webhooks-events"
        return [
            route("POST", "/v1/oauth2/token", self.token, "token"),
            route("POST", "/v2/checkout/orders", self._guarded(self.create), "create"),
            route("GET", order, self._guarded(self.get), "get"),
            route("POST", f"{order}/capture", self._guarded(self.capture), "capture"),
            route("GET", capture, self._guarded(self.capture_get), "capture_get"),
            route("POST", f"{capture}/refund", self._guarded(self.refund), "refund"),
            route("GET", refund, self._guarded(self.refund_get), "refund_get"),
            route("GET", events, self._guarded(self.events), "events"),
            route("GET", f"{events}/([^/]+)", self._guarded(self.event_get), "event_get"),
            route("POST", f"{events}/([^/]+)/resend", self._guarded(self.resend), "resend"),
            route("POST", "/v1/notifications/verify-webhook-signature", self._guarded(self.verify), "verify"),
            route(
                "GET", "/v1/notifications/webhooks/([^/]+)", self._guarded(self.webhook_get), "webhook_get"
            ),
            route("GET", "/v1/notifications/certs/([^/]+)", self.cert, "cert"),
        ]

    def token(self, request: Request) -> Response:
        """Return a bearer token for the client's ID and secret."""
        settings = self._context.settings
        if request.refusal is not None:
            (issue, *_) = [str(one["issue"]) for one in request.refusal.details] or ["invalid_client"]
            return json_response(
                request.refusal.status, {"error": issue, "error_description": "Refused on order."}
            )
        if not _same_credentials(request, settings.client_id, settings.client_secret):
            return json_response(
                401, {"error": "invalid_client", "error_description": "Client Authentication failed"}
            )
        if request.form.get("grant_type") != "client_credentials":
            message = "unsupported grant_type"
            return json_response(400, {"error": "unsupported_grant_type", "error_description": message})
        token = f"A21AA{secrets.token_urlsafe(48)}"
        expires = self._context.clock.stamp() + settings.token_life
        self._context.store.put("token", token, {"expires": expires})
        return json_response(
            200,
            {
                "scope": "https://uri.paypal.com/services/checkout https://uri.paypal.com/services/applications/webhooks",
                "access_token": token,
                "token_type": "Bearer",
                "app_id": "APP-80W284485P519543T",
                "expires_in": settings.token_life,
                "nonce": f"{self._context.clock.iso()}{secrets.token_urlsafe(24)}",
            },
        )

    def create(self, request: Request) -> Response:
        """Create an order."""
        body = _json(request)

        def work() -> tuple[int, Document]:
            order = self._orders.create(body, _request_id(request))
            view = self._orders.view(order) if _wants_all(request) else self._orders.minimal(order)
            return 201, view

        return self._once(request, "create", ORDER_KEYS_KEPT, work)

    def get(self, request: Request, order_id: str) -> Response:
        """Show an order."""
        return json_response(200, self._payments.order_view(self._orders.get(order_id)))

    def capture(self, request: Request, order_id: str) -> Response:
        """Capture an approved order."""
        body = _json(request)

        def work() -> tuple[int, Document]:
            order = self._captures.capture(order_id, body)
            view = self._payments.order_view(order) if _wants_all(request) else self._orders.minimal(order)
            return 201, view

        return self._once(request, f"capture {order_id}", ORDER_KEYS_KEPT, work)

    def capture_get(self, request: Request, capture_id: str) -> Response:
        """Show a capture."""
        return json_response(200, self._captures.view(self._captures.find(capture_id)))

    def refund(self, request: Request, capture_id: str) -> Response:
        """Refund a capture, wholly or in part."""
        body = _json(request, malformed="INVALID_PARAMETER_SYNTAX")

        def work() -> tuple[int, Document]:
            refund = self._refunds.refund(capture_id, body)
            view = self._refunds.view(refund)
            return 201, view if _wants_all(request) else {key: view[key] for key in ("id", "status", "links")}

        return self._once(request, f"refund {capture_id}", REFUND_KEYS_KEPT, work, replayed_status=201)

    def refund_get(self, request: Request, refund_id: str) -> Response:
        """Show a refund."""
        return json_response(200, self._refunds.view(self._refunds.find(refund_id)))

    def events(self, request: Request) -> Response:
        """List webhook events, newest first, in pages."""
        query = request.query
        found = self._context.webhooks.events(
            _time(query, "start_time"),
            _time(query, "end_time"),
            query.get("transaction_id", ""),
            query.get("event_type", ""),
        )
        size, first = max(1, _number(query, "page_size", 10)), _number(query, "start_index", 0)
        page = found[first : first + size]
        path = "/v1/notifications/webhooks-events"
        links = [self._context.link("self", f"{path}?page_size={size}&start_index={first}")]
        if first + size < len(found):
            links.append(self._context.link("next", f"{path}?page_size={size}&start_index={first + size}"))
        return json_response(200, {"events": page, "count": len(page), "links": links})

    def event_get(self, request: Request, event_id: str) -> Response:
        """Show a webhook event."""
        return json_response(200, self._event(event_id))

    def resend(self, request: Request, event_id: str) -> Response:
        """Send a webhook event's notification again."""
        request_schemas.require(request_schemas.RESEND, _json(request))
        event = self._event(event_id)
        self._context.webhooks.resend(event)
        return json_response(202, event)

    def cert(self, request: Request, name: str) -> Response:
        """Return the certificate that notifications are signed with; like PayPal, without its chain."""
        if name != self._certificate.name:
            raise not_found()
        return Response(200, self._certificate.pem, "application/x-pem-file")

    def verify(self, request: Request) -> Response:
        """Return whether a notification is genuine, by the bytes of its body."""
        asked = _json(request)
        request_schemas.require(request_schemas.VERIFY, asked)
        body = raw_value(request.body.decode(), "webhook_event").encode()
        genuine = self._context.webhooks.is_genuine(asked, body)
        return json_response(200, {"verification_status": "SUCCESS" if genuine else "FAILURE"})

    def webhook_get(self, request: Request, webhook_id: str) -> Response:
        """Show the shop's webhook."""
        webhook = self._context.webhooks.webhook()
        if webhook is None or webhook["id"] != webhook_id:
            raise not_found()
        return json_response(200, webhook)

    def _event(self, event_id: str) -> Document:
        event = self._context.webhooks.event(event_id)
        if event is None:
            raise not_found()
        return event

    def _guarded(self, handler: Callable[..., Response]) -> Callable[..., Response]:
        def guarded(request: Request, *arguments: str) -> Response:
            self._require_token(request)
            if request.method == "POST" and request.media_type != "application/json":
                raise ApiError(415)
            return handler(request, *arguments)

        return guarded

    def _require_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        known = self._context.store.get("token", token) if scheme.lower() == "bearer" else None
        if known is None or known["expires"] <= self._context.clock.stamp():
            raise ApiError(401)

    def _once(
        self, request: Request, key: str, kept: float, work: Work, replayed_status: int = 200
    ) -> Response:
        """Do the work, or repeat the response to the same PayPal-Request-Id; refuse it for another body."""
        id_ = _request_id(request)
        if request.refusal is not None:  # injected: stored and repeated like any other response
            work = _refusing(request.refusal)
        if id_ is None:
            return json_response(*_attempt(work))
        digest = hashlib.sha256(request.body).hexdigest()
        key = f"{key} {id_}"
        known = self._context.store.get("answer", key)
        now = self._context.clock.stamp()
        if known is not None and known["expires"] > now:
            if known["digest"] != digest:
                raise unprocessable("DUPLICATE_REQUEST_ID")
            status = replayed_status if known["status"] == 201 else known["status"]
            return json_response(status, known["body"])
        status, body = _attempt(work)
        # Malformed requests, unknown resources and requests in progress may be repeated.
        if status in {201, 422} and not _goes_on(body):
            answer = {"digest": digest, "status": status, "body": body, "expires": now + kept}
            self._context.store.put("answer", key, answer)
        return json_response(status, body)


def _goes_on(body: Document) -> bool:
    return any(str(one["issue"]).endswith("_IN_PROGRESS") for one in body.get("details", []))


def _refusing(problem: ApiError) -> Work:
    def work() -> tuple[int, Document]:
        raise problem

    return work


def _attempt(work: Work) -> tuple[int, Document]:
    try:
        return work()
    except ApiError as problem:
        return problem.status, problem.body(new_debug_id())


def _same_credentials(request: Request, client_id: str, secret: str) -> bool:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, f"{client_id}:{secret}".encode())


def _request_id(request: Request) -> str | None:
    return request.headers.get("paypal-request-id") or None


def _wants_all(request: Request) -> bool:
    return request.headers.get("prefer", "").replace(" ", "") == "return=representation"


def _json(request: Request, malformed: str = "MALFORMED_REQUEST_JSON") -> Any:
    try:
        return request.json()
    except ValueError:
        raise invalid([detail(malformed, "/")]) from None


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise invalid([detail("INVALID_PARAMETER_SYNTAX", name, text, location="query")])
    return int(text)


def _time(query: dict[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise invalid([detail("INVALID_PARAMETER_SYNTAX", name, text, location="query")]) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
