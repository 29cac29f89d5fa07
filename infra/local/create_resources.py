"""Create what the shop needs in the local cloud, if it is missing: tables, queues, buckets, and the email identity."""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.event_functions import CALLED_LATER
from infra.local.processes import ProcessFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CORSRuleTypeDef
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Settings
    from chalicelib.database.connection import Table

# Queue → visibility timeout: AWS requires six times the timeout of the function behind it. The last two stand in for
# Lambda's own queue of asynchronous invocations.
QUEUES = {
    "paypal-webhooks": 6 * 60,
    "order-emails": 6 * 60,
    "ses-feedback": 6 * 60,
    "background-jobs": 6 * 15 * 60,
}
TRIES = 5
CALLS = 3  # an invocation and two retries
TWO_WEEKS = 14 * 24 * 60 * 60
PICTURES = "pictures/"
CLIENT = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


class OldState(ProcessFailed):
    """Raised if the local cloud's data were written by an older version, or with other settings that would misread them."""


@dataclass(frozen=True)
class _Clients:
    dynamodb: Any
    sqs: "SQSClient"
    s3: "S3Client"
    ses: "SESV2Client"


@functools.cache
def _clients(endpoint: str) -> _Clients:
    # Cached per address: tests reset the cloud and set it up again hundreds of times.
    return _Clients(
        boto3.client("dynamodb", config=CLIENT),
        boto3.client("sqs", config=CLIENT),
        boto3.client("s3", config=CLIENT),
        boto3.client("sesv2", config=CLIENT),
    )


def make_shop_aws(*, expiring: bool = True) -> None:
    """Create everything for the shop that the environment describes.

    Without `expiring` for tests that move the clock: the cloud would delete expired rows by the real time.
    """
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.config import settings
    from chalicelib.mail.addresses import BadAddress, normalize_address
    from chalicelib.tables import all_tables

    for name in ("email", "merchant_email"):
        try:
            normalize_address(getattr(settings.shop, name))
        except BadAddress as refusal:
            raise ProcessFailed(f"chalicelib/shop.toml: {name}: {refusal}") from None
    make_aws(settings, all_tables(), expiring=expiring)


def make_aws(settings: "Settings", tables: "Iterable[type[Table]]", *, expiring: bool) -> None:
    """Create tables, queues, buckets and the sender's identity if they are missing."""
    clients = _clients(os.environ.get("AWS_ENDPOINT_URL", ""))
    make_tables(clients.dynamodb, tables, expiring=expiring)
    make_queues(clients.sqs, settings.table_prefix)
    for bucket in (settings.books_bucket, settings.media_bucket):
        make_bucket(clients.s3, bucket)
        allow_uploads_from(clients.s3, bucket, settings.public_url or "*")
    allow_public_reads(clients.s3, settings.media_bucket)
    make_sender(clients.ses, settings.shop.email)


def keep_settings() -> None:
    """Store the currency and the time zone beside the orders. Raises OldState if rows were written with others.

    A deployment checks the same (infra/aws/checks/immutable_settings.py).
    """
    from chalicelib.config import settings
    from chalicelib.tables import all_tables

    names = {table.__name__: table.Meta.table_name for table in all_tables()}
    if "Order" not in names:
        return  # no shop
    orders, products = names["Order"], names["Product"]
    dynamodb = _clients(os.environ.get("AWS_ENDPOINT_URL", "")).dynamodb
    table = dynamodb.describe_table(TableName=orders)["Table"]["TableArn"]
    tags = {tag["Key"]: tag["Value"] for tag in dynamodb.list_tags_of_resource(ResourceArn=table)["Tags"]}
    now = {"CURRENCY": settings.currency, "TIMEZONE": settings.timezone.key}
    for name, tables, why in (
        ("CURRENCY", (orders, products), "prices and amounts are stored in its minor units"),
        ("TIMEZONE", (orders,), "days were booked and closed in this time zone"),
    ):
        was = tags.get(name)
        if was and was != now[name] and any(_has_rows(dynamodb, each) for each in tables):
            raise OldState(
                f"The local shop was created with {name}={was}, not {name}={now[name]}: {why}."
                f" Start it with {name}={was}, or delete .local and start again."
            )
    if tags != now:
        dynamodb.tag_resource(
            ResourceArn=table, Tags=[{"Key": name, "Value": value} for name, value in now.items()]
        )


