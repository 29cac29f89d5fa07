"""Reading ahead of whoever takes the answers: in order, bounded, within the caller's time."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from chalicelib import deadlines
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import batch_get_items
from chalicelib.database.streams import page_ahead, query_pages, rare_collections, read_ahead
from chalicelib.errors import ServiceUnavailable
from chalicelib.orders.search.search_index import OrderSearchEntry
from tests.dynamodb_faults import tampered

PATIENCE_SECONDS = 20


def test_answers_come_in_the_order_of_the_calls() -> None:
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(PATIENCE_SECONDS)
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert list(read_ahead([first, second], 2)) == ["first", "second"]


def test_no_more_calls_are_made_than_so_many_ahead_of_the_reader() -> None:
    begun: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(100):
            begun.append(number)
            yield partial(int, number)

    answers = read_ahead(calls(), 3)
    for taken in range(10):
        assert next(answers) == taken
        assert len(begun) <= taken + 4
    answers.close()
    assert len(begun) <= 13


def test_an_error_is_raised_in_its_place_and_what_is_behind_it_is_not_read() -> None:
    asked: list[int] = []

    def call(number: int) -> int:
        asked.append(number)
        return 1 // (number - 2)

    answers = read_ahead((partial(call, number) for number in range(100)), 2)
    assert [next(answers), next(answers)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(answers)
    assert len(asked) <= 5


def test_calls_in_threads_have_the_callers_time() -> None:
    with deadlines.answering_within(7):
        (left,) = read_ahead([deadlines.remaining], 1)
    assert 0 < left <= 7


def test_the_next_page_is_read_while_one_is_taken() -> None:
    is_read = threading.Event()

    def pages() -> Iterator[str]:
        yield "first"
        is_read.set()
        yield "second"

    read = page_ahead(pages())
    assert next(read) == "first"
    assert is_read.wait(PATIENCE_SECONDS)
    assert list(read) == ["second"]


def test_a_partition_is_read_whole_in_pages_of_the_size_that_is_asked_for(aws: object) -> None:
    for number in range(7):
        OrderSearchEntry("an", f"ann#{number}").save()
    pages = list(query_pages(OrderSearchEntry, "an", page_size=3, ascending=False, consistent=True))
    assert [item["entry"]["S"] for page in pages for item in page] == [f"ann#{n}" for n in range(6, -1, -1)]
    assert max(map(len, pages)) == 3


def test_unprocessed_keys_are_read_again(aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    for sku in "ABC":
        Stock(sku, available=1).save()
    kept_back = iter([["B", "C"], ["C"], []])

    def keep_back(operation: str, arguments: dict[str, object], ask: Callable[[], object]) -> object:
        answer = ask()
        assert isinstance(answer, dict)
        (name,) = answer["Responses"]
        held = next(kept_back)
        rows = answer["Responses"][name]
        answer["Responses"][name] = [row for row in rows if row["sku"]["S"] not in held]
        answer["UnprocessedKeys"] = {name: {"Keys": [{"sku": {"S": sku}} for sku in held]}} if held else {}
        return answer

    with tampered(keep_back):
        found = batch_get_items(Stock, ["A", "B", "C", "A", "none"])
    assert found.keys() == {"A", "B", "C"}


def test_keys_that_stay_unprocessed_are_an_error(aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def keep_all_back(operation: str, arguments: dict[str, object], ask: object) -> object:
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    with tampered(keep_all_back), pytest.raises(ServiceUnavailable):
        batch_get_items(Stock, ["A"])


def test_garbage_is_collected_as_before_once_a_stream_ends() -> None:
    before = gc.get_threshold()
    with rare_collections():
        with rare_collections():
            assert gc.isenabled()
        assert gc.get_threshold()[0] >= 100_000
    assert gc.get_threshold() == before
