"""The shop in which something goes wrong."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World
from tests.shop import Shop
from tests.staff.conftest import quick_hashes

__all__ = ["quick_hashes"]


@pytest.fixture
def world(shop: Shop) -> Iterator[World]:
    """Return a shop whose clock goes on."""
    world = World(shop)
    with world.keeping_time():
        yield world
