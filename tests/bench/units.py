"""What DynamoDB would bill: read and write units, as it tells them of each call."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from chalicelib.catalog.models import Product
from chalicelib.storage import shared_connection

READ_BYTES = 4096
READS = {"GetItem", "BatchGetItem", "Query", "TransactGetItems"}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@dataclass
class Units:
    """A unit reads 4 KB consistently (8 KB else) or writes 1 KB; a transaction takes two, an index its own."""

    read: float = 0.0
    write: float = 0.0

    def clear(self) -> None:
        """Begin again."""
        self.read = self.write = 0.0

    def take(self, operation: str, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """Add what a call consumed; take what tells it out of the answer."""
        if operation == "BatchGetItem":
            self.read += units_of_batch(arguments, answer)  # of these the local cloud tells nothing
            return
        told = answer.pop("ConsumedCapacity")
        total = sum(one["CapacityUnits"] for one in (told if isinstance(told, list) else [told]))
        if operation in READS:
            self.read += total
        else:
            self.write += total


def units_of_batch(arguments: dict[str, Any], answer: dict[str, Any]) -> float:
    """Count by DynamoDB's rule: each item is rounded up by itself, and one that is not there takes a unit, too."""
    total = 0.0
    for table, asked in arguments["RequestItems"].items():
        found = answer["Responses"].get(table, [])
        blocks = (
            sum(math.ceil(bytes_of(item) / READ_BYTES) for item in found) + len(asked["Keys"]) - len(found)
        )
        total += blocks if asked.get("ConsistentRead") else blocks / 2
    return total


def bytes_of(item: dict[str, Any]) -> int:
    """Tell an item's size as DynamoDB counts it: names and values; a number takes a byte for two digits."""
    return sum(len(name.encode()) + _bytes_of_value(*value.copy().popitem()) for name, value in item.items())


def _bytes_of_value(kind: str, value: Any) -> int:
    if kind in ("S", "B"):
        return len(value.encode())
    if kind == "N":
        return len(value) // 2 + 2
    if kind in ("SS", "NS"):
        return sum(_bytes_of_value(kind[0], one) for one in value)
    if kind == "L":
        return 3 + sum(1 + _bytes_of_value(*one.copy().popitem()) for one in value)
    if kind == "M":
        return 3 + len(value) + bytes_of(value)
    return 1


@contextmanager
def metered() -> Iterator[Units]:
    """Sum the units of every call meanwhile. A condition that fails takes units too, and is not counted."""
    Product._get_connection()
    # pynamodb reaches botocore at this one place.
    client: Any = shared_connection().client
    ask = client._make_api_call
    units = Units()

    def asked(operation: str, arguments: dict[str, Any]) -> Any:
        if operation not in READS | WRITES:
            return ask(operation, arguments)
        answer = ask(operation, {**arguments, "ReturnConsumedCapacity": "TOTAL"})
        units.take(operation, arguments, answer)
        return answer

    with mock.patch.object(client, "_make_api_call", asked):
        yield units
