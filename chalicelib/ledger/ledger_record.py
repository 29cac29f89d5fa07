"""A movement of the ledger as books and totals need it: read from DynamoDB's plain attribute values."""

import json
from collections.abc import Iterator
from typing import Any

from pynamodb.expressions.condition import Condition

from chalicelib.database.reads import Item
from chalicelib.database.streams import query_pages
from chalicelib.ledger.models import LedgerEntry, SoldLine


class LedgerRecord:
    """Money that moved, with the fields of `LedgerEntry`; amounts in minor units."""

    __slots__ = (
        "_order_lines",
        "_taxes",
        "amount",
        "booked_at",
        "currency",
        "entry",
        "fee",
        "kind",
        "order_id",
        "order_number",
        "paypal_at",
        "paypal_id",
    )

    def __init__(self, item: Item) -> None:
        self.entry: str = item["entry"]["S"]
        self.kind: str = item["kind"]["S"]
        self.booked_at: str = item["booked_at"]["S"]
        self.paypal_at: str = item["paypal_at"]["S"]
        self.order_id: str = item["order_id"]["S"]
        self.order_number: str = item["order_number"]["S"]
        self.amount = int(item["amount"]["N"])
        fee = item.get("fee")
        self.fee = int(fee["N"]) if fee and "N" in fee else None
        self.currency: str = item["currency"]["S"]
        self.paypal_id: str = item["paypal_id"]["S"]
        self._order_lines = item["order_lines"]["S"]
        self._taxes = item.get("taxes", {}).get("S")

    @property
    def order_lines(self) -> list[SoldLine]:
        """What the money paid for; empty if it paid no order."""
        return [tuple(line) for line in json.loads(self._order_lines)]

    @property
    def taxes(self) -> dict[str, Any] | None:
        """Its taxes, as `LedgerEntry.taxes`; None if the money paid no order, or one from before there were schemes."""
        taxes: dict[str, Any] | None = json.loads(self._taxes) if self._taxes else None
        return taxes


def ledger_pages(
    partition: str, condition: Condition | None = None, *, page_size: int
) -> Iterator[list[LedgerRecord]]:
    """Read a partition of the ledger consistently and in order of time: one Query per page of records."""
    pages = query_pages(LedgerEntry, partition, condition, page_size=page_size, consistent=True)
    return (list(map(LedgerRecord, items)) for items in pages)
