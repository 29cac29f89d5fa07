"""Tell of an order's change once it is written: a line in the log, and what watchers count."""

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib import telemetry
from chalicelib.orders.base import OrderRow
from chalicelib.orders.issues import UNDELIVERED
from chalicelib.telemetry import Metric

EVENTS = {
    "placed": Metric.ORDERS_PLACED,
    "paid": Metric.ORDERS_PAID,
    "declined": Metric.PAYMENTS_DECLINED,
    "expired": Metric.ORDERS_EXPIRED,
}
PAYS_NOTHING = "second capture", "captured after closing", "wrong amount", "wrong order", "wrong payee"
ISSUES = {
    **dict.fromkeys(PAYS_NOTHING, Metric.RECONCILER_UNEXPLAINED),
    **dict.fromkeys(UNDELIVERED, Metric.MAILS_BOUNCED),
    **dict.fromkeys(("refund refused", "return refused", "refund failed"), Metric.PAYPAL_REFUSALS),
}
# Events whose details are words of the shop's own; what others wrote stays out of logs.
PLAIN = {"issue", "looked at", "expired", "cancelled"}


class Known(NamedTuple):
    """How much of an order was told: events of its history, movements of money."""

    events: int = 0
    movements: int = 0


def known_of(order: OrderRow) -> Known:
    """Remember, before an order is changed, what need not be told afterwards."""
    return Known(len(order.history), len(order.movements or []))


def tell(order: OrderRow, known: Known) -> None:
    """Tell what is new in an order. Called where its transaction is known to have taken effect, and then only."""
    news = order.history[known.events :]
    if news:
        words = ", ".join(_words_of(entry) for entry in news)
        telemetry.events_log.info("order %s: %s", order.number, words, extra={"order": order.number})
    for metric in filter(None, map(_metric_of, news)):
        telemetry.count(metric)
    for movement in (order.movements or [])[known.movements :]:
        telemetry.count_money(int(movement["amount"]), movement["currency"])


def _metric_of(entry: Mapping[str, str]) -> Metric | None:
    return ISSUES.get(entry["detail"]) if entry["event"] == "issue" else EVENTS.get(entry["event"])


def _words_of(entry: Mapping[str, str]) -> str:
    event, detail = entry["event"], entry["detail"]
    if event.startswith("mail "):
        return (
            f"{event} ({detail.partition('#')[0]})"  # after it may stand an id that opens the customer's page
        )
    return f"{event} ({detail})" if event in PLAIN and detail else event
