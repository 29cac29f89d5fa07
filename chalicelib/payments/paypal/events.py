"""PayPal's events: which of them the shop subscribes to, how a body is parsed, and what it names.

https://developer.paypal.com/api/rest/webhooks/event-names/ lists them. Refunds, reversals and disputes that
begin on PayPal's own pages have IDs that no order knows: they name the capture, by a link or among the disputed
transactions, or contain the sale's `custom_id`, which is the order's ID.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from chalicelib import ids
from chalicelib.errors import BadInput
from chalicelib.payments.paypal.answers import is_id

# What the webhook at PayPal must be subscribed to; docs/deploy.md says how, and `make deploy` checks it.
EVENT_TYPES = (
    "CHECKOUT.ORDER.APPROVED",
    "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "PAYMENT.REFUND.PENDING",
    "PAYMENT.REFUND.FAILED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.UPDATED",
    "CUSTOMER.DISPUTE.RESOLVED",
)
MAX_DEPTH = 50  # PayPal's events have some ten levels
_EVENT_ID = re.compile(r"[A-Za-z0-9-]{1,60}", re.ASCII)
_EVENT_TYPE = re.compile(r"[A-Z0-9_.-]{1,80}", re.ASCII)
_NAME = re.compile(
    r"[A-Za-z0-9-]{1,60}", re.ASCII
)  # an ID of any of PayPal's APIs: those of plans have hyphens
Json = Mapping[str, Any]


class InvalidSignature(BadInput):
    """The notification was not signed by PayPal for this shop."""

    title = "Not a notification for this shop"


def read_event(body: bytes) -> dict[str, Any]:
    """Parse a body that must be one JSON object in UTF-8 with an event's ID and type. Raises InvalidSignature.

    Strict, so that every parser reads it in the same way, and it can be embedded unchanged in another document.
    """
    try:
        event = json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_int=_zero,  # no number says what an event is about, and some have thousands of digits
            parse_float=_zero,
            object_pairs_hook=_without_repetitions,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidSignature("This isn't a PayPal event.") from error
    if not isinstance(event, dict) or _is_deeper_than(event, MAX_DEPTH):
        raise InvalidSignature("This isn't a PayPal event.")
    for name, pattern in (("id", _EVENT_ID), ("event_type", _EVENT_TYPE)):
        if not pattern.fullmatch(_text(event.get(name))):
            raise InvalidSignature("This isn't a PayPal event.")
    return event


def message_of(event: Json) -> dict[str, str]:
    """Return the queue's message: the event's ID and type, and the order, capture or refund that it names."""
    resource = _object(event.get("resource"))
    related = _object(_object(resource.get("supplementary_data")).get("related_ids"))
    own = {_kind(event): _text(resource.get("id"))}
    above = dict(_up_links(resource))
    ids = {
        "order": own.get("checkout-order")
        or resource.get("order_id")
        or related.get("order_id")
        or above.get("orders"),
        "capture": own.get("capture")
        or resource.get("capture_id")
        or related.get("capture_id")
        or above.get("captures"),
        "refund": own.get("refund"),
    }
    known = {name: _text(value) for name, value in ids.items()}
    message = {"event": _text(event.get("id")), "type": _text(event.get("event_type"))}
    return message | {name: value for name, value in known.items() if is_id(value)}


def _kind(event: Json) -> str:
    """Return the kind of an event's resource; if the event does not name it, from its type."""
    kind = _text(event.get("resource_type")).casefold()
    if kind:
        return kind
    type_ = _text(event.get("event_type"))
    if type_ in ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED"):
        return "refund"
    beginnings = {"CHECKOUT.": "checkout-order", "PAYMENT.CAPTURE.": "capture", "PAYMENT.REFUND.": "refund"}
    return next((kind for beginning, kind in beginnings.items() if type_.startswith(beginning)), "")


def paypal_ids(event: Json) -> list[str]:
    """List PayPal's IDs in an event that an order of ours may know."""
    resource = _object(event.get("resource"))
    related = _object(_object(resource.get("supplementary_data")).get("related_ids"))
    disputed = _objects(resource.get("disputed_transactions"))
    named = [
        resource.get("id"),
        resource.get("order_id"),
        resource.get("capture_id"),
        *related.values(),
        *(id_ for _, id_ in _up_links(resource)),
    ]
    named += [transaction.get("seller_transaction_id") for transaction in disputed]
    return _distinct(_text(value) for value in named if _NAME.fullmatch(_text(value)))


def order_ids(event: Json) -> list[str]:
    """List the IDs of our orders that an event names."""
    resource = _object(event.get("resource"))
    named = [resource.get("custom_id")]
    named += [unit.get("custom_id") for unit in _objects(resource.get("purchase_units"))]
    named += [transaction.get("custom") for transaction in _objects(resource.get("disputed_transactions"))]
    return _distinct(_text(value) for value in named if ids.is_id(_text(value)))


def _up_links(resource: Json) -> Iterator[tuple[str, str]]:
    """Yield where the links `up` and `capture` lead, from refunds to captures and from captures to orders: kind and ID."""
    for link in _objects(resource.get("links")):
        try:
            parts = urlsplit(_text(link.get("href"))).path.split("/")
        except ValueError:  # not a URL
            continue
        # An order also has a link `capture`: the address that captures it.
        if len(parts) > 1 and (
            link.get("rel") == "up" or (link.get("rel"), parts[-2]) == ("capture", "captures")
        ):
            yield parts[-2], parts[-1]


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _zero(number: str) -> int:
    return 0


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a duplicate key")
    return found


def _is_deeper_than(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