def _has_rows(dynamodb: Any, table: str) -> bool:
    return bool(dynamodb.scan(TableName=table, Limit=1)["Items"])


def make_tables(dynamodb: Any, tables: "Iterable[type[Table]]", *, expiring: bool) -> None:
    """Create missing tables, on demand; with `expiring`, with the model's expiry attribute.

    Raises OldState if an existing table lacks an index of its model: its rows lack the keys, too.
    """
    pages = dynamodb.get_paginator("list_tables").paginate()
    present = {name for page in pages for name in page["TableNames"]}
    for table in tables:
        if table.Meta.table_name in present:
            _check_indexes(dynamodb, table)
            continue
        # Unlike on AWS, the local cloud's table exists as soon as the call returns.
        table.create_table(wait=False, billing_mode="PAY_PER_REQUEST")
        if table.TTL and expiring:
            dynamodb.update_time_to_live(
                TableName=table.Meta.table_name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.TTL},
            )


def _check_indexes(dynamodb: Any, table: "type[Table]") -> None:
    wanted = set(table._indexes)
    if not wanted:
        return
    described = dynamodb.describe_table(TableName=table.Meta.table_name)["Table"]
    missing = wanted - {index["IndexName"] for index in described.get("GlobalSecondaryIndexes", [])}
    if missing:
        raise OldState(
            f"The local shop's data is from an older version: the table {table.Meta.table_name} has no index"
            f" {', '.join(sorted(missing))}. Delete .local and start again."
        )


def make_queues(sqs: "SQSClient", prefix: str) -> None:
    """Create each queue with its dead-letter queue, after five failures."""
    for name, hidden in QUEUES.items():
        dead = sqs.create_queue(QueueName=f"{prefix}{name}-dlq")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        queue = sqs.create_queue(QueueName=prefix + name)["QueueUrl"]
        tries = CALLS if name in CALLED_LATER.values() else TRIES
        redrive = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": tries}
        # Not part of the creation, which fails for an existing queue with other attributes.
        sqs.set_queue_attributes(QueueUrl=dead, Attributes={"MessageRetentionPeriod": str(TWO_WEEKS)})
        sqs.set_queue_attributes(
            QueueUrl=queue,
            Attributes={
                "MessageRetentionPeriod": str(TWO_WEEKS),
                "VisibilityTimeout": str(hidden),
                "RedrivePolicy": json.dumps(redrive),
            },
        )


def make_bucket(s3: "S3Client", name: str) -> None:
    """Create a bucket."""
    _unless_there(lambda: s3.create_bucket(Bucket=name), "BucketAlreadyOwnedByYou")


def allow_uploads_from(s3: "S3Client", bucket: str, address: str) -> None:
    """Allow scripts of the shop's own pages to post files to a bucket; a signed form limits what."""
    parts = urlsplit(address)
    rule: CORSRuleTypeDef = {
        "AllowedOrigins": [f"{parts.scheme}://{parts.netloc}" if parts.netloc else "*"],
        "AllowedMethods": ["POST"],
        "AllowedHeaders": ["*"],
        "MaxAgeSeconds": 3600,
    }
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


def allow_public_reads(s3: "S3Client", bucket: str) -> None:
    """Allow browsers to read a bucket's images, but not uploads, which are not checked yet."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{PICTURES}*",
    }
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def make_sender(ses: "SESV2Client", address: str) -> None:
    """Create the identity that email is sent from; the local cloud treats it as verified."""
    _unless_there(lambda: ses.create_email_identity(EmailIdentity=address), "AlreadyExistsException")


def _unless_there(create: Callable[[], Any], there: str) -> None:
    try:
        create()
    except ClientError as error:
        if error.response["Error"]["Code"] != there:
            raise


def main() -> int:
    """Create everything; return the exit status."""
    try:
        make_shop_aws()
        keep_settings()
    except ProcessFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
