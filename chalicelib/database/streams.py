"""Read many items as DynamoDB's plain attribute values, some calls ahead of whoever takes them; memory stays flat."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from contextvars import copy_context
from itertools import repeat, takewhile
from typing import TYPE_CHECKING, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.database.connection import Table
from chalicelib.database.reads import Item

if TYPE_CHECKING:
    from concurrent.futures import Future

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
