"""What staff and watchers see of payments."""

import pytest

from tests.client import Shopper
from tests.shop import Shop
from tests.staff.conftest import quick_hashes as quick_hashes  # staff log in quickly here, too
from tests.staff.staff_client import logged_in
from tests.telemetry.conftest import counted as counted  # what is counted of payments, here


@pytest.fixture
def merchant(shop: Shop, quick_hashes: None) -> Shopper:
    """Return the merchant, logged in."""
    return logged_in(shop.gateway, "merchant")
