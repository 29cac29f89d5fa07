"""Whatever call leaves the process while staff refund, and however it goes wrong: one refund, booked, or none."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any
from unittest import mock

import pytest
import requests
from botocore.exceptions import ReadTimeoutError
from pynamodb.exceptions import PynamoDBException

from chalicelib.errors import ShopError
from tests.fault_injection.aws_calls import AwsCall, Send, intercepted
from tests.invariants import check_money, check_stock, units
from tests.payments.test_refunds import TOTAL, refund
from tests.shop import Shop


class Killed(BaseException):
    """As a process ends that is killed: nothing catches it."""


class Wire:
    """What leaves the process, to AWS and to PayPal; it breaks at one call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.at = -1
        self.killed = False
        self.after = False

    def call(self, name: str, go: Callable[[], Any], no_answer: Exception) -> Any:
        self.calls.append(name)
        broken = len(self.calls) == self.at + 1
        error: BaseException = Killed() if self.killed else no_answer
        if broken and not self.after:
            raise error
        answer = go()
        if broken:
            raise error
        return answer


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    to_paypal = requests.Session.request

    def ask_aws(call: AwsCall, send: Send) -> Any:
        no_answer = ReadTimeoutError(endpoint_url="x")
        return wire.call(call.operation, lambda: send(call.arguments), no_answer)

    def ask_paypal(session: requests.Session, method: str, *args: Any, **more: Any) -> Any:
        return wire.call("PayPal", lambda: to_paypal(session, method, *args, **more), requests.Timeout())

    with (
        intercepted(ask_aws),
        mock.patch.object(requests.Session, "request", ask_paypal),
    ):
        yield wire


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it worked", "after it worked"])
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "no answer"])
def test_any_call_may_fail(shop: Shop, wire: Wire, killed: bool, after: bool) -> None:
    before = units(shop)
    broken: list[str] = []
    for number in count():
        _, order_id = shop.paid()
        wire.calls, wire.at, wire.killed, wire.after = [], number, killed, after
        with suppress(Killed, ShopError, PynamoDBException):
            refund(shop, order_id, 1500, shown_refundable=TOTAL, restock={"MUG": 1})
        wire.at = -1
        if len(wire.calls) <= number:
            break
        broken.append(wire.calls[number])

        with shop.later(minutes=6):
            shop.reconcile()
        decided = shop.order(order_id).refunds.values()
        assert [entry["status"] for entry in decided] in ([], ["completed"]), broken

        refund(
            shop, order_id, 1500, shown_refundable=TOTAL, restock={"MUG": 1}
        )  # the page came back, or the button is pressed again
        order = shop.order(order_id)
        assert ([entry["status"] for entry in order.refunds.values()], order.refunded) == (
            ["completed"],
            1500,
        ), broken
        assert len([due for due in (*order.emails_due, *order.emails_sent) if "refund_completed" in due]) == 1

    assert broken.count("PayPal") == 1
    assert broken.count("TransactWriteItems") == 2  # the decision, and what PayPal answered
    assert sum(row.kind == "refund" for row in shop.paypal.ledger()) == len(broken) + 1
    check_money(shop)
    check_stock(shop, before)
