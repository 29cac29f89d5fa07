"""DynamoDB answers a batch with 16 MB at most and hands the other keys back; the local cloud never does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.database.reads import batch_get
from chalicelib.errors import ServiceUnavailable
from chalicelib.orders.models import Order
from chalicelib.scheduled_runs import Run, record_run
from tests.dynamodb_faults import Ask, tampered

NAMES = [f"run-{number}" for number in range(7)]


@pytest.fixture(autouse=True)
def rows(aws: object) -> None:
    for name in NAMES:
        record_run(name)


@contextmanager
def rows_an_answer(most: int) -> Iterator[list[int]]:
    """Let a batch give so many rows of a table and hand the other keys back; list how many were asked for each time."""
    asked: list[int] = []

    def hand_back(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        wanted: dict[str, Any] = arguments["RequestItems"]
        asked.append(sum(len(each["Keys"]) for each in wanted.values()))
        rest = {name: each | {"Keys": each["Keys"][most:]} for name, each in wanted.items()}
        arguments["RequestItems"] = {
            name: each | {"Keys": each["Keys"][:most]} for name, each in wanted.items() if each["Keys"][:most]
        }
        answer = ask() if most else {"Responses": {name: [] for name in wanted}}
        return answer | {"UnprocessedKeys": {name: each for name, each in rest.items() if each["Keys"]}}

    with tampered(hand_back):
        yield asked


def test_rows_that_are_handed_back_are_asked_for_again_and_no_others() -> None:
    with rows_an_answer(3) as asked:
        found = batch_get({Run: [*NAMES, "run-never"], Order: ["none"]})

    assert set(found[Run]) == set(NAMES)
    assert found[Order] == {}
    assert asked == [9, 5, 2]


def test_rows_that_are_never_given_make_a_page_that_asks_for_a_moment() -> None:
    with rows_an_answer(0) as asked, pytest.raises(ServiceUnavailable):
        batch_get({Run: NAMES})

    assert asked == [7] * 6
