"""Read one item, or many at once."""

import random
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from chalicelib.database.connection import Table, hash_key_name, shared_connection
from chalicelib.errors import ServiceUnavailable

MAX_KEYS_PER_BATCH_GET = 100
_M = TypeVar("_M", bound="Table")


def batch_get(
    wanted: dict[type[Table], Iterable[str]], *, consistent: bool = True
) -> dict[type[Table], dict[str, Any]]:
    """Read items of several tables by their keys: one BatchGetItem a hundred keys.

    Returns, for each table, key → item; what does not exist is missing. Raises ServiceUnavailable where DynamoDB keeps some back.
    """
    found: dict[type[Table], dict[str, Any]] = {table: {} for table in wanted}
    by_name = {table.Meta.table_name: table for table in wanted}
    keys = [(table, key) for table, wanted_keys in wanted.items() for key in dict.fromkeys(wanted_keys)]
    for start in range(0, len(keys), MAX_KEYS_PER_BATCH_GET):
        request: dict[str, Any] = {}
        for table, key in keys[start : start + MAX_KEYS_PER_BATCH_GET]:
            table._get_connection()
            entry = request.setdefault(table.Meta.table_name, {"Keys": [], "ConsistentRead": consistent})
            entry["Keys"].append({hash_key_name(table): {"S": key}})
        for attempt in range(6):
            answer = shared_connection()._make_api_call("BatchGetItem", {"RequestItems": request})
            for name, rows in answer["Responses"].items():
                table = by_name[name]
                hash_name = hash_key_name(table)
                for row in rows:
                    found[table][row[hash_name]["S"]] = table.from_raw_data(row)
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                break
            time.sleep(random.uniform(0.01, 0.05 * 2**attempt))
        else:
            raise ServiceUnavailable("The shop is very busy. Please try again in a moment.")
    return found


def get(table: type[_M], key: str, range_key: str | None = None, *, consistent: bool = True) -> _M | None:
    """Read one item, or None."""
    try:
        return table.get(key, range_key, consistent_read=consistent)
    except table.DoesNotExist:
        return None
