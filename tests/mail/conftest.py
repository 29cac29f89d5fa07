"""A queue with the sender behind it, and a post office that remembers what SES was given."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from chalice import Chalice
from chalice.app import SQSEvent

from chalicelib import aws as clients
from chalicelib import clock
from chalicelib.config import settings
from chalicelib.mail import sender as mail_sender
from infra.local.event_functions import Functions
from infra.local.local_cloud import LocalCloud
from tests.mail.fake_ses import PostOffice

QUEUE = "order-emails"


@pytest.fixture
def post(aws: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """Put a post office between the shop and SES."""
    with PostOffice(aws.endpoint_url) as office:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", office.url)
        monkeypatch.delitem(clients._clients, "sesv2", raising=False)
        yield office
        made = clients._clients.pop("sesv2", None)
        if made:
            made.close()


@pytest.fixture
def sender(post: PostOffice) -> Functions:
    """Run the sender behind its queue, when told to."""
    app = Chalice(app_name="test", configure_logs=False)

    @app.on_sqs_message(queue=QUEUE, batch_size=10)
    def send_order_emails(event: SQSEvent) -> Any:
        return mail_sender.send_order_emails(event.to_dict()["Records"])

    return Functions(app, boto3.client("sqs"), settings.table_prefix)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Move the clock forward: `pass_time(301)` seconds."""
    passed = 0

    def forward(seconds: int) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(seconds=passed))

    return forward
