"""Turn rows into items, and items into rows, by a plan made once per table; pynamodb inspects every attribute twice per row.

The values are those of pynamodb's own `from_raw_data` and `serialize`; tests compare them for every table.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII).fullmatch
_decode_json = json.JSONDecoder(strict=False).decode


def _number(text: str) -> Any:
    return int(text) if _INTEGER(text) else json.loads(text)


def _number_text(number: Any) -> str:
    return str(number) if type(number) is int else json.dumps(number)


# Attribute types with a simple conversion. Others, such as maps, are left to pynamodb.
READERS: dict[type[Attribute[Any]], Callable[[Any], Any] | None] = {
    UnicodeAttribute: None,
    NumberAttribute: _number,
    BooleanAttribute: bool,
    JSONAttribute: _decode_json,
    UnicodeSetAttribute: set,
}
WRITERS: dict[type[Attribute[Any]], Callable[[Any], Any] | None] = {
    UnicodeAttribute: None,
    NumberAttribute: _number_text,
    BooleanAttribute: bool,
    JSONAttribute: json.dumps,
    UnicodeSetAttribute: lambda values: list(values) or None,
}


class RowPlan:
    """Reads and writes the rows of one table."""

    def __init__(self, table: type[Model]) -> None:
        self._table = table
        self._plain: list[tuple[str, str, str, Callable[[Any], Any] | None, Attribute[Any]]] = []
        self._other: list[tuple[str, Attribute[Any]]] = []
        self._fixed: dict[str, Any] = {}
        self._made: list[tuple[str, Callable[[], Any]]] = []
        for name, attribute in table.get_attributes().items():
            if type(attribute) in READERS:
                reader = READERS[type(attribute)]
                self._plain.append((attribute.attr_name, name, attribute.attr_type, reader, attribute))
                if callable(attribute.default):
                    self._made.append((name, attribute.default))
                elif attribute.default is not None:
                    self._fixed[name] = attribute.default
            else:
                self._other.append((name, attribute))

    @property
    def can_write(self) -> bool:
        """Return whether the plan knows how to write all of the table's attributes."""
        return not self._other

    def write(self, item: Model, *, null_check: bool) -> dict[str, dict[str, Any]]:
        """Make a row from an item, if `can_write`. Raises AttributeNullError where a value is missing that must be there."""
        row: dict[str, dict[str, Any]] = {}
        for stored_name, name, kind, _, attribute in self._plain:
            value = item.attribute_values.get(name)
            if value is not None:
                writer = WRITERS[type(attribute)]
                value = value if writer is None else writer(value)
            if value is not None:
                row[stored_name] = {kind: value}
            elif null_check and not attribute.null:
                raise AttributeNullError(name)
        return row

    def read(self, row: Mapping[str, Mapping[str, Any]]) -> Any:
        """Make an item from a row. Raises pynamodb's errors for a value of another type."""
        values = dict(self._fixed)
        for name, make in self._made:
            values[name] = make()
        for stored_name, name, kind, reader, attribute in self._plain:
            value = row.get(stored_name)
            if value and "NULL" not in value:
                raw = value[kind] if kind in value else attribute.get_value(dict(value))  # which raises
                values[name] = raw if reader is None else reader(raw)
        item = self._table.__new__(self._table)
        item.attribute_values = values
        for name, attribute in self._other:
            default = attribute.default() if callable(attribute.default) else attribute.default
            if default is not None:
                setattr(item, name, default)
            value = row.get(attribute.attr_name)
            if value and "NULL" not in value:
                setattr(item, name, attribute.deserialize(attribute.get_value(dict(value))))
        return item
