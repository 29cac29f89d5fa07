"""Report the share of a SKU that unpaid orders hold, in each run of the reconciler, for the alarm.

A run reports it even if nobody orders just then. If nothing is held, it reports nothing, which costs nothing.
"""

import logging
from collections import Counter

from chalicelib import telemetry
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import batch_get
from chalicelib.orders.holds import held_share
from chalicelib.orders.search import order_list
from chalicelib.telemetry import Metric

MAX_SKUS = 400  # four BatchGetItem calls; of more SKUs, those with the most held units
log = logging.getLogger("awning")


def watch_holds() -> None:
    """Record the largest share of a SKU that unpaid orders hold. Never raises."""
    try:
        held: Counter[str] = Counter()
        for order in order_list.held_orders().orders:
            for line in order.lines:
                held[line.sku] += line.quantity
        skus = [sku for sku, _ in held.most_common(MAX_SKUS)]
        stocks = batch_get({Stock: skus}, consistent=False)[Stock]
        share = max(map(held_share, stocks.values()), default=0)
        if share:
            telemetry.count(Metric.HELD_SHARE, share)
    except Exception:
        log.exception("stock reserved by unpaid orders could not be measured")
