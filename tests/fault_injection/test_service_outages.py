"""One of AWS's services is away for a while, and all others answer: pages are right, and nothing is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.fault_injection.aws_calls import AwsCall, Send, intercepted
from tests.invariants import check_stock, units
from tests.shop import Shop, order_id_of


@contextmanager
def away(service: str) -> Iterator[None]:
    """Let no call to this service arrive."""

    def answer(call: AwsCall, send: Send) -> Any:
        if call.service == service:
            raise EndpointConnectionError(endpoint_url=f"https://{service}.example")
        return send(call.arguments)

    with intercepted(answer):
        yield


@pytest.mark.parametrize("service", ["sqs", "sesv2", "s3"])
def test_shoppers_browse_buy_and_are_written_to_though_a_service_is_away(shop: Shop, service: str) -> None:
    before = units(shop)
    with away(service):
        for path in ("/", "/products/mug", "/categories/tea", "/search?q=tea", "/cart"):
            assert shop.shopper().get(path).status == 200, path
        shopper, token = shop.placed(MUG=2)
        answer = shop.come_back(shopper, token)
        order_id = order_id_of(answer)
        assert "Thank you" in shopper.follow(answer).text
        assert shop.order(order_id).state == "paid"
        put_off = [each for each in shop.paypal.deliver_pending() if each["status"] != 200]
        assert {each["status"] for each in put_off} == ({503} if service == "sqs" else set())
        if service == "sesv2":
            shop.functions.drain("order-emails")
            assert len(shop.order(order_id).emails_due) == 2

    with shop.later(minutes=30):
        shop.deliver_notifications()
        shop.reconcile()
        shop.functions.drain("order-emails")
    order = shop.order(order_id)
    assert (order.state, order.emails_due, order.issues) == ("paid", {}, [])
    assert shop.mails() == ["merchant_order_paid", "order_paid"]
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1
    check_stock(shop, before)
