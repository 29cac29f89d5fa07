"""What the shop reports: log lines with the IDs they concern, and metrics in CloudWatch's embedded format.

Lambda gives a process one event at a time, so counts are kept in the process until the event has ended; then
one line reports them. Locally, log lines are for people, and counts are discarded. Metrics are for monitoring:
if an answer of DynamoDB is lost, they count one too few. Money is counted by the books.
"""

import json
import logging
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

from chalicelib.config import settings

NAMESPACE = "Awning"
DEFAULT_SHOP_DIMENSION = "awning"  # a shop whose tables have no prefix: a dimension may not be empty
log = logging.getLogger("awning")
events_log = logging.getLogger("awning.events")  # normal events
_ID = re.compile(r"[A-Za-z0-9_.:/{}+$-]{1,120}", re.ASCII)  # no free text


class Metric(StrEnum):
    """The names of the metrics, as alarms and the dashboard use them."""

    ORDERS_PLACED = "OrdersPlaced"
    ORDERS_PAID = "OrdersPaid"
    PAYMENTS_DECLINED = "PaymentsDeclined"
    PAYMENT_ERRORS = "PaymentErrors"  # PayPal could not be reached, or its answer not be parsed
    PAYPAL_REFUSALS = "PayPalRefusals"  # definite refusals on which someone other than the shopper must act
    HELD_SHARE = "HeldShare"  # percent of a SKU that unpaid orders hold, in each run that finds some
    ORDERS_EXPIRED = "OrdersExpired"
    MONEY_SETTLED = "MoneySettled"  # minor units, by currency; refunds and reversals are negative
    NOTIFICATIONS_POSTPONED = "NotificationsPostponed"  # answered with 503, so that PayPal sends them again
    # Hours in which orders were paid, but PayPal sent no notification.
    NOTIFICATIONS_MISSING = "NotificationsMissing"
    EMAILS_SENT = "EmailsSent"
    EMAILS_BOUNCED = "EmailsBounced"
    # Payments found without a notification and without the shopper's return.
    RECONCILER_FOUND = "ReconcilerFound"
    # Money that does not pay its order, however it was found.
    UNMATCHED_PAYMENTS = "UnmatchedPayments"
    DAYS_WITHOUT_BOOKS = "DaysWithoutBooks"
    DEAD_LETTERS = "DeadLetters"  # messages in dead-letter queues
    SETTINGS_UNREADABLE = "SettingsUnreadable"  # reads that found an unreadable version, and used another
    TOOK_LONG = "TookLong"  # events that used nearly all of their function's time
    BUSY = "Busy"  # changes that were given up because other requests wanted the same rows
    NEEDS_ATTENTION = "NeedsAttention"  # what needs attention as soon as it occurs
    DEGRADED = "Degraded"  # what needs attention if it occurs repeatedly
    COLD_STARTS = "ColdStarts"
    DYNAMODB_CALLS = "DynamoDBCalls"


# An alarm costs ten cents a month, and a metric thirty cents in a month in which it always occurs. So two
# alarms watch everything that needs no threshold of its own, and the log line says what it was.
ALERT_IMMEDIATELY = {
    Metric.UNMATCHED_PAYMENTS,
    Metric.PAYPAL_REFUSALS,
    Metric.NOTIFICATIONS_MISSING,
    Metric.DAYS_WITHOUT_BOOKS,
    Metric.DEAD_LETTERS,
    Metric.SETTINGS_UNREADABLE,
}
ALERT_WHEN_REPEATED = {Metric.PAYMENT_ERRORS, Metric.TOOK_LONG, Metric.BUSY}
# These occur in every idle hour; they are in the log line, but are no metrics.
LOGGED_METRICS = {Metric.COLD_STARTS, Metric.DYNAMODB_CALLS}
NEAR_TIMEOUT_RATIO = 0.85  # of a function's time


_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))
# A process's first event counts its cold start.
_counted: Counter[Metric] = Counter({Metric.COLD_STARTS: 1})
_settled: Counter[str] = Counter()
_counting = threading.Lock()  # a staff page reads in several threads


# -- counting -----------------------------------------------------------------------------------------------


def count(metric: Metric, number: int = 1) -> None:
    """Count something that has taken effect."""
    with _counting:
        _counted[metric] += number


def count_money(amount: int, currency: str) -> None:
    """Count money that was booked, in minor units; refunds and reversals are negative."""
    with _counting:
        _settled[currency] += amount


@contextmanager
def also_count(metric: Metric, found_as: Metric) -> Iterator[None]:
    """Count as `found_as`, too, whatever is counted as `metric` inside."""
    before = _counted[metric]
    try:
        yield
    finally:
        found = _counted[metric] - before
        if found > 0:
            count(found_as, found)


# -- what a line is about -----------------------------------------------------------------------------------


@contextmanager
def log_context(**ids: str) -> Iterator[None]:
    """Add these IDs to every log line inside. A value that does not look like an ID is left out."""
    token = _ids.set(_ids.get())
    try:
        add_log_context(**ids)
        yield
    finally:
        _ids.reset(token)


