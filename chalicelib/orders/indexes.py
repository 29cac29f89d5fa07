"""The indexes over orders: keys only, spread over shards, so that no list is a Scan and no partition takes every write."""

import zlib
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

SHARDS = 4


class DueIndex(GlobalSecondaryIndex[Any]):
    """Orders with something due, by due time. Sparse: an order with nothing due is not in it."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class PlacedIndex(GlobalSecondaryIndex[Any]):
    """All orders by the moment they were placed."""

    class Meta:
        index_name = "by-placed"
        projection = KeysOnlyProjection()

    shard = UnicodeAttribute(hash_key=True)
    placed_key = UnicodeAttribute(range_key=True)


class StateIndex(GlobalSecondaryIndex[Any]):
    """The orders of a state by the moment they were placed."""

    class Meta:
        index_name = "by-state"
        projection = KeysOnlyProjection()

    state_shard = UnicodeAttribute(hash_key=True)
    placed_key = UnicodeAttribute(range_key=True)


class OpenIssuesIndex(GlobalSecondaryIndex[Any]):
    """Orders that staff must look at: an open issue or a delayed email. Sparse."""

    class Meta:
        index_name = "open-issues"
        projection = KeysOnlyProjection()

    open_issues_shard = UnicodeAttribute(hash_key=True)
    placed_key = UnicodeAttribute(range_key=True)


def shard_of(order_id: str) -> str:
    """Return the shard of an order in every index."""
    return str(zlib.crc32(order_id.encode()) % SHARDS)
