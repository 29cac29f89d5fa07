"""What the shop tells of itself: log lines with the ids they are about, and metrics in CloudWatch's embedded format.

Lambda gives a process one event at a time, so what is counted is kept in the process until the event has ended; then
one line tells it all. On one's own machine logs stay lines for people, and what was counted is let go. Metrics are for
watching: where an answer of DynamoDB is lost, they count one too few. The books count money.
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
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from chalicelib.config import settings

NAMESPACE = "Awning"
DEFAULT_SHOP_DIMENSION = "awning"  # a shop whose tables have no prefix: a dimension may not be empty
log = logging.getLogger("awning")
events_log = logging.getLogger("awning.events")  # what happens as it should
_ID = re.compile(r"[A-Za-z0-9_.:/{}+$-]{1,120}", re.ASCII)  # nothing that anybody wrote as a sentence


class Metric(StrEnum):
    """What is counted, under the names that alarms and the dashboard know."""

    ORDERS_PLACED = "OrdersPlaced"
    ORDERS_PAID = "OrdersPaid"
    PAYMENTS_DECLINED = "PaymentsDeclined"
    PAYMENT_ERRORS = "PaymentErrors"  # PayPal could not be reached, or not be understood
    PAYPAL_REFUSALS = "PayPalRefusals"  # definite noes that somebody other than the shopper must act on
    HELD_SHARE = "HeldShare"  # percent of a SKU that unpaid orders hold, each round that finds some
    ORDERS_EXPIRED = "OrdersExpired"
    MONEY_SETTLED = "MoneySettled"  # minor units, by currency; what went back is negative
    NOTIFICATIONS_PUT_OFF = "NotificationsPutOff"  # answered with 503: PayPal sends them again
    NOTIFICATIONS_MISSING = (
        "NotificationsMissing"  # hours in which orders were paid, and PayPal told of nothing
    )
    MAILS_SENT = "MailsSent"
    MAILS_BOUNCED = "MailsBounced"
    RECONCILER_FOUND = "ReconcilerFound"  # payments of which no notification and no return had told
    RECONCILER_UNEXPLAINED = "ReconcilerUnexplained"  # money that pays no order, whoever came upon it
    DAYS_WITHOUT_BOOKS = "DaysWithoutBooks"
    DEAD_LETTERS = "DeadLetters"  # messages that failed so often that they rest
    TOOK_LONG = "TookLong"  # events that used up nearly all the time of their function
    BUSY = "Busy"  # changes that were given up, since others wanted the same rows
    NEEDS_SOMEBODY = "NeedsSomebody"  # whatever is to be looked at as soon as it occurs
    STRUGGLES = "Struggles"  # whatever is to be looked at where it occurs again and again
    COLD_STARTS = "ColdStarts"
    DYNAMODB_CALLS = "DynamoDBCalls"


# An alarm costs ten cents a month, and a metric thirty in each month in which it occurs all day: two alarms watch what
# needs no threshold of its own, and the line of the log says which it was.
ALERT_IMMEDIATELY = {
    Metric.RECONCILER_UNEXPLAINED,
    Metric.PAYPAL_REFUSALS,
    Metric.NOTIFICATIONS_MISSING,
    Metric.DAYS_WITHOUT_BOOKS,
    Metric.DEAD_LETTERS,
}
ALERT_WHEN_REPEATED = {Metric.PAYMENT_ERRORS, Metric.TOOK_LONG, Metric.BUSY}
# Occur in every idle hour; they are told in the line, and are no metrics.
LOGGED_METRICS = {Metric.COLD_STARTS, Metric.DYNAMODB_CALLS}
NEAR_TIMEOUT_RATIO = 0.85  # of the time that a function has


_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))
# A process's first event tells that there is one process more.
_counted: Counter[Metric] = Counter({Metric.COLD_STARTS: 1})
_settled: Counter[str] = Counter()
_counting = threading.Lock()  # a page of the staff's reads in several threads


# -- counting -----------------------------------------------------------------------------------------------


def count(metric: Metric, number: int = 1) -> None:
    """Count something that has taken effect."""
    with _counting:
        _counted[metric] += number


def count_money(amount: int, currency: str) -> None:
    """Count money that was booked, in minor units; what went back is negative."""
    with _counting:
        _settled[currency] += amount


@contextmanager
def also_count(metric: Metric, found_as: Metric) -> Iterator[None]:
    """Count as `found_as`, too, whatever is counted as `metric` meanwhile."""
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
    """Put these ids into every line that is logged meanwhile. What does not look like an id is left out."""
    token = _ids.set(_ids.get())
    try:
        add_log_context(**ids)
        yield
    finally:
        _ids.reset(token)


def add_log_context(**ids: str) -> None:
    """Put these ids into every line from here on, until the innermost `about` ends.

    An order goes by its number; its own ID and that of PayPal's order open the customer's page.
    """
    known = {name: value for name, value in ids.items() if isinstance(value, str) and _ID.fullmatch(value)}
    _ids.set({**_ids.get(), **known})


# -- one event ----------------------------------------------------------------------------------------------


def middleware(event: Any, answer: Callable[[Any], Any]) -> Any:
    """Put the ids of one event, a request or a queue's, into each log line, and emit its metrics when it has ended."""
    began, left = time.monotonic(), _milliseconds_left(event)
    names = _names(event)
    properties: dict[str, Any] = dict(names)
    _ids.set({})  # nothing of the event before
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
    """Emit what was counted, with the properties of the event. Never raises: metrics break nothing."""
    with _counting:
        counted, settled = dict(_counted), dict(_settled)
        _counted.clear()
        _settled.clear()
    if not settings.function:
        return
    for sort, among in ((Metric.NEEDS_SOMEBODY, ALERT_IMMEDIATELY), (Metric.STRUGGLES, ALERT_WHEN_REPEATED)):
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
    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions={"shop": shop, **by})
    for metric, number in counted.items():
        if metric not in LOGGED_METRICS:
            line.add_metric(metric, _unit(metric), number)
    for name, value in more.items():
        line.add_metadata(name, value)
    line.flush_metrics()


