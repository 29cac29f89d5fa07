"""Many shoppers, few units: exactly what there is gets sold, and everybody gets an honest answer."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.client import Answer, Shopper
from tests.dynamodb_faults import tampered
from tests.invariants import check_books, check_money, check_stock, units
from tests.load.dynamodb_conflicts import contended
from tests.shop import CUSTOMER, Shop, order_id_of, token_of

THREADS = 8


def together(jobs: list[Callable[[], Answer]]) -> list[Answer]:
    """Run the jobs at the same moment, a thread each."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_two_shoppers_race_for_the_last_piece(shop: Shop) -> None:
    before = units(shop)
    shoppers = [shop.shopper_with(BOWL=1) for _ in range(2)]
    form = {**CUSTOMER, "total": shoppers[0].get("/checkout").field("total")}
    answers = together([lambda each=each: each.post("/checkout", form) for each in shoppers])  # type: ignore[misc]

    assert sorted(answer.status for answer in answers) == [303, 409]
    (refused,) = [answer for answer in answers if answer.status == 409]
    assert "“Last bowl” has just sold out." in refused.text
    assert refused.field("name") == CUSTOMER["name"]
    assert len(shop.orders()) == 1
    check_stock(shop, before)


def test_a_double_click_that_arrives_at_once_is_one_order(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=1, BOWL=1)
    form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}
    tabs = [Shopper(shop.gateway, dict(shopper.jar)) for _ in range(4)]
    answers = together([lambda tab=tab: tab.post("/checkout", form) for tab in tabs])  # type: ignore[misc]

    assert [answer.status for answer in answers] == [303] * 4
    (order,) = shop.orders()
    assert {answer.location.rpartition("token=")[2] for answer in answers} == {order.paypal_order_id}
    check_stock(shop, before)


def test_a_cart_that_is_sent_many_times_at_once_is_one_order_and_no_failure_of_the_shops(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=1, BOWL=1)
    form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}
    tabs = [Shopper(shop.gateway, dict(shopper.jar)) for _ in range(2 * THREADS)]
    with contended(0.1):
        answers = together([lambda tab=tab: tab.post("/checkout", form) for tab in tabs])  # type: ignore[misc]

    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {303, 409, 429}, statuses
    assert all("retry-after" in answer.headers for answer in answers if answer.status != 303)
    (order,) = shop.orders()
    assert {each["id"] for each in shop.paypal.orders()} == {order.paypal_order_id}
    check_stock(shop, before)
    assert token_of(shopper.post("/checkout", form)) == order.paypal_order_id


def test_a_payment_that_is_begun_many_times_at_once_is_no_failure_of_the_shops(shop: Shop) -> None:
    shop.paypal.fault("create", "503", times=None)
    shopper = shop.shopper_with(MUG=1)
    pay = f"/orders/{order_id_of(shop.place(shopper))}/payment"
    shop.paypal.clear_faults()
    tabs = [Shopper(shop.gateway, dict(shopper.jar)) for _ in range(THREADS)]
    with contended(0.1):
        answers = together([lambda tab=tab: tab.post(pay) for tab in tabs])  # type: ignore[misc]
    assert {answer.status for answer in answers} <= {303, 409}
    assert len(shop.paypal.orders()) == 1


def test_two_tabs_with_different_addresses_end_in_one_living_order(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(BOWL=1)
    form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}
    tabs = [Shopper(shop.gateway, dict(shopper.jar)) for _ in range(2)]
    answers = together(
        [
            lambda tab=tab, city=city: tab.post("/checkout", {**form, "city": city})  # type: ignore[misc]
            for tab, city in zip(tabs, ["Berlin", "Potsdam"], strict=True)
        ]
    )
    assert {answer.status for answer in answers} <= {303, 409}
    living = [order for order in shop.orders() if order.state == "awaiting"]
    assert len(living) == 1
    check_stock(shop, before)


@pytest.mark.slow
def test_eight_tills_sell_exactly_a_hundred_units(shop: Shop) -> None:
    before = units(shop)
    shoppers = [shop.shopper_with(MUG=1) for _ in range(13 * THREADS)]
    for number, shopper in enumerate(shoppers):
        shopper.source = f"198.51.100.{number}"
    form = {**CUSTOMER, "total": shoppers[0].get("/checkout").field("total")}

    def till(number: int) -> list[Answer]:
        return [shopper.post("/checkout", form) for shopper in shoppers[number::THREADS]]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for batch in pool.map(till, range(THREADS)) for answer in batch]

    assert Counter(answer.status for answer in answers) == {303: 100, 409: 4}
    assert all("sold out" in answer.text for answer in answers if answer.status == 409)
    assert shop.stock("MUG") == 0
    assert len({order.number for order in shop.orders()}) == 100
    check_stock(shop, before)


def test_buyers_cancellers_and_ditherers_leave_every_piece_accounted_for(shop: Shop) -> None:
    before = units(shop)

    def buy() -> Answer:
        shopper, token = shop.placed(TEA_100=1)
        return shop.come_back(shopper, token)

    def dither() -> Answer:
        shopper, _ = shop.placed(MUG=2)
        shopper.post("/cart/lines/MUG", {"quantity": "1"})
        return shop.place(shopper)

    def leave() -> Answer:
        shopper, token = shop.placed(TEA_50=1)
        shop.paypal.cancel(token)
        return shopper.get(f"/payments/paypal/cancel?token={token}")

    answers = together([buy, dither, leave, buy, dither, leave])
    assert {answer.status for answer in answers} == {303}
    check_stock(shop, before)
    check_money(shop)
    check_books(shop)
    with shop.later(hours=5):
        for _ in range(2):
            shop.reconcile()
        check_stock(shop, before)
        assert shop.stock("TEA-50") == 10
        assert shop.stock("MUG") == 100
        assert shop.stock("TEA-100") == 3


def test_a_tab_whose_last_unit_another_tab_just_reserved_is_not_shown_as_sold_out(shop: Shop) -> None:
    shopper = shop.shopper_with(BOWL=1)
    form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}
    other = Shopper(shop.gateway, dict(shopper.jar))
    earlier: list[Answer] = []

    def interfere(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation == "BatchGetItem" and not earlier:
            earlier.append(Answer(0, {}, [], ""))
            earlier.append(other.post("/checkout", form))
        return ask()

    with tampered(interfere):
        answer = shopper.post("/checkout", form)
    assert answer.status == 303
    assert answer.location == earlier[1].location
    assert len(shop.orders()) == 1
