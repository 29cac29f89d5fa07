"""A stopwatch around what Lambda calls: CPU, wall, what was asked of others, and what came back."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import requests
from chalice import Chalice

from chalicelib.aws import client
from tests.benchmarks.capacity_units import Units, metered
from tests.call_counter import counted_calls

NAMES = {"sqs": "SQS", "sesv2": "SES"}


@dataclass(frozen=True)
class Sample:
    """One call, measured; times in milliseconds."""

    cpu: float  # of this process alone: the local cloud and the fake PayPal are others
    wall: float
    dynamodb: Counter[str]  # calls by operation
    elsewhere: Counter[str]  # calls by whom they ask
    size: int  # bytes of the answer's body
    read: float  # units of DynamoDB
    write: float


class Stopwatch:
    """Measures every call of what it is put around, and keeps the last sample."""

    def __init__(self, dynamodb: Counter[str], units: Units, elsewhere: Counter[str]) -> None:
        self._dynamodb = dynamodb
        self._units = units
        self._elsewhere = elsewhere
        self.last: Sample | None = None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function and measure it."""
        self._dynamodb.clear()
        self._units.clear()
        self._elsewhere.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = function(*arguments)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        asked = Counter(self._dynamodb), Counter(self._elsewhere)
        units = self._units
        self.last = Sample(cpu * 1000, wall * 1000, *asked, _size(answer), units.read, units.write)
        return answer


class MeasuredApp:
    """A Chalice app as the gateway sees it, with a stopwatch around `app(event, context)`."""

    def __init__(self, app: Chalice, watch: Stopwatch) -> None:
        self._app = app
        self._watch = watch

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer an event, measured."""
        return self._watch.call(self._app, event, context)

    def __getattr__(self, name: str) -> Any:
        """Be the app in everything else."""
        return getattr(self._app, name)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Count every call that leaves the process meanwhile."""
    elsewhere: Counter[str] = Counter()
    send = requests.Session.send

    def sent_to_paypal(session: requests.Session, *arguments: Any, **options: Any) -> requests.Response:
        elsewhere["PayPal"] += 1
        return send(session, *arguments, **options)

    def sent_to_aws(event_name: str, **_: object) -> None:
        elsewhere[NAMES[event_name.split(".")[1]]] += 1

    for service in (client("sqs"), client("sesv2")):
        service.meta.events.register("before-call", sent_to_aws)
    # Nothing but the way to PayPal uses requests.
    with (
        mock.patch.object(requests.Session, "send", sent_to_paypal),
        counted_calls() as dynamodb,
        metered() as units,
    ):
        yield Stopwatch(dynamodb, units, elsewhere)


def _size(answer: Any) -> int:
    body = answer.get("body") if isinstance(answer, dict) else None
    return len((body or "").encode())
