"""A simulation that never found anything is suspect: something is broken on purpose, and a seed must fail."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from chalicelib.catalog.models import Stock
from chalicelib.database.transactions import Transaction
from chalicelib.payments.paypal import webhook
from tests.shop import Shop
from tests.simulation.run import Failed, live

SEED = "1"


def test_orders_written_over_each_other_are_noticed(open_shop: Callable[[], Shop]) -> None:
    put = Transaction.put

    def put_unasked(transaction: Transaction, name: str, item: Any, condition: Any = None) -> None:
        put(transaction, name, item, None if name == "order" else condition)

    with mock.patch.object(Transaction, "put", put_unasked), pytest.raises(Failed, match=f"seed {SEED}"):
        live(open_shop(), SEED, shoppers=3)


def test_units_given_back_twice_are_noticed(open_shop: Callable[[], Shop]) -> None:
    give_up = Stock.release_hold

    with (
        mock.patch.object(Stock, "release_hold", side_effect=lambda sku, units: give_up(sku, 2 * units)),
        pytest.raises(Failed, match=f"seed {SEED}"),
    ):
        live(open_shop(), SEED, shoppers=8)


def test_a_notification_that_paypal_never_signed_is_noticed_where_it_is_taken(
    open_shop: Callable[[], Shop],
) -> None:
    with mock.patch.object(webhook, "verify"), pytest.raises(Failed, match="never signed"):
        live(open_shop(), SEED, shoppers=3)
