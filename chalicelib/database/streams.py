"""Stream many items as raw attribute values, prefetching a few calls ahead; memory use stays constant."""

import gc
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from contextvars import copy_context
from itertools import repeat, takewhile
from typing import TYPE_CHECKING, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.database.connection import Table
from chalicelib.database.reads import Item

if TYPE_CHECKING:
    from concurrent.futures import Future

_T = TypeVar("_T")
OBJECTS_BETWEEN_COLLECTIONS = 100_000  # more than the pages that are read at a time have


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
    """Yield the pages of a partition of a table or index: one Query per page of at most `page_size` items, sent lazily."""
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
    """Make calls in threads, at most `ahead` of the consumer; yield their results in the calls' order.

    They share the caller's deadline (`deadlines`). An error is raised in its place, and the calls after it are cancelled.
    """
    from concurrent.futures import ThreadPoolExecutor  # not needed by a shopper's first page

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
    """Yield pages; the next one is read in a thread while one is consumed."""
    with closing(read_ahead(repeat(lambda: next(pages, None)), 1)) as answers:
        yield from takewhile(lambda page: page is not None, answers)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector look at what was read less often, in the whole process.

    Pages are large, have no cycles, and are freed as they are done with: looking through them finds nothing.
    """
    threshold, *older = gc.get_threshold()
    gc.set_threshold(max(threshold, OBJECTS_BETWEEN_COLLECTIONS) if threshold else 0, *older)
    try:
        yield
    finally:
        gc.set_threshold(threshold, *older)
