"""Count the calls to DynamoDB."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from chalicelib.catalog.models import Product
from chalicelib.database.connection import shared_connection


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count what is asked of DynamoDB meanwhile, by operation: `calls["Query"]`, `calls.total()`.

    A repetition by botocore itself is not counted; one of ours is.
    """
    Product._get_connection()
    # pynamodb reaches botocore at this one place.
    client: Any = shared_connection().client
    ask = client._make_api_call
    calls: Counter[str] = Counter()

    def counted(operation: str, arguments: dict[str, Any]) -> Any:
        calls[operation] += 1
        return ask(operation, arguments)

    with mock.patch.object(client, "_make_api_call", counted):
        yield calls
