"""Logs as CloudWatch gets them: a line of JSON each, with what it is about, and nothing of anybody."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib import telemetry
from infra.local.local_cloud import LocalCloud
from tests.shop import CUSTOMER, Shop
from tests.telemetry import emf

ROOT = Path(__file__).parents[2]
Lines = Callable[[], list[dict[str, Any]]]
AS_LAMBDA = """
import json
from email.message import Message

import app
from infra.local.event_functions import context
from infra.local.api_gateway import Gateway

for _ in range(2):
    Gateway(app.app).handle("GET", "/", Message(), b"")
app.send_order_emails({"Records": [{"messageId": "M-1", "body": "not a mail"}]}, context("send_order_emails"))
"""


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Listen as on Lambda; return a function that reads what was written so far."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(telemetry.formatter())
    handler.addFilter(telemetry.add_ids)
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.INFO, "awning.events")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_everything_that_happened_to_an_order_is_found_by_its_number(shop: Shop, lines: Lines) -> None:
    _, order_id = shop.paid(MUG=1)
    shop.deliver_notifications()
    shop.functions.drain("order-emails")

    number = shop.order(order_id).number
    told = [line["message"] for line in lines() if line.get("order") == number]
    assert told[:2] == [f"order {number}: placed", f"order {number}: paid"]
    assert f"order {number}: email_sent (order_paid)" in told
    for line in lines():
        assert {"timestamp", "level", "message", "location", "function", "request_id"} <= line.keys()
    text = json.dumps(lines())
    assert order_id not in text
    assert CUSTOMER["email"] not in text


def test_the_request_id_on_api_gateways_error_page_finds_the_functions_log_lines(
    shop: Shop, lines: Lines
) -> None:
    shop.paid(MUG=1)

    of_pages = [line for line in lines() if "route" in line]
    assert of_pages
    assert all(line["api_request_id"] not in ("", line["request_id"]) for line in of_pages)


def test_a_notification_names_its_event_from_the_webhook_to_what_followed(shop: Shop, lines: Lines) -> None:
    _, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    with shop.later(minutes=10):
        shop.reconcile()
    shop.deliver_notifications()

    taken = [line for line in lines() if line["message"] == "PayPal notification accepted"]
    assert taken
    assert all(line["event"].startswith("WH-") and line["event_type"] for line in taken)
    assert token not in json.dumps(lines())


def test_a_failure_names_its_message_and_nothing_of_the_one_before(shop: Shop, lines: Lines) -> None:
    shop.paid(MUG=1)
    url = boto3.client("sqs").get_queue_url(QueueName="test-order-emails")["QueueUrl"]
    sent = boto3.client("sqs").send_message(QueueUrl=url, MessageBody="not json")

    shop.functions.drain("order-emails")

    (failed,) = [line for line in lines() if line["level"] == "ERROR"]
    assert (failed["message_id"], failed["exception_name"]) == (sent["MessageId"], "InvalidMessage")
    assert failed["function"] == "send_order_emails"
    assert "order" not in failed


def test_what_does_not_look_like_an_id_is_left_out(lines: Lines) -> None:
    names: Any = {
        "event": "Erika of Lange Straße",
        "type": 7,
        "capture": "erika@example.org",
        "refund": "1AB",
    }
    with telemetry.log_context(request_id="R-1"):
        telemetry.add_log_context(**names)
        logging.getLogger("awning").warning("a line")
    logging.getLogger("awning").warning("another")

    first, second = lines()
    assert {name: first.get(name) for name in (*names, "request_id")} == {
        "event": None, "type": None, "capture": None, "refund": "1AB", "request_id": "R-1",
    }  # fmt: skip
    assert "request_id" not in second


def test_a_function_writes_nothing_but_lines_of_json(aws: LocalCloud) -> None:
    environment = {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "awning-function"}
    done = subprocess.run(
        [sys.executable, "-c", AS_LAMBDA],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    written = [json.loads(line) for line in done.stdout.splitlines()]
    assert emf.sums(emf.read(done.stdout))["ColdStarts"] == 1, "the first page's, and no other"
    (failure,) = [
        line for line in written if "level" in line
    ]  # the others count, as metrics or for queries alone
    assert failure["level"] == "ERROR"
    assert (failure["function"], failure["message_id"]) == ("send_order_emails", "M-1")
    assert "InvalidMessage" in failure["exception"]
