"""What DynamoDB does when many want the same item, and the local cloud never does: conflicts, and throttling."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.database.connection import shared_connection
from tests.dynamodb_faults import Ask, tampered

SINGLE_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
WRITES = ("TransactWriteItems", *SINGLE_WRITES)
READS = ("GetItem", "Query", "BatchGetItem")
Item = tuple[str, ...]  # a table's name and the values of its key


@contextmanager
def contended(seconds: float, seen: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let each transaction hold its items for `seconds` from its begin: other writes of them are refused meanwhile.

    As DynamoDB does: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling.
    `seen` is called at each conflict.
    """
    held_until: dict[Item, float] = {}  # time.monotonic: how slow this process is at it must not count
    lock = threading.Lock()

    def answer(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation not in WRITES:
            return ask()
        items = _items(operation, arguments)
        with lock:
            now = time.monotonic()
            clashes = [held_until.get(item, 0) > now for item in items]
            if not any(clashes) and operation not in SINGLE_WRITES:
                held_until.update(dict.fromkeys(items, now + seconds))
        if any(clashes):
            seen()
            raise conflict(operation, clashes)
        return ask()

    with tampered(answer):
        yield


@contextmanager
def crowded(share: float, seed: int = 1) -> Iterator[None]:
    """Refuse this share of all writes for a conflict, by chance."""
    chance = random.Random(seed)

    def refuse(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation in WRITES and chance.random() < share:
            clashes = [True] * len(arguments.get("TransactItems", [1]))
            raise conflict(operation, clashes)
        return ask()

    with tampered(refuse):
        yield


@contextmanager
def throttled(*operations: str) -> Iterator[None]:
    """Refuse these operations for good, as DynamoDB does where a partition is asked for too much."""

    def refuse(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation not in operations:
            return ask()
        if operation == "TransactWriteItems":
            raise _cancelled(["ThrottlingError"] * len(arguments["TransactItems"]))
        raise _error(operation, "ProvisionedThroughputExceededException")

    with tampered(refuse):
        yield


def conflict(operation: str, clashes: list[bool]) -> ClientError:
    """Make the refusal of a write whose items, as marked, a transaction is at work on."""
    if operation in SINGLE_WRITES:
        return _error(operation, "TransactionConflictException")
    return _cancelled(["TransactionConflict" if clash else "None" for clash in clashes])


def note_in(file: Path) -> Callable[[], object]:
    """Make what notes each conflict as a byte in a file, for another process to count."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return lambda: os.write(descriptor, b".")


def _items(operation: str, arguments: Mapping[str, Any]) -> list[Item]:
    if operation in SINGLE_WRITES:
        return [_item(arguments)]
    return [_item(write) for entry in arguments["TransactItems"] for write in entry.values()]


def _item(write: Mapping[str, Any]) -> Item:
    table = shared_connection().get_meta_table(write["TableName"])
    if "Key" in write:
        key = write["Key"]
    else:
        names = [name for name in (table.hash_keyname, table.range_keyname) if name]
        key = {name: write["Item"][name] for name in names}
    return (write["TableName"], *(str(key[name]) for name in sorted(key)))


def _cancelled(codes: list[str]) -> ClientError:
    words = "Transaction cancelled, please refer cancellation reasons for specific reasons"
    error = _error("TransactWriteItems", "TransactionCanceledException", words)
    error.response["CancellationReasons"] = [{"Code": code} for code in codes]
    return error


def _error(operation: str, code: str, words: str = "Try again later") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": words},
        "ResponseMetadata": {"RequestId": "R", "HTTPStatusCode": 400},
    }
    return ClientError(answer, operation)
