"""The same operations, sent by both clients to the same tables: the same requests, answers, errors and rows."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from chalicelib.catalog.models import Listing
from chalicelib.config import DYNAMODB_CLIENTS
from chalicelib.database.connection import SharedConnection
from chalicelib.database.direct.direct_client import OPERATIONS, decode_binary
from chalicelib.database.direct.http_pool import HttpPool

pytestmark = pytest.mark.usefixtures("aws")
NAMES = st.sampled_from(["B", "BS", "S", "größe", "a.b", "name"])
NUMBERS = st.integers(-(10**20), 10**20).map(str)
STRINGS = st.text(max_size=20).filter(bool)
BYTES = st.binary(min_size=1, max_size=20)
PLAIN: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"S": STRINGS}),
    st.fixed_dictionaries({"N": NUMBERS}),
    st.fixed_dictionaries({"B": BYTES}),
    st.fixed_dictionaries({"BOOL": st.booleans()}),
    st.just({"NULL": True}),
    st.fixed_dictionaries({"SS": st.sets(STRINGS, min_size=1, max_size=3).map(sorted)}),
    st.fixed_dictionaries({"BS": st.sets(BYTES, min_size=1, max_size=3).map(sorted)}),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"M": st.dictionaries(NAMES, inner, max_size=3)})
    ),
    max_leaves=6,
)
POSITIONS = st.sampled_from(["1", "2", "3"])
KINDS = st.sampled_from(
    sorted({*OPERATIONS, "refused transaction", "no table", "no key", "TransactGetItems"})
)


class Step(NamedTuple):
    """One call, as far as chance makes it."""

    kind: str
    position: str
    attributes: dict[str, Any]
    must_be_new: bool


STEPS = st.lists(
    st.builds(Step, KINDS, POSITIONS, st.dictionaries(NAMES, VALUES, max_size=3), st.booleans()),
    min_size=1,
    max_size=6,
)


def call_of(step: Step, group: str) -> tuple[str, dict[str, Any]]:
    """Return the operation and its arguments."""
    table = {"TableName": Listing.Meta.table_name}
    key = {"group": {"S": group}, "position": {"S": step.position}}
    put = {**table, "Item": {**step.attributes, **key}}
    condition: dict[str, Any] = {}
    if step.must_be_new:
        condition = {
            "ConditionExpression": "attribute_not_exists(#0)",
            "ExpressionAttributeNames": {"#0": "group"},
        }
    if step.kind == "PutItem":
        return "PutItem", {**put, **condition, "ReturnValues": "ALL_OLD"}
    if step.kind == "DeleteItem":
        return "DeleteItem", {**table, "Key": key, **condition, "ReturnValues": "ALL_OLD"}
    if step.kind == "UpdateItem":
        change = {
            "UpdateExpression": "SET #1 = :1",
            "ExpressionAttributeNames": {"#1": "name", **condition.pop("ExpressionAttributeNames", {})},
            "ExpressionAttributeValues": {":1": step.attributes.get("name", {"S": "x"})},
        }
        return "UpdateItem", {**table, "Key": key, **change, **condition, "ReturnValues": "ALL_NEW"}
    if step.kind == "Query":
        names = {
            "ExpressionAttributeNames": {"#0": "group"},
            "ExpressionAttributeValues": {":0": {"S": group}},
        }
        return "Query", {
            **table,
            "KeyConditionExpression": "#0 = :0",
            **names,
            "ConsistentRead": True,
            "Limit": 2,
        }
    if step.kind == "BatchGetItem":
        return "BatchGetItem", {"RequestItems": {table["TableName"]: {"Keys": [key], "ConsistentRead": True}}}
    if step.kind in ("TransactWriteItems", "refused transaction"):
        token = f"{group}{step.position}{len(step.attributes)}"
        absent = (
            {"ConditionExpression": "attribute_exists(slug)"} if step.kind != "TransactWriteItems" else {}
        )
        other = {**key, "position": {"S": "other"}}
        writes = [{"Put": {**put, **condition}}, {"Delete": {**table, "Key": other, **absent}}]
        return "TransactWriteItems", {"TransactItems": writes, "ClientRequestToken": token[-36:]}
    if step.kind == "no table":
        return "GetItem", {"TableName": "nowhere", "Key": key}
    if step.kind == "no key":
        return "GetItem", {**table, "Key": {"slug": {"S": "x"}}}
    if step.kind == "TransactGetItems":
        return "TransactGetItems", {"TransactItems": [{"Get": {**table, "Key": key}}]}
    return "GetItem", {**table, "Key": key, "ConsistentRead": True}


class Sent(NamedTuple):
    """A request as it leaves the process."""

    target: str
    content_type: str
    signed: bool
    body: Any


@contextmanager
def requests_seen() -> Iterator[list[Sent]]:
    """List the requests of both clients meanwhile."""
    seen: list[Sent] = []
    of_direct, of_botocore = HttpPool.send, URLLib3Session.send

    def note(headers: Any, body: bytes) -> None:
        words = [headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization")]
        target, content_type, proof = (word.decode() if isinstance(word, bytes) else word for word in words)
        is_signed = "content-type;host;" in proof and "x-amz-date;x-amz-target" in proof
        seen.append(Sent(target, content_type, is_signed, json.loads(body)))

    def send_direct(pool: HttpPool, headers: Any, body: bytes, seconds: float) -> Any:
        note(headers, body)
        return of_direct(pool, headers, body, seconds)

    def send_botocore(session: URLLib3Session, request: Any) -> Any:
        note(request.headers, request.body)
        return of_botocore(session, request)

    with (
        mock.patch.object(HttpPool, "send", send_direct),
        mock.patch.object(URLLib3Session, "send", send_botocore),
    ):
        yield seen


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    """Make a client of each kind."""
    from chalicelib.config import settings

    before, made = settings.dynamodb_client, {}
    for name in DYNAMODB_CLIENTS:
        object.__setattr__(settings, "dynamodb_client", name)
        made[name] = SharedConnection().client
    object.__setattr__(settings, "dynamodb_client", before)
    yield made
    for client in made.values():
        client.close()


def outcome_of(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
    """Return an answer or a refusal, as far as anybody reads it."""
    try:
        answer = client._make_api_call(operation, arguments)
    except ClientError as error:
        response: Any = error.response
        told = {name: response[name] for name in ("Error", "CancellationReasons", "Item") if name in response}
        return operation, told, error.operation_name, response["ResponseMetadata"]["HTTPStatusCode"]
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def plain(value: Any, group: str) -> Any:
    """Let both clients' rows have one name."""
    if isinstance(value, dict):
        return {plain(name, group): plain(each, group) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, group) for each in value]
    return value.replace(group, "group") if isinstance(value, str) else value


