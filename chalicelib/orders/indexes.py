"""The indexes over orders: keys only, spread over shards, so that no list is a Scan and no partition takes it all."""

import zlib
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

SHARDS = 4


class AttentionIndex(GlobalSecondaryIndex[Any]):
    """Orders with something due, by due time. Sparse: what needs nothing is not in it."""

    class Meta:
        index_name = "attention"
        projection = KeysOnlyProjection()

    attention = UnicodeAttribute(hash_key=True)
    due = NumberAttribute(range_key=True)


class PlacedIndex(GlobalSecondaryIndex[Any]):
    """All orders by the moment they were placed."""

    class Meta:
        index_name = "placed"
        projection = KeysOnlyProjection()

    shard = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


class StateIndex(GlobalSecondaryIndex[Any]):
    """The orders of a state by the moment they were placed."""

    class Meta:
        index_name = "by_state"
        projection = KeysOnlyProjection()

    state_shard = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


class RaisedIndex(GlobalSecondaryIndex[Any]):
    """Orders that staff must look at: an open issue, or mail that is late. Sparse."""

    class Meta:
        index_name = "raised"
        projection = KeysOnlyProjection()

    raised = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


def shard_of(order_id: str) -> str:
    """Tell which shard of every index an order is in."""
    return str(zlib.crc32(order_id.encode()) % SHARDS)
