"""What staff and watchers see of payments, and settlement without a database."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from chalicelib.mail import outbox
from chalicelib.orders.models import Order
from chalicelib.payments import refund_settlement, settlement
from tests.client import Shopper
from tests.orders.plain_order import NewRepository, PlainRepository
from tests.shop import Shop
from tests.staff.conftest import quick_hashes as quick_hashes  # staff log in quickly here, too
from tests.staff.staff_client import logged_in
from tests.telemetry.conftest import counted as counted  # what is counted of payments, here


@pytest.fixture
def merchant(shop: Shop, quick_hashes: None) -> Shopper:
    """Return the merchant, logged in."""
    return logged_in(shop.gateway, "merchant")


@pytest.fixture
def repository() -> Iterator[NewRepository]:
    """Return how to put one order in memory, which settlement then changes instead of a table's."""
    kept: list[PlainRepository] = []

    def make(order: Order, *refused: tuple[str, str]) -> PlainRepository:
        kept.append(PlainRepository(order, frozenset(refused)))
        return kept[-1]

    def update(*given: Any, **more: Any) -> Order:
        return kept[-1].update_order(*given, **more)

    with (
        mock.patch.object(settlement, "update_order", update),
        mock.patch.object(refund_settlement, "update_order", update),
        mock.patch.object(outbox, "enqueue"),
    ):
        yield make
