"""Create what the shop needs in the local cloud, where it is missing: tables, queues, buckets, its sender."""

import functools
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Settings
    from chalicelib.storage import Table

# Queue → how long a message is hidden: AWS asks for six times the timeout of the function behind it.
QUEUES = {"payment-notifications": 6 * 60, "order-emails": 6 * 60, "staff-jobs": 6 * 15 * 60}
TRIES = 5
TWO_WEEKS = 14 * 24 * 60 * 60
CLIENT = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


@dataclass(frozen=True)
class _Clients:
    dynamodb: Any
    sqs: "SQSClient"
    s3: "S3Client"
    ses: "SESV2Client"


@functools.cache
def _clients(endpoint: str) -> _Clients:
    # Kept for each address: tests empty the cloud and set it up again, hundreds of times.
    return _Clients(
        boto3.client("dynamodb", config=CLIENT),
        boto3.client("sqs", config=CLIENT),
        boto3.client("s3", config=CLIENT),
        boto3.client("sesv2", config=CLIENT),
    )


def make_shop_aws() -> None:
    """Create everything for the shop that the environment describes."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    import chalicelib
    from chalicelib.config import settings

    make_aws(settings, chalicelib.tables())


def make_aws(settings: "Settings", tables: "Iterable[type[Table]]") -> None:
    """Create tables, queues, buckets and the sender's identity where they are missing."""
    clients = _clients(os.environ.get("AWS_ENDPOINT_URL", ""))
    make_tables(clients.dynamodb, tables)
    make_queues(clients.sqs, settings.table_prefix)
    make_bucket(clients.s3, settings.books_bucket)
    make_bucket(clients.s3, settings.media_bucket)
    open_to_readers(clients.s3, settings.media_bucket)
    make_sender(clients.ses, settings.shop.email)


def make_tables(dynamodb: Any, tables: "Iterable[type[Table]]") -> None:
    """Create missing tables, billed on demand, with expiry where the model names an attribute for it."""
    pages = dynamodb.get_paginator("list_tables").paginate()
    there = {name for page in pages for name in page["TableNames"]}
    for table in tables:
        if table.Meta.table_name in there:
            continue
        # Unlike AWS, the local cloud has the table as soon as it answers.
        table.create_table(wait=False, billing_mode="PAY_PER_REQUEST")
        if table.TTL:
            dynamodb.update_time_to_live(
                TableName=table.Meta.table_name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.TTL},
            )


def make_queues(sqs: "SQSClient", prefix: str) -> None:
    """Create each queue with the queue where its messages rest after five failures."""
    for name, hidden in QUEUES.items():
        dead = sqs.create_queue(QueueName=f"{prefix}{name}-dlq")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        queue = sqs.create_queue(QueueName=prefix + name)["QueueUrl"]
        redrive = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": TRIES}
        # Set apart from the creation, which refuses a queue that exists with other attributes.
        sqs.set_queue_attributes(QueueUrl=dead, Attributes={"MessageRetentionPeriod": str(TWO_WEEKS)})
        sqs.set_queue_attributes(
            QueueUrl=queue,
            Attributes={"VisibilityTimeout": str(hidden), "RedrivePolicy": json.dumps(redrive)},
        )


def make_bucket(s3: "S3Client", name: str) -> None:
    """Create a bucket."""
    _unless_there(lambda: s3.create_bucket(Bucket=name), "BucketAlreadyOwnedByYou")


def open_to_readers(s3: "S3Client", bucket: str) -> None:
    """Let browsers read a bucket's objects; on AWS, CloudFront or a policy does this."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def make_sender(ses: "SESV2Client", address: str) -> None:
    """Create the identity that mail is sent from; the local cloud takes it as verified."""
    _unless_there(lambda: ses.create_email_identity(EmailIdentity=address), "AlreadyExistsException")


def _unless_there(create: Callable[[], Any], there: str) -> None:
    try:
        create()
    except ClientError as error:
        if error.response["Error"]["Code"] != there:
            raise


if __name__ == "__main__":
    make_shop_aws()
