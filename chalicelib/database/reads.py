"""Read one item, or many together."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from chalicelib.database.connection import Table, hash_key_name, shared_connection
from chalicelib.errors import ServiceUnavailable

MAX_KEYS_PER_BATCH_GET = 100
MAX_ATTEMPTS = 6
Item = dict[str, dict[str, Any]]  # {"amount": {"N": "1290"}}: an item as DynamoDB sends it
_M = TypeVar("_M", bound="Table")


def batch_get(
    wanted: dict[type[Table], Iterable[str]], *, consistent: bool = True
) -> dict[type[Table], dict[str, Any]]:
    """Read items of several tables by their keys: one BatchGetItem per hundred keys.

    Returns, for each table, key → item; what does not exist is missing. Raises ServiceUnavailable if DynamoDB keeps some back.
    """
    found: dict[type[Table], dict[str, Any]] = {table: {} for table in wanted}
    for table, key, item in _read_items(wanted, consistent=consistent):
        found[table][key] = table.from_raw_data(item)
    return found


def batch_get_items(table: type[Table], keys: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
    """Read items of one table as `batch_get` does, but as DynamoDB's plain attribute values: key → item."""
    return {key: item for _, key, item in _read_items({table: keys}, consistent=consistent)}


def _read_items(
    wanted: Mapping[type[Table], Iterable[str]], *, consistent: bool
) -> Iterator[tuple[type[Table], str, Item]]:
    tables = {table.Meta.table_name: (table, hash_key_name(table)) for table in wanted}
    keys = [(table, key) for table, wanted_keys in wanted.items() for key in dict.fromkeys(wanted_keys)]
    for start in range(0, len(keys), MAX_KEYS_PER_BATCH_GET):
        request: dict[str, Any] = {}
        for table, key in keys[start : start + MAX_KEYS_PER_BATCH_GET]:
            table._get_connection()
            entry = request.setdefault(table.Meta.table_name, {"Keys": [], "ConsistentRead": consistent})
            entry["Keys"].append({tables[table.Meta.table_name][1]: {"S": key}})
        for attempt in range(MAX_ATTEMPTS):
            answer = shared_connection()._make_api_call("BatchGetItem", {"RequestItems": request})
            for name, items in answer["Responses"].items():
                table, key_name = tables[name]
                for item in items:
                    yield table, item[key_name]["S"], item
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                break
            time.sleep(random.uniform(0.01, 0.05 * 2**attempt))
        else:
            raise ServiceUnavailable("The shop is very busy. Please try again in a moment.")


def get(table: type[_M], key: str, range_key: str | None = None, *, consistent: bool = True) -> _M | None:
    """Read one item, or None."""
    try:
        return table.get(key, range_key, consistent_read=consistent)
    except table.DoesNotExist:
        return None
