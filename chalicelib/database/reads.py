"""Read one item, or many together."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from chalicelib.database.connection import Table, key_attributes, shared_connection
from chalicelib.errors import ServiceUnavailable

MAX_KEYS_PER_BATCH_GET = 100
MAX_ATTEMPTS = 6
Item = dict[str, dict[str, Any]]  # {"amount": {"N": "1290"}}: an item as DynamoDB sends it
_M = TypeVar("_M", bound="Table")


def batch_get(
    wanted: dict[type[Table], Iterable[Any]], *, consistent: bool = True
) -> dict[type[Table], dict[Any, Any]]:
    """Read items of several tables by their keys: one BatchGetItem per hundred keys. With a range key, a key is a pair.

    Returns key → item for each table, without those that do not exist. Raises ServiceUnavailable if DynamoDB leaves
    keys unprocessed.
    """
    found: dict[type[Table], dict[Any, Any]] = {table: {} for table in wanted}
    for table, key, item in _read_items(wanted, consistent=consistent):
        found[table][key] = table.from_raw_data(item)
    return found


def batch_get_items(table: type[Table], keys: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
    """Read items of one table as `batch_get` does, but as raw attribute values: key → item."""
    return {key: item for _, key, item in _read_items({table: keys}, consistent=consistent)}


def _read_items(
    wanted: Mapping[type[Table], Iterable[Any]], *, consistent: bool
) -> Iterator[tuple[type[Table], Any, Item]]:
    for table in wanted:
        table._get_connection()
    tables = {table.Meta.table_name: table for table in wanted}
    keys = [(table, key) for table, wanted_keys in wanted.items() for key in dict.fromkeys(wanted_keys)]
    for start in range(0, len(keys), MAX_KEYS_PER_BATCH_GET):
        request: dict[str, Any] = {}
        for table, key in keys[start : start + MAX_KEYS_PER_BATCH_GET]:
            entry = request.setdefault(table.Meta.table_name, {"Keys": [], "ConsistentRead": consistent})
            entry["Keys"].append(_raw_key(table, key))
        for attempt in range(MAX_ATTEMPTS):
            answer = shared_connection()._make_api_call("BatchGetItem", {"RequestItems": request})
            for name, items in answer["Responses"].items():
                table = tables[name]
                for item in items:
                    yield table, _key_of(table, item), item
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                break
            time.sleep(random.uniform(0.01, 0.05 * 2**attempt))
        else:
            raise ServiceUnavailable("The shop is very busy. Please try again in a moment.")


def _raw_key(table: type[Table], key: Any) -> dict[str, Any]:
    values = key if isinstance(key, tuple) else (key,)
    return {
        attribute.attr_name: {attribute.attr_type: attribute.serialize(value)}
        for attribute, value in zip(key_attributes(table), values, strict=True)
    }


def _key_of(table: type[Table], item: Item) -> Any:
    values = [
        attribute.deserialize(attribute.get_value(item[attribute.attr_name]))
        for attribute in key_attributes(table)
    ]
    return values[0] if len(values) == 1 else tuple(values)


def get(
    table: type[_M], key: str, range_key: str | int | None = None, *, consistent: bool = True
) -> _M | None:
    """Read one item, or None."""
    try:
        return table.get(key, range_key, consistent_read=consistent)
    except table.DoesNotExist:
        return None
