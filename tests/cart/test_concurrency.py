"""Two tabs, slow answers, double clicks: nothing is lost and nothing is counted twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.cart.models import Cart
from chalicelib.cart.sessions import session_key
from tests.cart.test_cart_lines import quantities
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost, repeated, silence, tampered
from tests.iam_policy_check import by_the_test
from tests.shop import Shop


def tabs_of(shop: Shop, shopper: Shopper, number: int) -> list[Shopper]:
    return [Shopper(shop.gateway, dict(shopper.jar)) for _ in range(number)]


def at_once(jobs: list[Callable[[], Answer]]) -> list[int]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        return sorted(future.result().status for future in [pool.submit(job) for job in jobs])


def test_eight_tabs_adding_the_same_sku_lose_no_unit(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    tabs = tabs_of(shop, shopper, 8)
    statuses = at_once(
        [lambda tab=tab: tab.post("/cart/lines", {"sku": "MUG", "quantity": "1"}) for tab in tabs]  # type: ignore[misc]
    )
    assert statuses == [303] * 8
    assert quantities(shopper) == {"MUG": 9}


def test_tabs_adding_different_skus_lose_no_line(shop: Shop) -> None:
    skus = [f"CUP-{number}" for number in range(8)]
    shop.put_on_shelf("cups", "Cups", dict.fromkeys(skus, (100, None, 5)))
    shopper = shop.shopper_with(MUG=1)
    tabs = tabs_of(shop, shopper, 8)
    statuses = at_once(
        [
            lambda tab=tab, sku=sku: tab.post("/cart/lines", {"sku": sku, "quantity": "1"})  # type: ignore[misc]
            for tab, sku in zip(tabs, skus, strict=True)
        ]
    )
    assert statuses == [303] * 8
    assert quantities(shopper) == {"MUG": 1} | dict.fromkeys(skus, 1)


def test_two_equal_changes_at_the_same_moment_are_two_changes(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    (other,) = tabs_of(shop, shopper, 1)
    pending = [lambda: other.post("/cart/lines", {"sku": "MUG", "quantity": "1"})]

    def interfere(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation == "UpdateItem" and pending:
            assert pending.pop()().status == 303
        return ask()

    with tampered(interfere):
        assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"}).status == 303
    assert quantities(shopper) == {"MUG": 3}


@pytest.mark.parametrize("broken", [lambda: answers_lost("UpdateItem"), lambda: repeated("UpdateItem")])
def test_a_change_whose_answer_is_lost_is_made_once(shop: Shop, broken: Callable[[], Any]) -> None:
    shopper = shop.shopper_with(MUG=1)
    with broken():
        assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "2"}).status == 303
    assert quantities(shopper) == {"MUG": 3}
    with broken():
        assert shopper.post("/cart/lines/MUG", {"quantity": "7"}).status == 303
    assert quantities(shopper) == {"MUG": 7}
    with broken():
        assert shopper.post("/cart/lines/MUG", {"quantity": "0"}).status == 303
    assert quantities(shopper) == {}


def test_a_lost_answer_is_recognised_though_another_tab_wrote_in_between(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    (other,) = tabs_of(shop, shopper, 1)
    turns = iter([True])

    def lose(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        answer = ask()
        if operation == "UpdateItem" and next(turns, False):
            other.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
            from botocore.exceptions import ReadTimeoutError

            raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return answer

    with tampered(lose):
        assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "2"}).status == 303
    assert quantities(shopper) == {"MUG": 3, "TEA-50": 1}


def test_a_first_line_that_is_sent_twice_is_put_in_once(shop: Shop) -> None:
    with repeated("PutItem"):
        shopper = shop.shopper_with(MUG=2)
    assert quantities(shopper) == {"MUG": 2}
    assert len(list(Cart.scan())) == 1


def test_a_first_line_whose_answer_is_lost_is_an_honest_503_and_no_cookie(shop: Shop) -> None:
    shopper = shop.shopper()
    with answers_lost("PutItem"):
        answer = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "2"})
    assert (answer.status, answer.headers["retry-after"], shopper.jar) == (503, "5", {})


def test_a_table_that_is_silent_is_an_honest_503_and_changes_nothing(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2)
    for operation in ("UpdateItem", "BatchGetItem"):
        with silence(operation):
            answer = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
        assert answer.status == 503
        assert quantities(shopper) == {"MUG": 2}


def test_a_row_that_ends_between_reading_and_writing_becomes_a_new_cart(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2)
    old = shopper.jar["session"]
    turns = iter([True])

    def end(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation == "UpdateItem" and next(turns, False):
            with by_the_test():
                Cart(session_key(old)).delete()
        return ask()

    with tampered(end):
        assert shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"}).status == 303
    assert shopper.jar["session"] != old
    assert quantities(shopper) == {"TEA-50": 1}


def test_a_line_taken_out_in_two_tabs_at_once_is_out(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2, TEA_50=1)
    tabs = tabs_of(shop, shopper, 2)
    statuses = at_once([lambda tab=tab: tab.post("/cart/lines/MUG", {"quantity": "0"}) for tab in tabs])  # type: ignore[misc]
    assert set(statuses) <= {303, 404}
    assert quantities(shopper) == {"TEA-50": 1}
