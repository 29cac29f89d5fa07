"""The shop in which something goes wrong."""

from collections.abc import Iterator

import pytest

from tests.fault_injection.harness import World
from tests.shop import NIGHT, Shop, at_night
from tests.staff.conftest import quick_hashes

__all__ = ["quick_hashes"]


@pytest.fixture
def world(shop: Shop) -> Iterator[World]:
    """Return a shop whose clock goes on."""
    world = World(shop)
    if at_night():
        world.pass_time(hours=NIGHT)
    with world.keeping_time():
        yield world


@pytest.fixture
def soaking(request: pytest.FixtureRequest) -> bool:
    """Return whether everything is to be broken."""
    return bool(request.config.getoption("--soak"))
