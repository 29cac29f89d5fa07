"""The pages that people see: approving an order, and the operator's view."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from infra.local.fake_paypal import FakePayPal
from tests.fake_paypal.shop import CANCEL_URL, RETURN_URL, Response, Shop, an_order, capture_of


def choose(shop: Shop, order_id: str, choice: str, **headers: str) -> Response:
    """Press a button of the approval page."""
    form = urlencode({"token": order_id, "choice": choice}).encode()
    return shop.send("POST", "/checkoutnow", form, headers)


def page(shop: Shop, order_id: str) -> str:
    """Read the approval page."""
    return shop.send("GET", f"/checkoutnow?token={order_id}").raw.decode()


def test_the_page_says_who_is_paid_for_what(shop: Shop) -> None:
    html = page(shop, shop.create())
    assert "Fake PayPal" in html
    for text in ("Pay Awning", "30.00 EUR", "2 × Grüner Tee", "Shipping", "Pay 30.00 EUR now"):
        assert text in html


def test_the_button_says_whether_more_follows(shop: Shop) -> None:
    order = an_order()
    order["payment_source"]["paypal"]["experience_context"]["user_action"] = "CONTINUE"
    order_id = shop.call("POST", "/v2/checkout/orders", order, "create-1").body["id"]
    assert "Agree and continue" in page(shop, order_id)


def test_slow_methods_are_not_offered_where_they_are_forbidden(shop: Shop) -> None:
    order = an_order()
    context = order["payment_source"]["paypal"]["experience_context"]
    assert "slow method" in page(shop, shop.create())
    context["payment_method_preference"] = "IMMEDIATE_PAYMENT_REQUIRED"
    order_id = shop.call("POST", "/v2/checkout/orders", order, "create-2").body["id"]
    assert "slow method" not in page(shop, order_id)


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [("pay", "COMPLETED"), ("slow", "PENDING"), ("declined", "INSTRUMENT_DECLINED")],
)
def test_buttons_lead_back_to_the_shop(shop: Shop, choice: str, outcome: str) -> None:
    order_id = shop.create()
    answer = choose(shop, order_id, choice)
    assert answer.status == 303
    assert answer.headers["location"] == f"{RETURN_URL}&token={order_id}&PayerID=FAKEBUYER2345"
    captured = shop.capture(order_id)
    assert outcome == (captured.issue if captured.status == 422 else capture_of(captured)["status"])


def test_cancel_leads_back_unpaid(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    assert choose(shop, order_id, "cancel").headers["location"] == f"{CANCEL_URL}?token={order_id}"
    assert shop.capture(order_id).issue == "ORDER_NOT_APPROVED"


def test_paying_and_closing_the_tab_stays_here(shop: Shop) -> None:
    order_id = shop.create()
    answer = choose(shop, order_id, "pay-and-close")
    assert (answer.status, "You can close this page" in answer.raw.decode()) == (200, True)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").body["status"] == "APPROVED"


def test_a_declined_card_may_be_followed_by_another(shop: Shop) -> None:
    order_id = shop.create()
    choose(shop, order_id, "declined")
    shop.capture(order_id, "capture-1")
    assert "The card was declined" in page(shop, order_id)
    choose(shop, order_id, "pay")
    assert shop.capture(order_id, "capture-2").status == 201


def test_old_links_get_a_friendly_page(paypal: FakePayPal, shop: Shop) -> None:
    unknown = shop.send("GET", "/checkoutnow?token=NONE")
    assert (unknown.status, "Payment not found" in unknown.raw.decode()) == (404, True)
    paid, late = shop.create(key="create-1"), shop.create(key="create-2", invoice_id="S-2")
    paypal.control.approve(paid)
    shop.capture(paid)
    assert "Already paid" in page(shop, paid)
    paypal.control.advance(4 * 3600)
    assert shop.send("GET", f"/checkoutnow?token={late}").status == 410
    assert choose(shop, late, "pay").headers["location"] == f"/checkoutnow?token={late}"


def test_texts_of_the_shop_stay_texts(shop: Shop) -> None:
    assert "<script>" not in page(shop, shop.create(description="<script>alert(1)</script>"))


def test_other_sites_cannot_press_the_buttons(shop: Shop) -> None:
    order_id = shop.create()
    answer = choose(shop, order_id, "pay", **{"Sec-Fetch-Site": "same-site"})
    assert answer.status == 403
    assert shop.capture(order_id).issue == "ORDER_NOT_APPROVED"


def operate(shop: Shop, action: str, id_: str, **more: str) -> Response:
    """Press a button of the operator's page."""
    return shop.send("POST", "/", urlencode({"action": action, "id": id_, **more}).encode())


def test_the_operator_sees_and_moves_the_money(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.slow(order_id)
    capture_id = capture_of(shop.capture(order_id))["id"]
    assert operate(shop, "complete", capture_id).headers["location"] == "/#orders"
    operate(shop, "refund", capture_id, value="5.00")
    html = shop.send("GET", "/").raw.decode()
    for text in (order_id, capture_id, "partially refunded", "25.00", "PAYMENT.CAPTURE.REFUNDED"):
        assert text in html
    operate(shop, "reverse", capture_id)
    assert paypal.control.totals()["EUR"].amount == 0
    assert "CHARGEBACK" in operate(shop, "refund", capture_id).headers["location"]
    assert "PENDING" in operate(shop, "deny", capture_id).headers["location"]
    assert operate(shop, "destroy", capture_id).status == 400


def test_the_operator_resends(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.approve(shop.create())
    (row,) = paypal.control.notifications()
    operate(shop, "resend", row.event_id)
    assert [again.event_id for again in paypal.control.notifications()] == [row.event_id] * 2
