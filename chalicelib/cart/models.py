"""The session row: a visitor's cart, and small values that features store for the visitor."""

from collections.abc import Mapping
from typing import Any

from pynamodb.attributes import JSONAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path

from chalicelib import clock
from chalicelib.catalog.models import MAX_QUANTITY_PER_LINE
from chalicelib.database.connection import Table, TableMeta, table_name

MAX_LINES = 50

__all__ = ["MAX_LINES", "MAX_QUANTITY_PER_LINE", "Cart"]


class LinePath(Path):
    """The path of a line in its row. pynamodb's own paths would read the SKU “A[1]” as a list index."""

    def _serialize_value(self, value: list[str], placeholder_names: dict[str, str], _: object) -> str:
        return ".".join(placeholder_names.setdefault(name, f"#{len(placeholder_names)}") for name in value)


class Cart(Table):
    """One visitor's row.

    The key is the SHA-256 of the cookie's session ID, so that reading the table gives access to no session.
    """

    class Meta(TableMeta):
        table_name = table_name("carts")

    TTL = "expires"

    key = UnicodeAttribute(hash_key=True)
    # {sku: {quantity, price last shown, slug of its product, write_id of its last write}}
    lines: MapAttribute[str, Mapping[str, Any]] = MapAttribute()
    data: MapAttribute[str, str] = MapAttribute()  # {name: JSON}
    version = NumberAttribute(default=1)
    order_id = UnicodeAttribute(null=True)  # the order placed from this cart
    order_fingerprint = UnicodeAttribute(null=True)  # of what was placed: lines, customer, total
    reserved: JSONAttribute = JSONAttribute(null=True)  # {sku: units} reserved for the placed order
    reserved_until = NumberAttribute(default=0)
    expires = NumberAttribute()

    @classmethod
    def line(cls, sku: str, *inside: str) -> Path:
        """Return the path of a line, or of something inside it, for an update."""
        return LinePath([cls.lines.attr_name, sku, *inside])

    def reserved_quantity(self, sku: str) -> int:
        """Return how many units of a SKU are reserved for this cart's own order: others cannot buy them, this visitor can."""
        if not self.reserved or self.reserved_until <= clock.timestamp():
            return 0
        return int(self.reserved.get(sku, 0))
