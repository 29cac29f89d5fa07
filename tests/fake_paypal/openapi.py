"""PayPal's own OpenAPI files, as the judge of requests and answers; tests without them skip, visibly."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from infra.local.fake_paypal import Received

_ROOT = Path(__file__).parents[2]
_HOST = "https://api-m.sandbox.paypal.com"  # one of the servers that the files name
_FILES = {
    "/v2/checkout/": "checkout_orders_v2.json",
    "/v2/payments/": "payments_payment_v2.json",
    "/v1/notifications/": "notifications_webhooks_v1.json",
}


class Contract:
    """Check what goes to PayPal, and what comes back, against PayPal's description; AssertionError says what is wrong."""

    def __init__(self, folder: Path) -> None:
        # Two of the files fail a strict check of the specification itself (schemas/email).
        config = Config(spec_validator_cls=None)
        self._specs = {
            prefix: OpenAPI.from_dict(_load(folder / name), config=config) for prefix, name in _FILES.items()
        }

    def check_request(self, received: Received) -> None:
        """Check a request as the fake PayPal received it."""
        headers = {}
        if received.request_id is not None:
            headers["PayPal-Request-Id"] = received.request_id
        if received.prefer is not None:
            headers["Prefer"] = received.prefer
        request = _request(received.method, received.path, headers, received.body.encode() or None)
        try:
            self._spec(received.path).validate_request(request)
        except OpenAPIError as error:
            raise AssertionError(_reasons(error)) from error

    def check_answer(self, method: str, path: str, status: int, body: bytes) -> None:
        """Check the answer to a request."""
        request = _request(method, path, {}, None)
        try:
            self._spec(path).validate_response(request, MockResponse(body, status))
        except OpenAPIError as error:
            raise AssertionError(f"{method} {path} {status}: {_reasons(error)}") from error

    def _spec(self, path: str) -> OpenAPI:
        return next(spec for prefix, spec in self._specs.items() if path.startswith(prefix))


def paypal_contract() -> Contract:
    """Return PayPal's contract; skip the test where its files are not at hand."""
    folder = _folder()
    if not (folder / "checkout_orders_v2.json").is_file():
        pytest.skip(f"PayPal's OpenAPI files are not in {folder}: set PAYPAL_OPENAPI")
    return _contract(folder)


def issues_of(path: str) -> list[tuple[int, str]]:
    """List every issue that PayPal's description names for a POST to this path, each with its status; none without the files."""
    name = next(name for prefix, name in _FILES.items() if path.startswith(prefix))
    if not (_folder() / name).is_file():
        return []
    spec = json.loads((_folder() / name).read_text())
    found = {
        (int(status), issue)
        for status, response in spec["paths"][path]["post"]["responses"].items()
        if status.startswith("4")
        for issue in _issues(spec, response)
    }
    return sorted(found)


def _issues(spec: dict[str, Any], part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _issues(spec, one)
    elif isinstance(part, dict):
        if "$ref" in part:
            yield from _issues(spec, spec["components"]["schemas"][part["$ref"].rpartition("/")[2]])
        for name, value in part.items():
            if name == "issue" and isinstance(value, dict):
                yield from value.get("enum", [])
            else:
                yield from _issues(spec, value)


def _load(path: Path) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(path.read_text())
    for operations in spec["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                # The fake PayPal checks tokens; openapi-core does not know OAuth and warns of it.
                operation.pop("security", None)
    asked = spec["components"]["schemas"].get("verify_webhook_signature", {}).get("properties")
    if asked:
        # One in 32 genuine signatures begins with + or /, which the file's own pattern does not allow; and it calls
        # everything in an event read-only, so that no question could hold one.
        del asked["transmission_sig"]["pattern"]
        asked["webhook_event"] = {"type": "object"}
    return spec


def _folder() -> Path:
    given = os.environ.get("PAYPAL_OPENAPI")
    return Path(given) if given else (_ROOT / "../shared/paypal-openapi").resolve()


@cache
def _contract(folder: Path) -> Contract:
    return Contract(folder)


def _request(method: str, path: str, headers: dict[str, str], body: bytes | None) -> MockRequest:
    plain, _, query = path.partition("?")
    arguments = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
    return MockRequest(_HOST, method.lower(), plain, args=arguments, headers=headers, data=body)


def _reasons(error: BaseException) -> str:
    reasons = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        reasons.append(str(error))
    return " / ".join(reasons)
