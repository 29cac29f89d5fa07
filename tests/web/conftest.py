"""The app as it stands, for requests that change nothing."""

import pytest

from infra.local.api_gateway import Gateway
from tests.shop import Shop


@pytest.fixture
def standing(standing_shop: Shop) -> Gateway:
    """Return the gateway of a shop that stands already."""
    return standing_shop.gateway
