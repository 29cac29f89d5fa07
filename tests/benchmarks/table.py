"""The bench's table."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tests.benchmarks.operations import FLOOR, Operation
from tests.benchmarks.timing import Sample

HEAD = (
    "operation",
    "CPU ms",
    "× floor",
    "wall ms",
    "p95",
    "KB",
    "calls",
    "most",
    "RCU",
    "WCU",
    "DynamoDB",
    "elsewhere",
)
NUMBERS = {1, 2, 3, 4, 5, 6, 7, 8, 9}
SHORT = {"GetItem": "Get", "PutItem": "Put", "UpdateItem": "Update", "BatchGetItem": "BatchGet"}
SHORT |= {"TransactWriteItems": "Transact", "DeleteItem": "Delete"}


def print_table(samples: Mapping[Operation, Sequence[Sample]]) -> None:
    """Print a row an operation: medians, and the calls of the round that made most."""
    floor = median(sample.cpu for sample in samples[FLOOR])
    rows = [HEAD, *(_row(operation, taken, floor) for operation, taken in samples.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        cells = (
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def broken_promises(samples: Mapping[Operation, Sequence[Sample]]) -> list[str]:
    """List the operations that made more DynamoDB calls than is promised, or a Scan."""
    broken = []
    for operation, taken in samples.items():
        calls = _most_calls(taken)
        if operation.most is not None and calls.total() > operation.most:
            broken.append(
                f"{operation.name}: {calls.total()} DynamoDB calls, at most {operation.most} are promised"
            )
        if "Scan" in calls:
            broken.append(f"{operation.name}: a Scan")
    return broken


def _row(operation: Operation, taken: Sequence[Sample], floor: float) -> tuple[str, ...]:
    cpu = median(sample.cpu for sample in taken)
    walls = sorted(sample.wall for sample in taken)
    calls = _most_calls(taken)
    return (
        operation.name,
        f"{cpu:.2f}",
        f"{cpu / floor:.1f}",
        f"{median(walls):.2f}",
        f"{walls[math.ceil(0.95 * len(walls)) - 1]:.2f}",
        f"{median(sample.size for sample in taken) / 1000:.1f}",
        str(calls.total()),
        "" if operation.most is None else str(operation.most),
        f"{median(sample.read for sample in taken):g}",
        f"{median(sample.write for sample in taken):g}",
        _listed({SHORT.get(name, name): count for name, count in calls.items()}),
        _listed(taken[-1].elsewhere),
    )


def _most_calls(taken: Iterable[Sample]) -> Counter[str]:
    return max((sample.dynamodb for sample in taken), key=Counter.total)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
