"""Count the calls to DynamoDB."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fault_injection.aws_calls import Send, intercepted_tables


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count what is asked of DynamoDB meanwhile, by operation: `calls["Query"]`, `calls.total()`.

    A repetition by the client itself is not counted; one of ours is.
    """
    calls: Counter[str] = Counter()

    def counted(operation: str, arguments: dict[str, Any], send: Send) -> Any:
        calls[operation] += 1
        return send(arguments)

    with intercepted_tables(counted):
        yield calls
