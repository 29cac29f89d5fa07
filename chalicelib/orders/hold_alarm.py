"""How much of a SKU unpaid orders hold, told for the alarm by each round of the reconciler.

A round tells it whether or not somebody orders just then; one in which nothing is held tells nothing, and costs nothing.
"""

import logging
from collections import Counter

from chalicelib import telemetry
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import batch_get
from chalicelib.orders.holds import held_share
from chalicelib.orders.search import order_list
from chalicelib.telemetry import Metric

MAX_SKUS = 400  # four BatchGetItems; of more, those that the most pieces are held of
log = logging.getLogger("awning")


def watch_holds() -> None:
    """Count the largest share of a SKU that unpaid orders hold. Never raises."""
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
