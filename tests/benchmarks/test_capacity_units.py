"""The bench's units are those of DynamoDB's published rules."""

from collections import Counter
from typing import Any

import pytest

from chalicelib.catalog.models import Listing, Product, Stock
from chalicelib.database.reads import batch_get, get
from chalicelib.database.transactions import Transaction
from chalicelib.staff.orders import order_actions
from tests.benchmarks.capacity_units import bytes_of, metered
from tests.benchmarks.costs import GB_SECOND, ORDER, PAGE_GB, READ, REQUEST, WORKER_GB, WRITE, cost_of
from tests.benchmarks.timing import Sample
from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("aws")
BIG = {"slug": {"S": "tea"}, "name": {"S": "x" * 5000}}


def test_reads_are_counted_by_four_kilobytes_an_item() -> None:
    with metered() as units:
        get(Stock, "NOTHING")
        assert (units.read, units.write) == (1, 0)
        get(Stock, "NOTHING", consistent=False)
        assert units.read == 1.5
    assert bytes_of({"sku": {"S": "ü"}, "seen": {"M": {"a": {"N": "1234"}}}}) == 3 + 2 + 4 + 3 + 1 + 1 + 4


def _call(operation: str, **asked: Any) -> None:
    connection: Any = Product._get_connection().connection
    connection.client._make_api_call(operation, asked)


def test_an_item_of_five_kilobytes_takes_two_units() -> None:
    table = Product.Meta.table_name
    with metered() as units:
        _call("PutItem", TableName=table, Item=BIG)
        assert (units.read, units.write) == (0, 5)
        _call("GetItem", TableName=table, Key={"slug": {"S": "tea"}}, ConsistentRead=True)
        assert units.read == 2
        _call("GetItem", TableName=table, Key={"slug": {"S": "tea"}})
        assert units.read == 2 + 1


def test_items_of_a_query_are_summed_and_then_rounded_up() -> None:
    for number in range(3):
        Listing("tea", str(number), slug="tea", name="x" * 1500).save()
    with metered() as units:
        assert len(list(Listing.query("tea", consistent_read=True))) == 3
        assert units.read == 2
        assert len(list(Listing.query("tea"))) == 3
        assert units.read == 2 + 1
        assert list(Listing.query("cups")) == []
        assert units.read == 2 + 1 + 0.5


@pytest.mark.parametrize(
    "less", [{"filter_condition": Listing.text.exists()}, {"attributes_to_get": ["name"]}]
)
def test_a_read_that_answers_less_than_it_looked_at_is_refused(less: dict[str, Any]) -> None:
    with metered(), pytest.raises(ValueError, match="looks at more than it answers"):
        list(Listing.query("tea", **less))
    with metered(), pytest.raises(ValueError, match="looks at more than it answers"):
        Listing.count("tea")


def test_items_of_a_batch_are_rounded_up_one_by_one() -> None:
    table = Product.Meta.table_name
    _call("PutItem", TableName=table, Item=BIG)
    with metered() as units:
        keys = [{"slug": {"S": "tea"}}, {"slug": {"S": "none"}}]
        _call("BatchGetItem", RequestItems={table: {"Keys": keys}})
        assert units.read == (2 + 1) / 2
        assert batch_get({Stock: ["A", "B"]}) == {Stock: {}}
        assert units.read == (2 + 1) / 2 + 2


def test_a_transaction_takes_two_units_where_a_write_takes_one() -> None:
    with metered() as units:
        Stock("A", available=1, slug="tea").save()
        assert units.write == 1
        Stock("A", available=1, slug="tea", stock_shard="1").save()
        assert units.write == 1 + 2  # the row, and its entry in an index
        units.clear()
        transaction = Transaction()
        transaction.put("stock", Stock("B", available=1, slug="tea"))
        transaction.commit()
        assert units.write == 2


def _sample(cpu: float, **asked: int) -> Sample:
    return Sample(cpu, 50.0, Counter(asked), Counter(), size=0, read=2, write=3)


def test_costs_are_the_sum_of_what_is_billed() -> None:
    cost = cost_of("a page", [_sample(10.0, GetItem=2)])
    assert cost.dynamodb == 2 * READ + 3 * WRITE
    assert cost.function == pytest.approx(0.2e-6 + (0.010 + 2 * 0.005) * PAGE_GB * GB_SECOND)
    assert (cost * 2 + cost).total == pytest.approx(3 * (cost.dynamodb + cost.function + REQUEST))


def test_each_call_is_billed_by_whole_milliseconds() -> None:
    warm = cost_of("a page", [_sample(0.1)])
    assert warm.function == pytest.approx(0.2e-6 + 0.001 * PAGE_GB * GB_SECOND)
    page = cost_of("a page", [_sample(10.1, GetItem=1)])
    assert page.function == pytest.approx(0.2e-6 + 0.016 * PAGE_GB * GB_SECOND)
    # 10 ms of a core are 34.6 ms of the 512 MB that a worker has.
    mail = cost_of("send a mail", [_sample(10.0, GetItem=1)])
    assert mail.function == pytest.approx(0.2e-6 + 0.040 * WORKER_GB * GB_SECOND)


def test_the_mails_of_an_order_are_all_paid_for(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=1)
    order_actions.ship(order_id, order_actions.Parcel("DHL"), "merchant@shop.example")
    assert len(shop.mails()) == ORDER["send a mail"]
