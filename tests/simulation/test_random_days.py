"""Days that are told by their seeds: concurrent, full of trouble, and the same every time."""

import secrets
from collections.abc import Callable

import pytest

from tests.shop import Shop
from tests.simulation.run import live

SHOPPERS = 4  # `make soak` lets more of them come
OpenShop = Callable[[], Shop]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_nothing_is_lost_on_a_day_full_of_trouble(seed: str, open_shop: OpenShop) -> None:
    told = live(open_shop(), seed, SHOPPERS)
    assert told.orders > 0
    assert told.faults > 0


def test_nothing_is_lost_on_a_day_that_nobody_has_seen(
    open_shop: OpenShop, record_property: Callable[[str, object], None]
) -> None:
    seed = secrets.token_hex(4)
    record_property("fresh seed", seed)  # printed at the end
    live(open_shop(), seed, SHOPPERS)


def test_the_same_seed_is_the_same_day(open_shop: OpenShop) -> None:
    assert live(open_shop(), "3", 3) == live(open_shop(), "3", 3)
