"""What DynamoDB would bill: writes as the local cloud tells them, reads by what they answer.

The local cloud tells one unit, or half of one, of a read of any size, and nothing of a batch.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.fault_injection.aws_calls import Send, intercepted_tables

READ_BYTES = 4096
# With one of these a read looks at more than it answers, and its units cannot be told from that.
ANSWERS_LESS = {"FilterExpression", "ProjectionExpression", "Select"}
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
        if operation in READS:
            self.read += READS[operation](arguments, answer)
            return
        told = answer.pop("ConsumedCapacity")
        self.write += sum(one["CapacityUnits"] for one in (told if isinstance(told, list) else [told]))


def units_of_item(arguments: dict[str, Any], answer: dict[str, Any]) -> float:
    """Count one item; one that is not there takes a unit, too."""
    return _units(_blocks(bytes_of(answer.get("Item", {}))), arguments)


def units_of_query(arguments: dict[str, Any], answer: dict[str, Any]) -> float:
    """Count by the sum of the items, which alone is rounded up; none take a unit, too."""
    return _units(_blocks(sum(map(bytes_of, answer.get("Items", ())))), arguments)


def units_of_batch(arguments: dict[str, Any], answer: dict[str, Any]) -> float:
    """Count each item by itself; one that is not there takes a unit, too."""
    total = 0.0
    for table, asked in arguments["RequestItems"].items():
        found = answer["Responses"].get(table, [])
        blocks = sum(_blocks(bytes_of(item)) for item in found) + len(asked["Keys"]) - len(found)
        total += _units(blocks, asked)
    return total


READS = {"GetItem": units_of_item, "BatchGetItem": units_of_batch, "Query": units_of_query}


def _blocks(size: int) -> int:
    return max(1, math.ceil(size / READ_BYTES))


def _units(blocks: int, asked: dict[str, Any]) -> float:
    if less := ANSWERS_LESS & asked.keys():
        raise ValueError(f"a read with {', '.join(sorted(less))} looks at more than it answers")
    return blocks if asked.get("ConsistentRead") else blocks / 2


def bytes_of(item: dict[str, Any]) -> int:
    """Return an item's size as DynamoDB counts it: names and values; a number takes a byte for two digits."""
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
    units = Units()

    def asked(operation: str, arguments: dict[str, Any], send: Send) -> Any:
        if operation in WRITES:
            arguments = {**arguments, "ReturnConsumedCapacity": "TOTAL"}
        answer = send(arguments)
        if operation in {*READS, *WRITES}:
            units.take(operation, arguments, answer)
        return answer

    with intercepted_tables(asked):
        yield units
