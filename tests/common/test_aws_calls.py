"""Whatever carries the shop's calls to DynamoDB, each of those who watch or break them sees the same ones."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from chalicelib.catalog.models import Listing, Stock
from chalicelib.config import DYNAMODB_CLIENTS
from chalicelib.database.connection import Table, connect
from chalicelib.database.reads import batch_get, get
from chalicelib.database.transactions import Transaction
from chalicelib.errors import ServiceUnavailable
from tests import iam_policy_check
from tests.benchmarks.capacity_units import metered
from tests.call_counter import counted_calls
from tests.dynamodb_faults import silence, watched
from tests.fault_injection.aws_calls import AwsCall, Send, intercepted
from tests.fault_injection.lambda_process import Call, Process
from tests.load.dynamodb_conflicts import crowded

pytestmark = pytest.mark.usefixtures("aws")
OPERATIONS = [
    "PutItem",
    "GetItem",
    "BatchGetItem",
    "Query",
    "UpdateItem",
    "TransactWriteItems",
    "DeleteItem",
]


@pytest.fixture(params=DYNAMODB_CLIENTS, autouse=True)
def carrier(request: pytest.FixtureRequest, setting: Any) -> Iterator[None]:
    """Send calls by the direct client, and by botocore's."""
    setting(dynamodb_client=request.param)
    before = Table._shared
    connection = connect()
    assert (connection.client.direct is not None) == (request.param == "direct")
    yield
    connection.client.close()
    Table._shared = before


def use_tables() -> None:
    """Make one call of each kind."""
    cup = Stock("CUP", available=3, slug="cup")
    cup.save()
    assert get(Stock, "CUP") is not None
    assert batch_get({Stock: ["CUP"]})[Stock].keys() == {"CUP"}
    assert list(Listing.query("nothing")) == []
    cup.update([Stock.available.set(2)])
    transaction = Transaction()
    transaction.update("stock", *Stock.release("CUP", 1))
    transaction.commit()
    cup.delete()


def test_the_call_counter_sees_each_call() -> None:
    with counted_calls() as calls:
        use_tables()
    assert calls == Counter(OPERATIONS)


def test_faults_see_each_call_and_can_break_each() -> None:
    with watched() as calls:
        use_tables()
    assert [operation for operation, _ in calls] == OPERATIONS
    with silence(), pytest.raises(PynamoDBException):
        get(Stock, "CUP")


def test_conflicts_see_each_write() -> None:
    transaction = Transaction()
    transaction.put("stock", Stock("CUP", available=3))
    with crowded(1), pytest.raises(ServiceUnavailable):
        transaction.commit(timeout=0)
    assert get(Stock, "CUP") is None


def test_the_capacity_counter_sees_each_call() -> None:
    with metered() as units:
        use_tables()
    assert (units.read, units.write) == (2.5, 5)


def test_the_policy_check_sees_each_call() -> None:
    assert iam_policy_check.refused == []
    with iam_policy_check._as("export_books"):
        use_tables()
    refused = {line.split()[3] for line in iam_policy_check.refused}
    iam_policy_check.refused.clear()
    single = {f"dynamodb:{operation}" for operation in OPERATIONS if operation != "TransactWriteItems"}
    assert refused == single


def test_an_interceptor_of_all_aws_calls_sees_each_once() -> None:
    calls: list[str] = []

    def note(call: AwsCall, send: Send) -> object:
        calls.append(f"{call.service} {call.operation}")
        return send(call.arguments)

    with intercepted(note):
        use_tables()
    assert calls == [f"dynamodb {operation}" for operation in OPERATIONS]


def test_a_process_that_may_die_at_each_call_stops_at_each() -> None:
    process, calls = Process(use_tables), []
    while process.call is not None:
        calls.append(process.call)
        process.advance()
    assert process.end == (None,)
    assert calls == [Call("dynamodb", operation) for operation in OPERATIONS]
