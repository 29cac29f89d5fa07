"""Run a Chalice app's event functions like Lambda: behind queues, on schedules, and invoked asynchronously."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from chalice import Chalice
from chalice.app import ScheduledEventConfig, ScheduleExpression, SQSEventConfig
from chalice.local import LambdaContext

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
MEMORY_MB = 1024
# Short, so that stopping need not wait: an interrupted poll would hide its messages for minutes.
POLL_SECONDS = 1
AFTER_ERROR_SECONDS = 2.0
MAX_ROUNDS = 1000
AGAIN_SECONDS = 60  # after which Lambda retries a failed asynchronous invocation
# Functions that are invoked asynchronously on AWS, and the local queues that stand in for Lambda's own.
CALLED_LATER = {"run_staff_jobs": "background-jobs", "note_bounces": "ses-feedback"}

Event = dict[str, Any]


class Functions:
    """The event functions of one app."""

    def __init__(
        self, app: Chalice, sqs: "SQSClient", prefix: str = "", intervals: Mapping[str, float] | None = None
    ) -> None:
        """Find the functions.

        `prefix` begins the name of every queue; `intervals` replaces the schedules of the functions it names, in
        seconds.
        """
        sources = app.event_sources
        self._app = app
        self._intervals = dict(intervals or {})
        self._queues = [
            _Queue(source.name, app.handler_map[source.name], _named(source), _batch(source), sqs, prefix)
            for source in sources
            if isinstance(source, SQSEventConfig)
        ]
        self._queues += [
            _CalledLater(name, app.handler_map[name], queue, 1, sqs, prefix)
            for name, queue in CALLED_LATER.items()
            if name in {function.name for function in app.pure_lambda_functions}
        ]
        self._schedules = [source for source in sources if isinstance(source, ScheduledEventConfig)]
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def drain(self, queue: str, *, again: bool = False) -> int:
        """Run the function behind a queue until the queue is empty; return how many messages were handled.

        Failed messages stay hidden until their visibility timeout; `again` redelivers them immediately, until they
        succeed or are in the dead-letter queue.
        """
        for candidate in self._queues:
            if queue in (candidate.name, candidate.name.removeprefix(candidate.prefix)):
                return candidate.drain(again=again)
        raise LookupError(f"The app has no function for the queue {queue!r}.")

    def fire(self, name: str) -> Any:
        """Run one scheduled function now; return its result, or raise its exception."""
        if name not in [schedule.name for schedule in self._schedules]:
            raise LookupError(f"The app has no scheduled function called {name!r}.")
        return self._app.handler_map[name](scheduled_event(name), context(name))

    def start(self) -> None:
        """Poll the queues and follow the schedules, in threads."""
        turns = [queue.run_until for queue in self._queues]
        turns += [_Schedule(self, source, self._intervals).run_until for source in self._schedules]
        for turn in turns:
            thread = threading.Thread(target=turn, args=(self._ending,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float = 10) -> None:
        """Wait for running functions, for at most this long, and stop."""
        self._ending.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _named(source: SQSEventConfig) -> str:
    return source.queue or str(source.queue_arn).rsplit(":", 1)[-1]


def _batch(source: SQSEventConfig) -> int:
    return min(source.batch_size, 10)


class _Queue:
    """One queue and the function behind it."""

    def __init__(
        self, name: str, function: Callable[..., Any], queue: str, batch: int, sqs: "SQSClient", prefix: str
    ) -> None:
        self.name = queue if queue.startswith(prefix) else prefix + queue
        self.prefix = prefix
        self._function_name = name
        self._function = function
        self._batch = batch
        self._sqs = sqs
        self._address: str | None = None

    def run_until(self, ending: threading.Event) -> None:
        while not ending.is_set():
            try:
                self._round(POLL_SECONDS, again=False)
            except (BotoCoreError, ClientError) as error:
                log.warning("The queue %s could not be read: %s", self.name, error)
                ending.wait(AFTER_ERROR_SECONDS)

    def drain(self, *, again: bool) -> int:
        handled = 0
        for _ in range(MAX_ROUNDS):
            messages = self._round(0, again=again)
            if not messages:
                return handled
            handled += messages
        raise RuntimeError(f"The queue {self.name} did not become empty.")

    def _round(self, wait_seconds: int, *, again: bool) -> int:
        messages = self._sqs.receive_message(
            QueueUrl=self._url(),
            MaxNumberOfMessages=self._batch,
            WaitTimeSeconds=wait_seconds,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if messages:
            failed = self._invoke(messages)
            self._delete([message for message in messages if message["MessageId"] not in failed])
            if again:
                self._offer_again([message for message in messages if message["MessageId"] in failed])
        return len(messages)

    def _invoke(self, messages: "Sequence[MessageTypeDef]") -> set[str]:
        event = {"Records": [_record(message, self.name) for message in messages]}
        ids = {message["MessageId"] for message in messages}
        try:
            answer = self._call(event)
        except Exception:
            log.exception("%s failed; its messages will be redelivered.", self._function_name)
            return ids
        return failed_ids(answer, ids)

    def _call(self, event: Any) -> Any:
        return self._function(event, context(self._function_name))

    def _delete(self, messages: "Sequence[MessageTypeDef]") -> None:
        if messages:  # messages that are not deleted are redelivered, as on Lambda
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url(), Entries=entries)

    def _offer_again(self, messages: "Iterable[MessageTypeDef]", seconds: int = 0) -> None:
        for message in messages:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(), ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
            )

    def _url(self) -> str:
        if self._address is None:
            self._address = self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        return self._address


class _CalledLater(_Queue):
    """A function that is invoked asynchronously: it gets the message itself, and fails by raising."""

    def _invoke(self, messages: "Sequence[MessageTypeDef]") -> set[str]:
        failed = set()
        for message in messages:
            try:
                self._call(json.loads(message["Body"]))
            except Exception:
                log.exception("%s failed; it will be retried.", self._function_name)
                failed.add(message["MessageId"])
                self._offer_again([message], AGAIN_SECONDS)
        return failed


def failed_ids(answer: Any, ids: set[str]) -> set[str]:
    """Return the failed messages of a partial batch response; as on Lambda, an invalid response fails the whole batch."""
    if not answer:
        return set()
    try:
        failures = answer.get("batchItemFailures") or []
        failed = {failure["itemIdentifier"] for failure in failures}
    except (AttributeError, KeyError, TypeError):
        return ids
    return failed if failed <= ids else ids


class _Schedule:
    """A scheduled function and its schedule."""

    def __init__(
        self, functions: Functions, source: ScheduledEventConfig, intervals: Mapping[str, float]
    ) -> None:
        self._functions = functions
        self._name = source.name
        expression = source.schedule_expression
        text = expression.to_string() if isinstance(expression, ScheduleExpression) else expression
        self._seconds = intervals.get(self._name) or rate_seconds(text)
        self._cron = None if self._seconds else Cron(text)

    def run_until(self, ending: threading.Event) -> None:
        # First immediately: on AWS nothing was switched off meanwhile.
        pause = 0.0
        while not ending.wait(pause):
            try:
                self._functions.fire(self._name)
            except Exception:
                log.exception("%s failed; it will run again.", self._name)
            pause = self._pause()

    def _pause(self) -> float:
        if self._cron is None:
            return self._seconds
        now = datetime.now(UTC)
        return (self._cron.next_after(now) - now).total_seconds()


def rate_seconds(expression: str) -> float:
    """Return the seconds of `rate(5 minutes)`; 0 for any other expression."""
    words = expression.removeprefix("rate(").removesuffix(")").split()
    if not expression.startswith("rate(") or len(words) != 2:
        return 0
    units = {"minute": 60, "hour": 3600, "day": 86400}
    return int(words[0]) * units[words[1].removesuffix("s")]


class Cron:
    """EventBridge's `cron(minutes hours day-of-month month day-of-week year)`, in UTC, with numbers, `*`, `?`, `,`, `-` and `/`."""

    def __init__(self, expression: str) -> None:
        fields = expression.removeprefix("cron(").removesuffix(")").split()
        if not expression.startswith("cron(") or len(fields) != 6:
            raise ValueError(f"{expression!r} is neither rate(…) nor cron(…) with six fields.")
        ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199)]
        self._allowed = [_numbers(field, *limits) for field, limits in zip(fields, ranges, strict=True)]
        self._expression = expression

    def next_after(self, moment: datetime) -> datetime:
        """Return the first whole minute after a moment at which it runs."""
        minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for _ in range(366 * 24 * 60):
            if self._fires(minute):
                return minute
            minute += timedelta(minutes=1)
        raise ValueError(f"{self._expression} does not fire within a year.")

    def _fires(self, minute: datetime) -> bool:
        # EventBridge counts the days of the week from Sunday, 1.
        weekday = minute.isoweekday() % 7 + 1
        parts = (minute.minute, minute.hour, minute.day, minute.month, weekday, minute.year)
        return all(part in allowed for part, allowed in zip(parts, self._allowed, strict=True))


def _numbers(field: str, lowest: int, highest: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            start, end = lowest, highest
        else:
            start = int(first)
            end = int(last) if last else (highest if step else start)
        found.update(range(start, end + 1, int(step or 1)))
    return found


def scheduled_event(name: str) -> Event:
    """Return the event with which EventBridge invokes a scheduled function."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:000000000000:rule/{name}"],
        "detail": {},
    }


def context(name: str) -> LambdaContext:
    """Return the context of one invocation."""
    return LambdaContext(name, MEMORY_MB, TIMEOUT_SECONDS * 1000)


def _record(message: "MessageTypeDef", queue: str) -> Event:
    attributes = {
        name: {_lower_first(key): value for key, value in attribute.items()}
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        "awsRegion": "us-east-1",
    }


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]
