"""The local cloud keeps what it has answered: through kill -9, half-written lines and a full disk."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.local_cloud import LocalCloud
from infra.local.mailbox import Mailbox
from infra.local.mailbox.store import MailStore
from tests.local.wait_until import eventually

Client = Callable[[Any], Any]


@contextmanager
def running(folder: Path) -> Iterator[tuple[LocalCloud, Client]]:
    """Run a cloud that keeps its state in a folder; yield it, and what makes its clients."""
    with LocalCloud(folder / "cloud", log=folder / "cloud.log", mails=folder / "mails") as cloud:

        def client(service: Any) -> Any:
            return boto3.client(
                service,
                endpoint_url=cloud.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}),
            )

        yield cloud, client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def kill(cloud: LocalCloud) -> None:
    process: Any = cloud.child._process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "state", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-state",
                "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def put(dynamodb: Any, name: str, state: str = "paid") -> None:
    dynamodb.put_item(TableName="orders", Item={"id": {"S": name}, "state": {"S": state}})


def states(dynamodb: Any) -> dict[str, str]:
    rows = dynamodb.scan(TableName="orders")["Items"]
    return {row["id"]["S"]: row["state"]["S"] for row in rows}


def test_every_row_that_was_answered_is_there_after_kill_9(folder: Path) -> None:
    with running(folder) as (cloud, client):
        dynamodb = client("dynamodb")
        make_table(dynamodb)
        put(dynamodb, "first", "awaiting")
        put(dynamodb, "gone")
        dynamodb.delete_item(TableName="orders", Key={"id": {"S": "gone"}})
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "orders", "Item": {"id": {"S": "second"}, "state": {"S": "paid"}}}},
                {
                    "Update": {
                        "TableName": "orders",
                        "Key": {"id": {"S": "first"}},
                        "UpdateExpression": "SET #s = :paid",
                        "ExpressionAttributeNames": {"#s": "state"},
                        "ExpressionAttributeValues": {":paid": {"S": "paid"}},
                    }
                },
            ]
        )
        kill(cloud)
    for _ in range(2):  # what was played back is kept, too
        with running(folder) as (cloud, client):
            assert states(client("dynamodb")) == {"first": "paid", "second": "paid"}
            found = client("dynamodb").query(
                TableName="orders",
                IndexName="by-state",
                KeyConditionExpression="#s = :paid",
                ExpressionAttributeNames={"#s": "state"},
                ExpressionAttributeValues={":paid": {"S": "paid"}},
            )
            assert found["Count"] == 2
            kill(cloud)


def test_messages_survive_kill_9_and_those_that_were_deleted_do_not_come_back(folder: Path) -> None:
    with running(folder) as (cloud, client):
        sqs = client("sqs")
        url = sqs.create_queue(QueueName="order-emails")["QueueUrl"]
        for body in ("done", "due"):
            sqs.send_message(QueueUrl=url, MessageBody=body)
            if body == "done":
                (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        kill(cloud)
    with running(folder) as (cloud, client):
        sqs = client("sqs")
        url = sqs.get_queue_url(QueueName="order-emails")["QueueUrl"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert [message["Body"] for message in messages] == ["due"]


def test_a_line_that_was_cut_off_is_as_if_it_had_never_been_asked(folder: Path) -> None:
    with running(folder) as (cloud, client):
        make_table(client("dynamodb"))
        put(client("dynamodb"), "first")
        put(client("dynamodb"), "second")
        put(client("dynamodb"), "third")
        kill(cloud)
    journal = folder / "cloud" / "journal"
    journal.write_bytes(journal.read_bytes()[:-7])
    with running(folder) as (cloud, client):
        assert states(client("dynamodb")) == {"first": "paid", "second": "paid"}


def test_an_orderly_end_leaves_nothing_to_play_back(folder: Path) -> None:
    with running(folder) as (_, client):
        make_table(client("dynamodb"))
        put(client("dynamodb"), "first")
        put(client("dynamodb"), "second")
        assert (folder / "cloud" / "journal").stat().st_size > 0
    assert (folder / "cloud" / "journal").stat().st_size == 0
    with running(folder) as (_, client):
        assert states(client("dynamodb")) == {"first": "paid", "second": "paid"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is Linux's /dev/full")
def test_where_the_disk_is_full_changes_are_refused_loudly_and_reading_goes_on(folder: Path) -> None:
    with running(folder) as (cloud, client):
        dynamodb = client("dynamodb")
        make_table(dynamodb)
        put(dynamodb, "first")
        put(dynamodb, "second")
        assert cloud.fault() == ""
        journal, services = folder / "cloud" / "journal", folder / "cloud" / "services"
        written = journal.read_bytes()
        journal.unlink()
        journal.symlink_to("/dev/full")
        services.rename(folder / "aside")
        services.symlink_to("/dev/full")

        for name in ("third", "fourth"):
            with pytest.raises(ClientError):
                put(dynamodb, name)
        assert str(folder / "cloud") in cloud.fault()
        assert states(dynamodb)["first"] == "paid"

        services.unlink()
        (folder / "aside").rename(services)
        journal.unlink()
        journal.write_bytes(written)
        put(dynamodb, "fifth")
        assert cloud.fault() == ""
        kill(cloud)
    with running(folder) as (_, client):
        assert {"first", "second", "fifth"} <= set(states(client("dynamodb")))
        assert "fourth" not in states(client("dynamodb"))


def test_a_mail_is_in_the_mailbox_though_nobody_was_there_when_it_was_sent(folder: Path) -> None:
    with running(folder) as (cloud, client):
        ses = client("sesv2")
        ses.create_email_identity(EmailIdentity="shop@example.com")
        ses.send_email(
            FromEmailAddress="shop@example.com",
            Destination={"ToAddresses": ["Zoe Customer <customer@example.org>"]},
            Content={
                "Simple": {"Subject": {"Data": "Paid"}, "Body": {"Text": {"Data": "Thank you, Zoë"}}},
            },
        )
        kill(cloud)
    with Mailbox(folder / "mails") as mailbox:
        (mail,) = mailbox.messages()
    assert (mail.subject, mail.recipients) == ("Paid", ["customer@example.org"])
    assert "Zoë" in mail.text


def test_a_mailbox_shows_what_another_process_puts_into_its_folder(folder: Path) -> None:
    with Mailbox(folder) as mailbox:
        assert mailbox.messages() == []
        added = MailStore(folder).add(b"Subject: Hello\r\n\r\nText", ["a@example.org"])
        eventually(lambda: [mail.id for mail in mailbox.messages()] == [added.id])
        mailbox.clear()
        assert mailbox.messages() == []
