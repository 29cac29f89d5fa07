"""Log and count what changed in an order, after the change was written."""

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib import telemetry
from chalicelib.orders.base import OrderBase
from chalicelib.orders.enums import HistoryEvent, IssueKind
from chalicelib.orders.issues import EMAIL_ISSUES
from chalicelib.telemetry import Metric

EVENT_METRICS: Mapping[str, Metric] = {
    HistoryEvent.PLACED: Metric.ORDERS_PLACED,
    HistoryEvent.PAID: Metric.ORDERS_PAID,
    HistoryEvent.PAYMENT_DECLINED: Metric.PAYMENTS_DECLINED,
    HistoryEvent.EXPIRED: Metric.ORDERS_EXPIRED,
}
UNMATCHED_PAYMENTS = (
    IssueKind.DUPLICATE_CAPTURE,
    IssueKind.CAPTURED_AFTER_CLOSE,
    IssueKind.AMOUNT_MISMATCH,
    IssueKind.ORDER_MISMATCH,
    IssueKind.PAYEE_MISMATCH,
)
ISSUE_METRICS: Mapping[str, Metric] = {
    **dict.fromkeys(UNMATCHED_PAYMENTS, Metric.UNMATCHED_PAYMENTS),
    **dict.fromkeys(EMAIL_ISSUES, Metric.EMAILS_BOUNCED),
    **dict.fromkeys(
        (IssueKind.REFUND_REJECTED, IssueKind.RETURN_REJECTED, IssueKind.REFUND_FAILED),
        Metric.PAYPAL_REFUSALS,
    ),
}
# Events whose details are written by the shop; text written by people is not logged.
LOGGABLE_DETAILS = {
    HistoryEvent.ISSUE_OPENED,
    HistoryEvent.ISSUE_RESOLVED,
    HistoryEvent.EXPIRED,
    HistoryEvent.CANCELLED,
}


class EmittedSoFar(NamedTuple):
    """How much of an order was logged and counted: events of its history, ledger entries."""

    events: int = 0
    movements: int = 0


def emitted_so_far(order: OrderBase) -> EmittedSoFar:
    """Return, before an order is changed, what need not be logged afterwards."""
    return EmittedSoFar(len(order.history), len(order.ledger_entries or []))


def emit_events(order: OrderBase, known: EmittedSoFar) -> None:
    """Log and count what is new in an order. Call it only once its transaction is known to have taken effect."""
    news = order.history[known.events :]
    if news:
        message = ", ".join(_log_text(entry) for entry in news)
        telemetry.events_log.info("order %s: %s", order.number, message, extra={"order": order.number})
    for metric in filter(None, map(_metric_of, news)):
        telemetry.count(metric)
    for movement in (order.ledger_entries or [])[known.movements :]:
        telemetry.count_money(int(movement["amount"]), movement["currency"])


def _metric_of(entry: Mapping[str, str]) -> Metric | None:
    return (
        ISSUE_METRICS.get(entry["detail"])
        if entry["event"] == HistoryEvent.ISSUE_OPENED
        else EVENT_METRICS.get(entry["event"])
    )


def _log_text(entry: Mapping[str, str]) -> str:
    event, detail = entry["event"], entry["detail"]
    if HistoryEvent(event).is_about_email:
        return f"{event} ({detail.partition('#')[0]})"  # what follows may be an ID that opens the customer's page
    return f"{event} ({detail})" if event in LOGGABLE_DETAILS and detail else event
