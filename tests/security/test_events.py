"""Events as API Gateway may send them, odder than any browser's: no 5xx, and always a page."""

import base64
import json
from email.message import Message
from typing import Any

import pytest
from chalice.local import LambdaContext

from tests.shop import Shop

FORM = "application/x-www-form-urlencoded"
ODD: dict[str, dict[str, Any]] = {
    "no headers": {"headers": None, "multiValueHeaders": None},
    "empty headers": {"headers": {}, "multiValueHeaders": {}},
    "a header that is null": {"headers": {"Cookie": None}, "multiValueHeaders": {"Cookie": [None]}},
    "a header without a value": {"multiValueHeaders": {"Cookie": [], "Content-Type": []}},
    "no body": {"body": None},
    "half a character in the body": {"body": "name=\ud83d"},
    "half a character in a cookie": {"multiValueHeaders": {"Cookie": ["staff=\ud83d; session=\udc00"]}},
    "half a character in a question": {
        "multiValueQueryStringParameters": {"q": ["\ud83d"], "sku": ["\udc00"]}
    },
    "a question that is null": {"multiValueQueryStringParameters": {"q": [None], "sku": [None]}},
    "a question without a value": {"multiValueQueryStringParameters": {"q": [], "sku": [], "after": []}},
    "no question": {"multiValueQueryStringParameters": None, "queryStringParameters": None},
    "a body in base64": {"body": base64.b64encode(b"\xff\x00name=x").decode(), "isBase64Encoded": True},
    "a body that is no base64": {"body": "name=%%%é", "isBase64Encoded": True},
    "nobody's address": {"requestContext": {"identity": {"sourceIp": None}}},
    "no identity": {"requestContext": {"identity": {}}},
    "a large cookie": {"multiValueHeaders": {"Cookie": ["session=" + "x" * 9000 + "; staff=" + "'" * 900]}},
}
PAGES = (
    ("GET", "/"),
    ("GET", "/products/{slug}"),
    ("GET", "/search"),
    ("GET", "/cart"),
    ("GET", "/checkout"),
    ("GET", "/sitemap.xml"),
    ("GET", "/staff"),
    ("GET", "/staff/login"),
    ("POST", "/cart/lines"),
    ("POST", "/checkout"),
    ("POST", "/staff/login"),
    ("POST", "/staff/products"),
    ("POST", "/webhooks/paypal"),
)


@pytest.mark.parametrize("what", ODD)
def test_an_odd_event_is_answered_below_500(standing_shop: Shop, what: str) -> None:
    gateway = standing_shop.gateway
    bad = []
    for method, path in PAGES:
        message = Message()
        message["Host"] = "127.0.0.1"
        message["Content-Type"] = FORM
        filled = path.replace("{slug}", "mug")
        event = gateway._event(method, gateway._routes.match_route(filled), filled, filled, message, b"")
        odd = ODD[what]
        context = {**event["requestContext"], **odd.get("requestContext", {})}
        sent = {**event, **odd, "requestContext": context}
        answer = gateway.app(sent, LambdaContext("awning", 1024, 29_000))
        json.dumps(answer).encode()
        if answer["statusCode"] >= 500 or (answer["body"] and "Traceback" in answer["body"]):
            bad.append((method, path, answer["statusCode"]))
    assert bad == []
