"""The bench's units are those of DynamoDB's published rules."""

from collections import Counter

import pytest

from chalicelib.catalog.models import Product, Stock
from chalicelib.storage import Transaction, get, read_many
from tests.bench.costs import GB_SECOND, PAGE_GB, READ, REQUEST, WRITE, cost_of
from tests.bench.stopwatch import Sample
from tests.bench.units import bytes_of, metered

pytestmark = pytest.mark.usefixtures("aws")


def test_reads_are_counted_by_four_kilobytes_an_item() -> None:
    with metered() as units:
        get(Stock, "NOTHING")
        assert (units.read, units.write) == (1, 0)
        get(Stock, "NOTHING", consistent=False)
        assert units.read == 1.5
    assert bytes_of({"sku": {"S": "ü"}, "seen": {"M": {"a": {"N": "1234"}}}}) == 3 + 2 + 4 + 3 + 1 + 1 + 4


def test_items_of_a_batch_are_rounded_up_one_by_one() -> None:
    client = Product._get_connection().connection.client
    table = Product.Meta.table_name
    item = {"slug": {"S": "tea"}, "name": {"S": "x" * 5000}}
    client._make_api_call("PutItem", {"TableName": table, "Item": item})
    with metered() as units:
        keys = [{"slug": {"S": "tea"}}, {"slug": {"S": "none"}}]
        client._make_api_call("BatchGetItem", {"RequestItems": {table: {"Keys": keys}}})
        assert units.read == (2 + 1) / 2
        assert read_many({Stock: ["A", "B"]}) == {Stock: {}}
        assert units.read == (2 + 1) / 2 + 2


def test_a_transaction_takes_two_units_where_a_write_takes_one() -> None:
    with metered() as units:
        Stock("A", available=1, slug="tea").save()
        assert units.write == 1
        Stock("A", available=1, slug="tea", shelf="1").save()
        assert units.write == 1 + 2  # the row, and its entry in an index
        units.clear()
        transaction = Transaction()
        transaction.put("stock", Stock("B", available=1, slug="tea"))
        transaction.commit()
        assert units.write == 2


def test_costs_are_the_sum_of_what_is_billed() -> None:
    sample = Sample(10.0, 50.0, Counter(GetItem=2), Counter(), size=0, read=2, write=3)
    cost = cost_of("a page", [sample])
    assert cost.dynamodb == 2 * READ + 3 * WRITE
    assert cost.function == pytest.approx(0.2e-6 + (0.010 + 2 * 0.005) * PAGE_GB * GB_SECOND)
    assert (cost * 2 + cost).total == pytest.approx(3 * (cost.dynamodb + cost.function + REQUEST))
