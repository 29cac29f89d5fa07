"""An empty shop for each day that is lived."""

from collections.abc import Callable

import pytest

from infra.local.cloud import LocalCloud
from infra.local.paypal import Control
from tests.shop import Shop
from tests.simulation.shops import opened


@pytest.fixture
def open_shop(paypal: Control, cloud: LocalCloud) -> Callable[[], Shop]:
    """Return what opens an empty shop, as often as it is asked to."""
    return lambda: opened(paypal, cloud)
