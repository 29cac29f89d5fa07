"""Read many items as DynamoDB's plain attribute values, some calls ahead of whoever takes them; memory stays flat."""

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from contextvars import copy_context
from itertools import islice, repeat, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.database.connection import Table, hash_key_name, shared_connection
from chalicelib.errors import ServiceUnavailable

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_KEYS_PER_BATCH_GET = 100
MAX_ATTEMPTS = 6
Item = dict[str, dict[str, Any]]  # {"amount": {"N": "1290"}}: an item as DynamoDB sends it
_T = TypeVar("_T")


def query_pages(
    table: type[Table],
    partition: str,
    condition: Condition | None = None,
    *,
    page_size: int,
    index: str | None = None,
    ascending: bool = True,
    consistent: bool = False,
) -> Iterator[list[Item]]:
    """Read a partition of a table or of its index: a Query a page of at most `page_size` items, when it is asked for."""
    connection = table._get_connection()

    def pages() -> Iterator[list[Item]]:
        after = None
        while True:
            answer = connection.query(
                partition,
                condition,
                consistent_read=consistent,
                exclusive_start_key=after,
                index_name=index,
                limit=page_size,
                scan_index_forward=ascending,
            )
            yield answer["Items"]
            after = answer.get("LastEvaluatedKey")
            if not after:
                return

    return pages()


def batch_get_items(table: type[Table], keys: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
    """Read at most a hundred items by their keys: key → item; what does not exist is missing.

    Raises ServiceUnavailable where DynamoDB keeps some back.
    """
    wanted, name, key_name = list(dict.fromkeys(keys)), table.Meta.table_name, hash_key_name(table)
    if len(wanted) > MAX_KEYS_PER_BATCH_GET:
        raise ValueError(f"{len(wanted)} keys are more than one BatchGetItem takes")
    found: dict[str, Item] = {}
    table._get_connection()
    request: Any = {name: {"Keys": [{key_name: {"S": key}} for key in wanted], "ConsistentRead": consistent}}
    for attempt in range(MAX_ATTEMPTS if wanted else 0):
        answer = shared_connection()._make_api_call("BatchGetItem", {"RequestItems": request})
        found |= {item[key_name]["S"]: item for item in answer["Responses"].get(name, ())}
        request = answer.get("UnprocessedKeys")
        if not request:
            break
        time.sleep(random.uniform(0.01, 0.05 * 2**attempt))
    else:
        if wanted:
            raise ServiceUnavailable("The shop is very busy. Please try again in a moment.")
    return found


def read_items(table: type[Table], keys: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
    """Read any number of items by their keys, a hundred at a time, as `batch_get_items` does."""
    wanted = iter(dict.fromkeys(keys))
    found: dict[str, Item] = {}
    while some := list(islice(wanted, MAX_KEYS_PER_BATCH_GET)):
        found |= batch_get_items(table, some, consistent=consistent)
    return found


def read_ahead(calls: Iterable[Callable[[], _T]], ahead: int) -> Generator[_T, None, None]:
    """Make calls in threads, at most `ahead` of them before their answers are taken, which come in the calls' order.

    They have the caller's time (`deadlines`). What a call raises is raised in its place; those behind it are dropped.
    """
    from concurrent.futures import ThreadPoolExecutor  # a shopper's first page does without

    pending: deque[Future[_T]] = deque()
    with ThreadPoolExecutor(ahead) as pool:
        try:
            for call in calls:
                pending.append(pool.submit(copy_context().run, call))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def page_ahead(pages: Iterator[_T]) -> Iterator[_T]:
    """Read the next page in a thread while one is taken."""
    with closing(read_ahead(repeat(lambda: next(pages, None)), 1)) as answers:
        yield from takewhile(lambda page: page is not None, answers)
