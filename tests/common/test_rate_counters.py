"""A payment begun anew is counted for its session and its address at once, and for neither where one refuses."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import rate_limits
from chalicelib.config import settings
from chalicelib.errors import TooManyRequests
from chalicelib.rate_limits import RateLimitCounter
from tests.dynamodb_faults import tampered

HOME = "198.51.100.7"
PATIENCE_SECONDS = 20


def counts() -> list[tuple[int, int]]:
    """List what the rows say: orders placed, and payments tried."""
    return sorted((int(row.placed), int(row.tried)) for row in RateLimitCounter.scan())


def test_neither_count_waits_for_the_others_answer(aws: object) -> None:
    both_sent = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def wait_for_the_other(operation: str, arguments: dict[str, Any], ask: Callable[[], Any]) -> Any:
        assert operation == "UpdateItem", "never in a transaction: an office shares an address's row"
        both_sent.wait()
        return ask()

    with tampered(wait_for_the_other), rate_limits.count_payment("session", HOME):
        pass
    assert counts() == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    "limits", [{"orders_per_session": 1}, {"orders_per_address": 1}], ids=["session", "address"]
)
def test_where_one_refuses_the_other_is_not_used_up(
    aws: object, setting: Callable[..., None], limits: dict[str, int]
) -> None:
    setting(shop=replace(settings.shop, limits=replace(settings.shop.limits, **limits)))
    with rate_limits.count_payment("session", HOME):
        pass
    for _ in range(3):
        with pytest.raises(TooManyRequests), rate_limits.count_payment("session", HOME):
            pytest.fail("it was begun")
    assert counts() == [(1, 1), (1, 1)]
