"""Whatever call leaves the process, and however it goes wrong, every due mail is sent, with at most one extra."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.mail import outbox, sender
from chalicelib.orders.models import Order
from tests.fault_injection.aws_calls import AwsCall, Send, intercepted
from tests.mail import order_factory
from tests.mail.fake_ses import PostOffice


class Killed(BaseException):
    """As a process ends that is killed: nothing catches it."""


class Wire:
    """What leaves the process, by way of AWS's clients; it breaks at one call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.at = -1
        self.error: BaseException | None = None
        self.after = False

    def breaks(self, at: int, error: BaseException, *, after: bool) -> None:
        """Break the call with this number, before or after it has done its work."""
        self.calls, self.at, self.error, self.after = [], at, error, after

    def call(self, go: Callable[[], Any], operation: str) -> Any:
        self.calls.append(operation)
        broken = self.error is not None and len(self.calls) == self.at + 1
        if self.error is not None and broken and not self.after:
            raise self.error
        answer = go()
        if self.error is not None and broken:
            raise self.error
        return answer


@pytest.fixture
def wire(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()

    def call(call: AwsCall, send: Send) -> Any:
        return wire.call(lambda: send(call.arguments), call.operation)

    monkeypatch.setattr(outbox, "PAUSES", (0, 0))
    with intercepted(call):
        yield wire


def deliver(order: Order, entry: str) -> bool:
    body = json.dumps({"order": order.id, "entry": entry})
    return sender.send_order_emails([{"messageId": "1", "body": body}]) == {"batchItemFailures": []}


@pytest.mark.parametrize("after", [False, True], ids=["before it worked", "after it worked"])
@pytest.mark.parametrize("error", [Killed(), ReadTimeoutError(endpoint_url="x")], ids=["killed", "no answer"])
def test_any_call_may_fail(
    post: PostOffice,
    wire: Wire,
    pass_time: Callable[[int], None],
    error: BaseException,
    after: bool,
) -> None:
    broken = []
    for number in count():
        order = order_factory.only(order_factory.paid(capture=f"CAP{number}"), "order_paid")
        (entry,) = order.emails_due
        post.taken.clear()
        wire.breaks(number, error, after=after)
        with suppress(Killed):
            deliver(order, entry)
        if len(wire.calls) <= number:
            break
        broken.append(wire.calls[number])
        may_come_twice = bool(post.taken) and (isinstance(error, Killed) or broken[-1] == "SendEmail")

        pass_time(outbox.LEASE_SECONDS + 1)
        wire.breaks(-1, error, after=after)
        assert deliver(order, entry)
        assert deliver(order, entry)

        assert 1 <= len(post.taken) <= 1 + may_come_twice, broken
        assert Order.fetch(order.id).emails_due == {}
    assert broken == [
        "GetItem",
        "TransactWriteItems",
        "SendEmail",
        "GetItem",
        "TransactWriteItems",
    ]
