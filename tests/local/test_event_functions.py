"""Event functions run behind their queues and on their schedules, as on Lambda."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from chalice import Chalice, Rate
from chalice.app import CloudWatchEvent, SQSEvent

from infra.local.create_resources import TRIES, make_queues
from infra.local.event_functions import Cron, Functions, failed_ids, rate_seconds
from infra.local.local_cloud import LocalCloud
from tests.local.wait_until import eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PREFIX = "test-"
QUEUE = "order-emails"
PATIENCE = 10

Handler = Callable[[list[str]], Any]


@pytest.fixture
def sqs(local_cloud: LocalCloud) -> "SQSClient":
    client = boto3.client("sqs")
    make_queues(client, PREFIX)
    return client


def app_with(handle: Handler) -> Chalice:
    app = Chalice(app_name="test", configure_logs=False)

    @app.on_sqs_message(queue=QUEUE, batch_size=10)
    def send_mail(event: SQSEvent) -> Any:
        return handle([record.body for record in event])

    return app


def send(sqs: "SQSClient", *bodies: str) -> None:
    url = sqs.get_queue_url(QueueName=PREFIX + QUEUE)["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def waiting(sqs: "SQSClient", name: str) -> dict[str, int]:
    url = sqs.get_queue_url(QueueName=PREFIX + name)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {
        "visible": int(answer["ApproximateNumberOfMessages"]),
        "hidden": int(answer["ApproximateNumberOfMessagesNotVisible"]),
    }


def test_a_drained_queue_has_handed_every_message_to_its_function_once(sqs: "SQSClient") -> None:
    seen: list[str] = []
    send(sqs, *(str(number) for number in range(25)))

    assert Functions(app_with(seen.extend), sqs, PREFIX).drain(QUEUE) == 25

    assert sorted(seen, key=int) == [str(number) for number in range(25)]
    assert waiting(sqs, QUEUE) == {"visible": 0, "hidden": 0}


def test_records_have_the_shape_of_lambda(sqs: "SQSClient") -> None:
    events: list[dict[str, Any]] = []
    app = Chalice(app_name="test", configure_logs=False)

    @app.on_sqs_message(queue=QUEUE)
    def keep(event: SQSEvent) -> None:
        assert event.context.get_remaining_time_in_millis() > 0  # type: ignore[union-attr]  # chalice types the context as a dict
        events.append(event.to_dict())

    url = sqs.get_queue_url(QueueName=PREFIX + QUEUE)["QueueUrl"]
    sqs.send_message(
        QueueUrl=url,
        MessageBody="{}",
        MessageAttributes={"kind": {"StringValue": "paid", "DataType": "String"}},
    )
    Functions(app, sqs, PREFIX).drain(PREFIX + QUEUE)

    (record,) = events[0]["Records"]
    assert record["body"] == "{}"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"]["stringValue"] == "paid"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(f":{PREFIX}{QUEUE}")


def test_only_the_failures_of_a_batch_stay_in_the_queue(sqs: "SQSClient") -> None:
    app = Chalice(app_name="test", configure_logs=False)

    @app.on_sqs_message(queue=QUEUE, batch_size=10)
    def send_mail(event: SQSEvent) -> Any:
        failed = [record.to_dict()["messageId"] for record in event if record.body == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    send(sqs, "good", "bad", "good")
    Functions(app, sqs, PREFIX).drain(QUEUE)

    assert waiting(sqs, QUEUE) == {"visible": 0, "hidden": 1}


def test_a_message_that_always_fails_rests_in_the_dead_letter_queue_after_five_tries(
    sqs: "SQSClient",
) -> None:
    tries: list[str] = []

    def fail(bodies: list[str]) -> None:
        tries.extend(bodies)
        raise RuntimeError("the mail server is away")

    send(sqs, "letter")
    Functions(app_with(fail), sqs, PREFIX).drain(QUEUE, again=True)

    assert tries == ["letter"] * TRIES
    assert waiting(sqs, QUEUE) == {"visible": 0, "hidden": 0}
    assert waiting(sqs, f"{QUEUE}-dlq")["visible"] == 1


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "a"}]}, {"a", "b"}),
        ("done", {"a", "b"}),
    ],
)
def test_a_partial_batch_answer_is_read_as_lambda_reads_it(answer: Any, failed: set[str]) -> None:
    assert failed_ids(answer, {"a", "b"}) == failed


def test_consumers_survive_a_function_that_raises(sqs: "SQSClient") -> None:
    done = threading.Event()

    def handle(bodies: list[str]) -> None:
        if "bad" in bodies:
            raise RuntimeError("no")
        done.set()

    functions = Functions(app_with(handle), sqs, PREFIX)
    functions.start()
    try:
        send(sqs, "bad")
        eventually(lambda: waiting(sqs, QUEUE)["hidden"] == 1)
        send(sqs, "good")
        assert done.wait(PATIENCE)
    finally:
        functions.stop()
    assert waiting(sqs, QUEUE) == {"visible": 0, "hidden": 1}


def scheduled_app(fired: Callable[[CloudWatchEvent], Any]) -> Chalice:
    app = Chalice(app_name="test", configure_logs=False)

    @app.schedule(Rate(5, unit=Rate.MINUTES))
    def reconcile(event: CloudWatchEvent) -> Any:
        return fired(event)

    return app


def test_a_scheduled_function_can_be_fired(sqs: "SQSClient") -> None:
    functions = Functions(scheduled_app(lambda event: event.detail_type), sqs)

    assert functions.fire("reconcile") == "Scheduled Event"
    with pytest.raises(LookupError, match="nobody"):
        functions.fire("nobody")


def test_a_schedule_goes_on_after_a_failure(sqs: "SQSClient") -> None:
    rounds: list[str] = []
    thrice = threading.Event()

    def fail(event: CloudWatchEvent) -> None:
        rounds.append(event.time)
        if len(rounds) == 3:
            thrice.set()
        raise RuntimeError("no")

    functions = Functions(scheduled_app(fail), sqs, intervals={"reconcile": 0.01})
    functions.start()
    assert thrice.wait(PATIENCE)
    functions.stop()


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(5 minutes)", 300), ("rate(1 hour)", 3600), ("rate(2 days)", 172800), ("cron(5 * * * ? *)", 0)],
)
def test_rates_are_read(expression: str, seconds: float) -> None:
    assert rate_seconds(expression) == seconds


@pytest.mark.parametrize(
    ("expression", "next_time"),
    [
        ("cron(5 * * * ? *)", "2026-11-22T13:05"),
        ("cron(0/20 * * * ? *)", "2026-11-22T12:20"),
        ("cron(0 3 * * ? *)", "2026-11-23T03:00"),
        ("cron(0 9 ? * 2-6 *)", "2026-11-23T09:00"),
        ("cron(30 12 1,15 * ? *)", "2026-12-01T12:30"),
    ],
)
def test_the_next_run_of_a_cron_expression_is_computed(expression: str, next_time: str) -> None:
    sunday = datetime(2026, 11, 22, 12, 5, 30, tzinfo=UTC)

    assert Cron(expression).next_after(sunday).isoformat()[:16] == next_time


@pytest.mark.parametrize("expression", ["every day", "cron(5 * * *)", "rate(soon)"])
def test_an_expression_that_is_neither_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Cron(expression)


def test_the_queue_has_its_dead_letters_and_may_be_set_up_twice(sqs: "SQSClient") -> None:
    make_queues(sqs, PREFIX)

    url = sqs.get_queue_url(QueueName=PREFIX + QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "360"
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{PREFIX}{QUEUE}-dlq",
        "maxReceiveCount": TRIES,
    }
