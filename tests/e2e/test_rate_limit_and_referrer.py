"""What a browser does of what headers ask: it tells PayPal nothing of where it was, and waits where it was too often."""

from dataclasses import replace
from typing import Any

from chalicelib.config import settings
from tests.e2e.shopper_browser import Visitor

STRICT = replace(settings.shop.limits, orders_per_session=1)


def test_a_rate_limited_shopper_sees_why_and_keeps_the_filled_in_form(visitor: Visitor, setting: Any) -> None:
    setting(shop=replace(settings.shop, limits=STRICT))
    visitor.orders()
    visitor.page.wait_for_url("**/checkoutnow?token=*")
    assert visitor.page.evaluate("document.referrer") == ""
    visitor.expects(429)
    visitor.open("/checkout")
    visitor.field("Address line 2").fill("Left bell")
    visitor.places_order()
    visitor.is_told("Please try again later")
    visitor.is_told("Please try again in")
    assert visitor.field("Address line 2").input_value() == "Left bell"
