"""What we send to PayPal, judged by PayPal's own description of its API, and by what that leaves out."""

import json
from decimal import Decimal
from typing import Any
from unittest import mock

from chalicelib.orders.models import Order
from chalicelib.payments import start_payment
from chalicelib.payments.paypal import order_request
from tests.fake_paypal.openapi import paypal_contract
from tests.shop import CUSTOMER, Shop

KNOWN_KEYS = {
    "unit": {"custom_id", "invoice_id", "description", "amount", "items", "shipping"},
    "item": {"name", "sku", "quantity", "unit_amount", "category"},
    "experience": {
        "brand_name",
        "landing_page",
        "user_action",
        "shipping_preference",
        "return_url",
        "cancel_url",
    },
}


def test_every_request_of_an_orders_life_is_as_paypal_describes_it(shop: Shop) -> None:
    contract = paypal_contract()
    shopper, token = shop.placed(MUG=2, TEA_50=3)
    shop.paypal.next_capture("completed", value="1.00")
    shop.come_back(shopper, token)
    with shop.later(minutes=6):
        shop.reconcile()  # refunds the wrong amount
    shop.paid(TEA_100=1)
    shop.deliver_notifications()

    seen = set()
    for request in shop.paypal.requests():
        if request.operation != "token":  # which is not in PayPal's files
            contract.check_request(request)
            seen.add(request.operation)
    assert seen >= {"create", "get", "capture", "capture_get", "refund", "refund_get", "verify"}


def test_sums_keys_and_addresses_of_an_order_are_exact(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2, TEA_50=3)
    shop.place(shopper, address2="Hinterhaus", region="Berlin", phone="+49 30 1234567", name="Tést “Z” Ñandú")
    (created,) = shop.paypal.requests("create")
    (order,) = shop.orders()
    body = json.loads(created.body)
    (unit,) = body["purchase_units"]

    assert set(unit) == KNOWN_KEYS["unit"]
    assert all(set(item) == KNOWN_KEYS["item"] for item in unit["items"])
    assert set(body["payment_source"]["paypal"]["experience_context"]) == KNOWN_KEYS["experience"]
    items = sum(Decimal(item["unit_amount"]["value"]) * int(item["quantity"]) for item in unit["items"])
    breakdown = unit["amount"]["breakdown"]
    assert items == Decimal(breakdown["item_total"]["value"])
    assert Decimal(unit["amount"]["value"]) == items + Decimal(breakdown["shipping"]["value"])
    assert unit["custom_id"] == order.id
    assert unit["invoice_id"] == f"AWN-{order.number}"
    assert unit["shipping"]["name"]["full_name"] == "Tést “Z” Ñandú"
    assert unit["shipping"]["address"] == {
        "address_line_1": CUSTOMER["address"],
        "address_line_2": "Hinterhaus",
        "admin_area_1": "Berlin",
        "admin_area_2": "Berlin",
        "postal_code": "10115",
        "country_code": "DE",
    }
    assert (created.request_id or "").startswith(f"create:{order.id}:1:")


def test_an_address_paypal_dislikes_does_not_stop_the_sale(shop: Shop) -> None:
    real = order_request.order_body

    def without_street(
        order: Order, number: int, *, with_address: bool = True, **more: Any
    ) -> dict[str, Any]:
        body = real(order, number, with_address=with_address, **more)
        if with_address:
            del body["purchase_units"][0]["shipping"]["address"]
        return body

    with mock.patch.object(start_payment, "order_body", without_street):
        shopper, token = shop.placed(MUG=1)

    first, second = shop.paypal.requests("create")
    assert (first.status, second.status) == (422, 201)
    assert second.request_id != first.request_id
    shop.come_back(shopper, token)
    assert shop.orders()[0].state == "paid"


def test_amounts_in_a_currency_without_decimals_have_none(shop: Shop, setting: object) -> None:
    setting(currency="JPY")  # type: ignore[operator]  # the fixture is a function
    shop.place(shop.shopper_with(MUG=2))
    (created,) = shop.paypal.requests("create")
    (unit,) = json.loads(created.body)["purchase_units"]
    assert unit["amount"]["value"] == "4190"
    assert unit["amount"]["currency_code"] == "JPY"


def test_one_token_serves_many_requests_and_a_dead_one_is_replaced(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway

    gateway._client.cache_clear()
    shop.paid()
    shop.paid()
    assert len(shop.paypal.requests("token")) == 1
    shop.paypal.revoke_tokens()
    _, order_id = shop.paid()
    assert shop.order(order_id).state == "paid"
    assert len(shop.paypal.requests("token")) == 2
