"""PayPal's SDK with what it lacks: timeouts, persistent connections, one token, and retries that cannot charge twice.

Nothing else imports the SDK; it costs a cold start 100 ms, so this module is imported on first use.
"""

import random
import re
import threading
import time
from typing import Any

import requests
from paypalcheckoutsdk.core import AccessTokenRequest, PayPalEnvironment, PayPalHttpClient
from paypalcheckoutsdk.orders import OrdersCaptureRequest, OrdersCreateRequest, OrdersGetRequest
from paypalcheckoutsdk.payments import CapturesGetRequest, CapturesRefundRequest, RefundsGetRequest

from chalicelib.payments.paypal.errors import (
    Detail,
    PayPalAccessDenied,
    PayPalAuthError,
    PayPalNotFound,
    PayPalOutcomeUnknown,
    PayPalRejected,
)

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
# Lambda freezes a process between events, which may break connections that were kept open.
KEPT_OPEN_SECONDS = 10.0
TOKEN_MARGIN_SECONDS = 60
TRIES = 3
MAX_RESPONSE_BYTES = 1024 * 1024
RETRYABLE_STATUSES = (401, 408, 429)  # these may come from a proxy, or mean: later
UNLESS_NAMED = (404, 409)  # these too, unless PayPal names its reason
NOT_THERE = ("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
# PayPal is still processing, whatever the status: PREVIOUS_REQUEST_IN_PROGRESS, ORDER_COMPLETION_IN_PROGRESS.
IN_PROGRESS = "_IN_PROGRESS"
MAX_DETAILS = 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
# A JSON pointer such as /purchase_units/@reference_id=='default'/shipping/address/postal_code, or a JSON path such as
# $.purchase_units[0].shipping.address.postal_code.
_FIELD = re.compile(r"""[A-Za-z0-9_@$#?*()='"/.\[\]~-]{1,200}""", re.ASCII)

__all__ = [
    "CapturesGetRequest",
    "CapturesRefundRequest",
    "Client",
    "EventGetRequest",
    "OrdersCaptureRequest",
    "OrdersCreateRequest",
    "OrdersGetRequest",
    "RefundsGetRequest",
    "VerifySignatureRequest",
]


class EventGetRequest:
    """Get a webhook event: the SDK does not have this call.

    https://developer.paypal.com/docs/api/webhooks/v1/#webhooks-events_get
    """

    def __init__(self, event_id: str) -> None:
        self.verb = "GET"
        self.path = f"/v1/notifications/webhooks-events/{event_id}"
        self.headers = {"Content-Type": "application/json"}
        self.body = None


class VerifySignatureRequest:
    """Ask whether PayPal signed a notification: the SDK does not have this call either. `body` is sent unchanged.

    https://developer.paypal.com/docs/api/webhooks/v1/#verify-webhook-signature_post
    """

    def __init__(self, body: bytes) -> None:
        self.verb = "POST"
        self.path = "/v1/notifications/verify-webhook-signature"
        self.headers = {"Content-Type": "application/json"}
        self.body = body


class Client(PayPalHttpClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's client, sending through one session of ours."""

    def __init__(self, client_id: str, secret: str, api_url: str, web_url: str) -> None:
        super().__init__(PayPalEnvironment(client_id, secret, api_url, web_url))
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, no .netrc
        self._used = 0.0
        self._token = ""
        self._token_ends = 0.0
        self._token_lock = threading.Lock()

    def send(self, request: Any, deadline: float) -> dict[str, Any]:
        """Send a request until `deadline` (time.monotonic), and again if that is safe; return the answer's JSON.

        Raises PayPalNotFound, PayPalRejected, PayPalOutcomeUnknown if it is unknown what PayPal did, or
        PayPalAccessDenied if nothing was done.
        """
        tries = TRIES if _is_repeatable(request) else 1
        failure = PayPalOutcomeUnknown("no time left to ask")
        for attempt in range(tries):
            if attempt:
                pause = random.uniform(0.1, 0.3) * 2**attempt
                if time.monotonic() + pause > deadline:
                    break
                time.sleep(pause)
            try:
                return self._send_once(request, deadline)
            except PayPalAccessDenied:
                raise
            except PayPalOutcomeUnknown as unknown:
                failure = unknown
        raise failure

    def _send_once(self, request: Any, deadline: float) -> dict[str, Any]:
        token = self._valid_token(deadline)
        answer = self._exchange(request, f"Bearer {token}", deadline)
        if answer.status_code == 401:
            self._invalidate_token(token)
            answer = self._exchange(request, f"Bearer {self._valid_token(deadline)}", deadline)
            _check_access(answer)
        return _read(answer)

    def _exchange(self, request: Any, authorization: str, deadline: float) -> requests.Response:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise PayPalOutcomeUnknown("no time left to ask")
        headers = {**request.headers, "Authorization": authorization, "User-Agent": self.get_user_agent()}
        data = request.body
        if data is not None and not isinstance(data, bytes):
            request.headers = self.format_headers(
                request.headers
            )  # the SDK's encoder only knows lower-case names
            data = self.encoder.serialize_request(request)
        if not _is_repeatable(request) or time.monotonic() - self._used > KEPT_OPEN_SECONDS:
            self._session.close()  # closes idle connections; requests of other threads continue
        try:
            return self._session.request(
                request.verb,
                self.environment.base_url + request.path.rstrip("?"),
                headers=headers,
                data=data,
                timeout=(min(CONNECT_SECONDS, remaining), min(READ_SECONDS, remaining)),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise PayPalOutcomeUnknown(
                type(error).__name__
            ) from None  # the error's text may quote what was sent
        finally:
            self._used = time.monotonic()

    def _valid_token(self, deadline: float) -> str:
        with self._token_lock:
            if time.monotonic() < self._token_ends:
                return self._token
            request = AccessTokenRequest(self.environment)
            response = self._exchange(request, self.environment.authorization_string(), deadline)
            if response.status_code == 401:
                raise PayPalAuthError(*_named(response, "invalid_client"))
            if response.status_code in (400, 403) and (_json(response) or {}).get("error"):
                raise PayPalAccessDenied(*_named(response, "unauthorized_client"))
            try:
                answer = _read(response)
                self._token = str(answer["access_token"])
                self._token_ends = time.monotonic() + int(answer["expires_in"]) - TOKEN_MARGIN_SECONDS
            except (PayPalNotFound, PayPalRejected, KeyError, TypeError, ValueError) as error:
                # Without a token nothing is known about the order or capture.
                raise PayPalOutcomeUnknown(f"no token: {error}") from None
            return self._token

    def _invalidate_token(self, token: str) -> None:
        with self._token_lock:
            if self._token == token:
                self._token_ends = 0.0


def _is_repeatable(request: Any) -> bool:
    """Return whether PayPal executes a request once, however often it arrives."""
    return bool(request.verb == "GET" or "PayPal-Request-Id" in request.headers)


def _check_access(answer: requests.Response) -> None:
    """Raise PayPalAccessDenied if PayPal itself refuses a token that it has just issued."""
    body = _json(answer)
    if answer.status_code == 401 and body is not None and (body.get("name") or body.get("error")):
        raise PayPalAccessDenied(*_named(answer, "AUTHENTICATION_FAILURE"))


def _named(answer: requests.Response, otherwise: str) -> tuple[str, str]:
    """Return PayPal's name for why it denies access, and its debug ID."""
    body = _json(answer)
    return _issue(body) or _name((body or {}).get("error")) or otherwise, _debug_id(answer, body)


def _read(answer: requests.Response) -> dict[str, Any]:
    status = answer.status_code
    body = _json(answer)
    if 200 <= status < 300 and body is not None:
        return body
    debug_id, issue, details = _debug_id(answer, body), _issue(body), _details(body)
    if status == 404 and issue in NOT_THERE:
        raise PayPalNotFound(issue, debug_id)
    if body is not None and 400 <= status < 500 and _is_definite(status, _name(body.get("name")), details):
        raise PayPalRejected(issue, debug_id, status, details)
    raise PayPalOutcomeUnknown(f"status {status} {issue}".strip(), debug_id)


def _is_definite(status: int, name: str, details: list[Detail]) -> bool:
    """Return whether a refusal is definite: not a proxy's, and not about a request that is still in progress."""
    issues = {detail.issue for detail in details}
    if status in RETRYABLE_STATUSES or any(one.endswith(IN_PROGRESS) for one in (name, *issues)):
        return False
    return status not in UNLESS_NAMED or bool(name and issues and issues.isdisjoint(NOT_THERE))


def _json(answer: requests.Response) -> dict[str, Any] | None:
    if len(answer.content) > MAX_RESPONSE_BYTES:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _debug_id(answer: requests.Response, body: dict[str, Any] | None) -> str:
    return _name((body or {}).get("debug_id") or answer.headers.get("PayPal-Debug-Id"))


def _issue(body: dict[str, Any] | None) -> str:
    """Return the issue's name, such as INSTRUMENT_DECLINED; else the error's name."""
    details = _details(body)
    return details[0].issue if details else _name((body or {}).get("name"))


def _details(body: dict[str, Any] | None) -> list[Detail]:
    """Return every issue that PayPal names in a refusal, with the field that each is about."""
    listed = (body or {}).get("details")
    named = [
        Detail(_name(one.get("issue")), _field(one.get("field")))
        for one in (listed[:MAX_DETAILS] if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]
    return [detail for detail in named if detail.issue]


def _field(value: object) -> str:
    text = str(value or "").strip()
    return text if _FIELD.fullmatch(text) else ""


def _name(value: object) -> str:
    """Return a name or an ID, "" for anything else: these are logged, and a sentence may quote the customer."""
    text = str(value or "")
    return text if _NAME.fullmatch(text) else ""
