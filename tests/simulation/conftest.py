"""An empty shop for each day that is lived."""

from collections.abc import Callable

import pytest

from infra.local.dynamodb_local import DynamoDBLocal
from infra.local.fake_paypal import Control
from tests.cloud import Cloud
from tests.shop import Shop
from tests.simulation.fixtures import opened


@pytest.fixture
def open_shop(paypal: Control, cloud: Cloud, tables: DynamoDBLocal | None) -> Callable[[], Shop]:
    """Return what opens an empty shop, as often as it is asked to."""

    def open_one() -> Shop:
        if tables:
            tables.restart()  # the same seed makes the same request tokens: what was written once would not be again
        return opened(paypal, cloud)

    return open_one