@rules(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, number=st.uuids())
def test_both_clients_send_the_same_and_hear_the_same(
    clients: dict[str, Any], steps: list[Step], number: Any
) -> None:
    found = {}
    for name, client in clients.items():
        group = f"{number.hex[:20]}{name[0]}"
        with requests_seen() as sent:
            outcomes = [outcome_of(client, *call_of(step, group)) for step in steps]
        assert all(request.signed for request in sent)
        found[name] = plain([sent, outcomes], group)
    assert found["direct"] == found["botocore"]
    assert len(found["direct"][0]) == len(steps)


def test_each_operation_is_carried_by_the_direct_client_and_others_by_botocores(
    clients: dict[str, Any],
) -> None:
    client = clients["direct"]
    with mock.patch.object(client, "botocore", side_effect=AssertionError):
        for kind in sorted(OPERATIONS):
            outcome_of(client, *call_of(Step(kind, "1", {}, False), kind))
        for operation, arguments in (
            call_of(Step("TransactGetItems", "1", {}, False), "g"),
            ("TransactWriteItems", {"TransactItems": []}),  # without a token it may not be repeated
        ):
            with pytest.raises(AssertionError):
                client._make_api_call(operation, arguments)


def test_names_are_not_taken_for_types() -> None:
    encoded = b64encode(b"bytes").decode()
    item = {"B": {"B": encoded}, "BS": {"BS": [encoded]}, "S": {"L": [{"M": {"B": {"S": encoded}}}]}}
    assert decode_binary({"Item": item}) == {
        "Item": {"B": {"B": b"bytes"}, "BS": {"BS": [b"bytes"]}, "S": {"L": [{"M": {"B": {"S": encoded}}}]}}
    }
