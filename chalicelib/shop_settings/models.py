"""The table of the settings: a row per part and version, and each part's current version once more, under one key."""

from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.database.connection import Table, TableMeta, table_name

CURRENT = 0  # the range key of a copy of the newest version, so that one read by key finds it


class SettingsVersion(Table):
    """A version of a part of the settings. Versions are written once; only the copy of the newest is replaced."""

    class Meta(TableMeta):
        table_name = table_name("settings")

    part = UnicodeAttribute(hash_key=True)  # delivery
    version = NumberAttribute(range_key=True)  # 1, 2, … or CURRENT
    number = NumberAttribute()  # which version it is, also of the copy
    format = NumberAttribute()  # of the document
    document = UnicodeAttribute()  # JSON
    saved_at = UnicodeAttribute()
    saved_by = UnicodeAttribute()  # an email address
    restored_from = NumberAttribute(null=True)  # the version that this one restores

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Read a row. One with values of other types has its key alone: no page fails for it."""
        try:
            return super().from_raw_data(data)
        except (TypeError, ValueError):
            return super().from_raw_data({name: data[name] for name in ("part", "version")})
