"""Orders: who may make them, what they may add up to, how long they live."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.fake_paypal import FakePayPal
from tests.fake_paypal.shop import CANCEL_URL, Shop, an_order, capture_of, eur

HOUR = 3600


def test_a_token_needs_the_right_secret(shop: Shop) -> None:
    assert shop.ask_token().body["token_type"] == "Bearer"
    assert shop.ask_token(secret="wrong").status == 401
    assert shop.ask_token(form="grant_type=password").status == 400


def test_a_token_ends_when_revoked_and_when_its_life_is_over(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 200
    paypal.control.revoke_tokens()
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 401
    shop.token = shop.ask_token().body["access_token"]
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 200
    paypal.control.advance(9 * HOUR)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 401


def test_a_paid_order_is_forgotten_when_asked_and_its_capture_is_not(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    capture = capture_of(shop.capture(order_id))
    paypal.control.token_life(10**7)
    shop.token = shop.ask_token().body["access_token"]
    paypal.control.advance(3 * 24 * HOUR)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 200
    paypal.control.forget_paid_orders(days=2)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 404
    assert shop.call("GET", f"/v2/payments/captures/{capture['id']}").status == 200


def test_an_order_shows_where_the_buyer_goes(paypal: FakePayPal, shop: Shop) -> None:
    with_wallet = shop.call("POST", "/v2/checkout/orders", an_order(), "create-1").body
    assert with_wallet["status"] == "PAYER_ACTION_REQUIRED"
    links = {link["rel"]: link["href"] for link in with_wallet["links"]}
    assert links["payer-action"] == f"{paypal.web_url}/checkoutnow?token={with_wallet['id']}"
    without = {key: value for key, value in an_order().items() if key != "payment_source"}
    plain = shop.call("POST", "/v2/checkout/orders", without).body
    assert plain["status"] == "CREATED"
    assert "approve" in {link["rel"] for link in plain["links"]}


def test_an_order_is_minimal_unless_asked(shop: Shop) -> None:
    minimal = shop.call("POST", "/v2/checkout/orders", an_order(), "create-1").body
    full = shop.call("POST", "/v2/checkout/orders", an_order(), "create-2", full=True).body
    assert minimal.keys() == {"id", "status", "links"}
    unit = full["purchase_units"][0]
    assert unit["payee"].keys() == {"email_address", "merchant_id"}
    assert (unit["reference_id"], unit["custom_id"], unit["invoice_id"]) == ("default", "order-1", "S-1")


@pytest.mark.parametrize(
    ("changes", "issue", "field"),
    [
        ({"extra": 1}, "NOT_SUPPORTED", "/purchase_units/0/extra"),
        ({"custom_id": 7}, "INVALID_PARAMETER_SYNTAX", "/purchase_units/0/custom_id"),
        ({"custom_id": ""}, "INVALID_STRING_LENGTH", "/purchase_units/0/custom_id"),
        ({"invoice_id": "x" * 128}, "INVALID_STRING_LENGTH", "/purchase_units/0/invoice_id"),
        (
            {"items": [{"name": "Tea", "quantity": 2, "unit_amount": eur("12.50")}]},
            "INVALID_PARAMETER_SYNTAX",
            "/purchase_units/0/items/0/quantity",
        ),
        (
            {"items": [{"name": "Tea", "quantity": "0", "unit_amount": eur("12.50")}]},
            "INVALID_PARAMETER_SYNTAX",
            "/purchase_units/0/items/0/quantity",
        ),
        (
            {"items": [{"name": "Tea", "quantity": "2"}]},
            "MISSING_REQUIRED_PARAMETER",
            "/purchase_units/0/items/0/unit_amount",
        ),
        (
            {"amount": {"currency_code": "EUR", "value": 30}},
            "INVALID_PARAMETER_SYNTAX",
            "/purchase_units/0/amount/value",
        ),
        (
            {"items": [{"name": "Tea", "quantity": "2", "unit_amount": eur("1"), "category": "TEA"}]},
            "INVALID_PARAMETER_VALUE",
            "/purchase_units/0/items/0/category",
        ),
    ],
)
def test_a_malformed_order_is_refused(shop: Shop, changes: Any, issue: str, field: str) -> None:
    answer = shop.call("POST", "/v2/checkout/orders", an_order(**changes), "create-1")
    assert answer.status == 400
    assert (issue, field) in answer.issues


def _priced(value: str, currency: str = "EUR", **breakdown: str) -> Any:
    amounts = {name: {"currency_code": currency, "value": part} for name, part in breakdown.items()}
    amount: Any = {"currency_code": currency, "value": value}
    return amount | ({"breakdown": amounts} if amounts else {})


@pytest.mark.parametrize(
    ("amount", "issue"),
    [
        (_priced("30.01", item_total="25.00", shipping="5.00"), "AMOUNT_MISMATCH"),
        (_priced("30.00", item_total="25.00", shipping="6.00", discount="0.99"), "AMOUNT_MISMATCH"),
        (_priced("30.00", item_total="24.00", shipping="6.00"), "ITEM_TOTAL_MISMATCH"),
        (_priced("30.00", shipping="30.00"), "ITEM_TOTAL_REQUIRED"),
        (_priced("25.00"), "ITEM_TOTAL_REQUIRED"),
        (_priced("30.001", item_total="25.00", shipping="5.001"), "DECIMAL_PRECISION"),
        (_priced("3000.00", "JPY", item_total="3000.00"), "DECIMAL_PRECISION"),
        (_priced("30.00", "EEK", item_total="25.00"), "INVALID_CURRENCY_CODE"),
        (_priced("30.00", item_total="-25.00"), "CANNOT_BE_NEGATIVE"),
        (_priced("0.00", item_total="25.00", discount="25.00"), "CANNOT_BE_ZERO_OR_NEGATIVE"),
        (_priced("1000000000000000.00", item_total="25.00"), "MAX_VALUE_EXCEEDED"),
    ],
)
def test_amounts_that_do_not_add_up_are_refused(shop: Shop, amount: Any, issue: str) -> None:
    changes = {"amount": amount} if amount["currency_code"] == "EUR" else {"amount": amount, "items": []}
    answer = shop.call("POST", "/v2/checkout/orders", an_order(**changes), "create-1")
    assert (answer.status, answer.issue) == (422, issue)


def test_an_order_has_one_currency(shop: Shop) -> None:
    order = an_order(amount={"currency_code": "USD", "value": "30.00"})
    assert shop.call("POST", "/v2/checkout/orders", order, "create-1").issue == "MULTI_CURRENCY_ORDER"


def test_every_part_of_the_total_counts(shop: Shop) -> None:
    parts = {
        "item_total": "25.00",
        "tax_total": "2.00",
        "shipping": "5.00",
        "handling": "1.00",
        "insurance": "0.50",
        "shipping_discount": "1.50",
        "discount": "2.00",
    }
    items = [{"name": "Tea", "quantity": "2", "unit_amount": eur("12.50"), "tax": eur("1.00")}]
    assert shop.create(amount=_priced("30.00", **parts), items=items)
    parts["tax_total"], parts["shipping"] = "1.00", "6.00"
    wrong = an_order(amount=_priced("30.00", **parts), items=items)
    assert shop.call("POST", "/v2/checkout/orders", wrong, "create-2").issue == "TAX_TOTAL_MISMATCH"


@pytest.mark.parametrize("currency", ["JPY", "HUF", "TWD"])
def test_currencies_without_decimals_are_charged_whole(paypal: FakePayPal, shop: Shop, currency: str) -> None:
    order_id = shop.create(amount={"currency_code": currency, "value": "3000"}, items=[])
    paypal.control.approve(order_id)
    capture = capture_of(shop.capture(order_id))
    assert capture["amount"] == {"currency_code": currency, "value": "3000"}
    assert "." not in capture["seller_receivable_breakdown"]["paypal_fee"]["value"]
    assert str(paypal.control.ledger()[0].amount) == "3000"


def test_a_wallet_needs_a_request_id(shop: Shop) -> None:
    assert shop.call("POST", "/v2/checkout/orders", an_order()).issue == "PAYPAL_REQUEST_ID_REQUIRED"


def test_a_body_must_be_json(shop: Shop) -> None:
    assert shop.call("POST", "/v2/checkout/orders", b"{nope", "k").issue == "MALFORMED_REQUEST_JSON"
    headers = {"Authorization": f"Bearer {shop.token}", "Content-Type": "text/plain"}
    assert shop.send("POST", "/v2/checkout/orders", b"{}", headers).status == 415


def test_an_order_nobody_approves_is_gone_after_three_hours(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.advance(3 * HOUR - 60)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 200
    paypal.control.advance(120)
    gone = shop.call("GET", f"/v2/checkout/orders/{order_id}")
    assert (gone.status, gone.body["name"]) == (404, "RESOURCE_NOT_FOUND")
    assert shop.capture(order_id).status == 404
    assert paypal.control.notifications() == []


def test_an_approval_expires_after_three_hours_and_the_shop_is_notified(
    paypal: FakePayPal, shop: Shop
) -> None:
    order_id = shop.create()
    paypal.control.advance(2 * HOUR)
    paypal.control.approve(order_id)
    paypal.control.advance(2 * HOUR)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").body["status"] == "APPROVED"
    paypal.control.advance(1 * HOUR + 60)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").status == 404
    told = paypal.control.notifications("CHECKOUT.PAYMENT-APPROVAL.REVERSED")
    assert [row.event["resource"]["order_id"] for row in told] == [order_id]
    assert told[0].event["resource"]["purchase_units"][0]["custom_id"] == "order-1"


def test_a_captured_order_stays(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    paypal.control.approve(order_id)
    shop.capture(order_id)
    paypal.control.token_life(10**7)
    shop.token = shop.ask_token().body["access_token"]
    paypal.control.advance(30 * 24 * HOUR)
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").body["status"] == "COMPLETED"


def test_cancelling_leaves_the_order_as_it_was(paypal: FakePayPal, shop: Shop) -> None:
    order_id = shop.create()
    assert paypal.control.cancel(order_id) == f"{CANCEL_URL}?token={order_id}"
    assert shop.call("GET", f"/v2/checkout/orders/{order_id}").body["status"] == "PAYER_ACTION_REQUIRED"


def test_a_provided_address_must_be_there(paypal: FakePayPal, shop: Shop) -> None:
    order = an_order()
    order["payment_source"]["paypal"]["experience_context"]["shipping_preference"] = "SET_PROVIDED_ADDRESS"
    assert shop.call("POST", "/v2/checkout/orders", order, "k-1").issue == "SHIPPING_ADDRESS_INVALID"
    order["purchase_units"][0]["shipping"] = {"address": {"country_code": "DE", "postal_code": "10115"}}
    assert shop.call("POST", "/v2/checkout/orders", order, "k-2").status == 201