def add_log_context(**ids: str) -> None:
    """Add these IDs to every log line until the innermost `log_context` ends.

    An order is named by its number: its own ID and that of its PayPal order open the customer's page.
    """
    known = {name: value for name, value in ids.items() if isinstance(value, str) and _ID.fullmatch(value)}
    _ids.set({**_ids.get(), **known})


# -- one event ----------------------------------------------------------------------------------------------


def middleware(event: Any, answer: Callable[[Any], Any]) -> Any:
    """Add the IDs of an event, a request or a queue's, to each log line, and emit its metrics when it has ended."""
    began, left = time.monotonic(), _milliseconds_left(event)
    names = _names(event)
    properties: dict[str, Any] = dict(names)
    _ids.set({})  # no IDs of the event before
    try:
        with log_context(**names):
            answered = answer(event)
        if (status := getattr(answered, "status_code", None)) is not None:
            properties["status"] = status
        return answered
    finally:
        properties["milliseconds"] = round((time.monotonic() - began) * 1000)
        if left and properties["milliseconds"] > left * NEAR_TIMEOUT_RATIO:
            count(Metric.TOOK_LONG)
        flush(properties)


def flush(properties: Mapping[str, Any]) -> None:
    """Emit the counts, with the properties of the event. Never raises: metrics must not break anything."""
    with _counting:
        counted, settled = dict(_counted), dict(_settled)
        _counted.clear()
        _settled.clear()
    if not settings.function:
        return
    for sort, among in ((Metric.NEEDS_ATTENTION, ALERT_IMMEDIATELY), (Metric.DEGRADED, ALERT_WHEN_REPEATED)):
        if number := sum(counted.get(metric, 0) for metric in among):
            counted[sort] = number
    try:
        if counted:
            _emit(counted, {}, properties)
        for currency, amount in settled.items():
            _emit({Metric.MONEY_SETTLED: amount}, {"currency": currency}, properties)
    except Exception:
        log.exception("metrics could not be emitted")


def _emit(counted: Mapping[Metric, int], by: Mapping[str, str], properties: Mapping[str, Any]) -> None:
    shop = settings.table_prefix.rstrip("-") or DEFAULT_SHOP_DIMENSION
    more: dict[str, Any] = {name: counted[name] for name in LOGGED_METRICS if name in counted}
    more |= properties
    if not counted.keys() - LOGGED_METRICS:
        sys.stdout.write(json.dumps({"shop": shop, **more}) + "\n")
        sys.stdout.flush()
        return
    # Imported here, as the formatter is: the first page of a process has neither metrics nor lines to write.
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions={"shop": shop, **by})
    for metric, number in counted.items():
        if metric not in LOGGED_METRICS:
            line.add_metric(metric, _unit(metric), number)
    for name, value in more.items():
        line.add_metadata(name, value)
    line.flush_metrics()


def _unit(metric: Metric) -> str:
    return {Metric.MONEY_SETTLED: "None", Metric.HELD_SHARE: "Percent"}.get(metric, "Count")


def _milliseconds_left(event: Any) -> int:
    """Return how many milliseconds a function has for an event."""
    context = getattr(event, "lambda_context", None) or event.context
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return int(ask()) if ask else 0


def _names(event: Any) -> dict[str, str]:
    """Return the names of Lambda's function and request; of a page also its route, without IDs, and API Gateway's ID."""
    request = getattr(event, "lambda_context", None)
    context = request or event.context
    names = {
        "function": getattr(context, "function_name", ""),
        "request_id": getattr(context, "aws_request_id", ""),
    }
    if request is not None:
        names["route"] = event.context.get("resourcePath", "")
        names["method"] = event.method
        names["api_request_id"] = event.context.get(
            "requestId", ""
        )  # the ID that the error page shows to a customer
    return names


# -- logs ---------------------------------------------------------------------------------------------------


def configure_logging() -> None:
    """Configure the shop's loggers: as lines of JSON on Lambda, else as plain text."""
    log.setLevel(logging.INFO)
    if settings.function:
        _log_json()
    else:
        events_log.setLevel(logging.WARNING)  # each order's page shows them, and a demo shop has dozens


def _log_json() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LateFormatter())
    handler.addFilter(add_ids)
    logging.getLogger().handlers[:] = [handler]  # Lambda's own handler would write each line twice
    logging.getLogger().setLevel(logging.WARNING)


class _LateFormatter(logging.Formatter):
    """Makes its formatter for the first line: most processes' first page has none."""

    def format(self, record: logging.LogRecord) -> str:
        return formatter().format(record)


@cache
def formatter() -> logging.Formatter:
    """Return a formatter that writes a record as one line of JSON, with the time in the format of Lambda's own lines."""
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

    return LambdaPowertoolsFormatter(
        use_rfc3339=True,
        utc=True,
        serialize_stacktrace=False,  # the traceback is in `exception`
        log_record_order=["timestamp", "level", "message"],
        location="%(module)s.%(funcName)s:%(lineno)d",
    )


def add_ids(record: logging.LogRecord) -> bool:
    """Add to a record the IDs that the event is about, without overwriting the record's own."""
    for name, value in _ids.get().items():
        record.__dict__.setdefault(name, value)
    return True