def _unit(metric: Metric) -> MetricUnit:
    units = {Metric.MONEY_SETTLED: MetricUnit.NoUnit, Metric.HELD_SHARE: MetricUnit.Percent}
    return units.get(metric, MetricUnit.Count)


def _milliseconds_left(event: Any) -> int:
    """Return how many milliseconds a function has for an event."""
    context = getattr(event, "lambda_context", None) or event.context
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return int(ask()) if ask else 0


def _names(event: Any) -> dict[str, str]:
    """Name Lambda's function and request; of a request also its route, which holds no ids, and what API Gateway calls it."""
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
        )  # as its own page for a bug tells a customer
    return names


# -- logs ---------------------------------------------------------------------------------------------------


def configure_logging() -> None:
    """Let the shop's loggers say what operating relies on: on Lambda as lines of JSON, else as they are."""
    log.setLevel(logging.INFO)
    if settings.function:
        _log_json()
    else:
        events_log.setLevel(logging.WARNING)  # each order's page tells it, and a demo shop has dozens


def _log_json() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter())
    handler.addFilter(add_ids)
    logging.getLogger().handlers[:] = [handler]  # Lambda's own would write each line once more
    logging.getLogger().setLevel(logging.WARNING)


def formatter() -> logging.Formatter:
    """Make what writes a record as one line of JSON, with the moment as Lambda's own lines have it."""
    return LambdaPowertoolsFormatter(
        use_rfc3339=True,
        utc=True,
        serialize_stacktrace=False,  # the traceback is in `exception`
        log_record_order=["timestamp", "level", "message"],
        location="%(module)s.%(funcName)s:%(lineno)d",
    )


def add_ids(record: logging.LogRecord) -> bool:
    """Add to a record what the event is about, without hiding what the line itself says."""
    for name, value in _ids.get().items():
        record.__dict__.setdefault(name, value)
    return True
