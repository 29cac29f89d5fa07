"""Members of staff who are logged in."""

import pytest

from tests.client import Shopper
from tests.shop import Shop
from tests.staff.desk import logged_in


@pytest.fixture
def merchant(shop: Shop) -> Shopper:
    """Return the merchant, logged in."""
    return logged_in(shop.gateway, "merchant")


@pytest.fixture
def finance(shop: Shop) -> Shopper:
    """Return somebody from finance, logged in."""
    return logged_in(shop.gateway, "finance")
