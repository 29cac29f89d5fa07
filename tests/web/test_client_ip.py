"""Where a request comes from: what API Gateway says, and nothing that a visitor writes."""

from typing import Any
from unittest import mock

import pytest
from chalice.app import Request

from chalicelib.config import settings
from chalicelib.web.http_request import client_ip

SECRET = "Zm9yLWNsb3VkZnJvbnQtYWxvbmUtMzItYnl0ZXM"
VIEWER, EDGE = "198.51.100.7", "203.0.113.80"


def from_address(source_ip: str, **headers: str) -> Request:
    """Make a request as API Gateway hands it on."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return mock.Mock(Request, context={"identity": {"sourceIp": source_ip}}, headers=named)


@pytest.mark.parametrize(
    ("source_ip", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::99", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("", ""),
        ("nowhere", ""),
    ],
)
def test_the_source_is_what_api_gateway_says_alone(source_ip: str, counted_as: str) -> None:
    forged = {"x_forwarded_for": "203.0.113.1", "forwarded": "for=203.0.113.2"}
    assert client_ip(from_address(source_ip, **forged)) == counted_as


@pytest.mark.parametrize(
    ("forwarded_for", "counted_as"),
    [
        (f"{VIEWER}, {EDGE}", VIEWER),
        (f"192.0.2.99, 8.8.8.8, {VIEWER}, {EDGE}", VIEWER),  # what lies ahead, the visitor wrote
        (f"2001:db8:1:2::99,{EDGE}", "2001:db8:1:2::/64"),
        (EDGE, ""),
        ("", ""),
        (f"unknown, {EDGE}", ""),
    ],
)
def test_behind_cloudfront_it_is_whom_cloudfront_saw(
    setting: Any, forwarded_for: str, counted_as: str
) -> None:
    setting(proxies=1, origin_secret=SECRET)
    request = from_address(EDGE, x_forwarded_for=forwarded_for, x_origin_secret=SECRET)
    assert client_ip(request) == counted_as


@pytest.mark.parametrize("sent", [None, "", "wrong", SECRET[:-1], f"{SECRET} ", SECRET.upper(), "§\udcff"])
def test_a_request_that_bypasses_cloudfront_has_api_gateways_client_ip(
    setting: Any, sent: str | None
) -> None:
    setting(proxies=1, origin_secret=SECRET)
    headers = {"x_forwarded_for": f"{VIEWER}, {EDGE}"} | ({} if sent is None else {"x_origin_secret": sent})
    assert client_ip(from_address("192.0.2.66", **headers)) == "192.0.2.66"


@pytest.mark.parametrize("sent", [None, "", "anything"])
def test_without_a_secret_no_proxy_is_believed(setting: Any, sent: str | None) -> None:
    setting(proxies=1, origin_secret="")
    headers = {"x_forwarded_for": f"{VIEWER}, {EDGE}"} | ({} if sent is None else {"x_origin_secret": sent})
    assert client_ip(from_address("192.0.2.66", **headers)) == "192.0.2.66"


def test_the_secret_is_in_no_words_about_the_settings(setting: Any) -> None:
    setting(origin_secret=SECRET)
    assert SECRET not in repr(settings)
