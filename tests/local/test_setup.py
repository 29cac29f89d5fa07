"""What the shop needs is made in an empty local cloud, and left alone in one that has it."""

import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest

import chalicelib
from chalicelib.cart.models import Cart
from chalicelib.config import settings
from infra.local.cloud import LocalCloud
from infra.local.setup import make_shop_aws


@pytest.fixture
def made(local_cloud: LocalCloud) -> LocalCloud:
    make_shop_aws()
    return local_cloud


def test_every_table_is_there_and_carts_expire(made: LocalCloud) -> None:
    dynamodb: Any = boto3.client("dynamodb")

    for table in chalicelib.tables():
        described = dynamodb.describe_table(TableName=table.Meta.table_name)["Table"]
        assert described["TableStatus"] == "ACTIVE"
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    expiry = dynamodb.describe_time_to_live(TableName=Cart.Meta.table_name)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", Cart.TTL)


def test_setting_up_again_keeps_what_is_there(made: LocalCloud) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=settings.books_bucket, Key="kept", Body=b"yes")
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{settings.table_prefix}order-emails")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="kept")

    make_shop_aws()

    assert s3.get_object(Bucket=settings.books_bucket, Key="kept")["Body"].read() == b"yes"
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "kept"


def test_browsers_read_pictures_but_no_books(made: LocalCloud) -> None:
    s3 = boto3.client("s3")
    for bucket in (settings.media_bucket, settings.books_bucket):
        s3.put_object(Bucket=bucket, Key="pictures/x.svg", Body=b"<svg/>", ContentType="image/svg+xml")

    with urllib.request.urlopen(f"{made.endpoint_url}/{settings.media_bucket}/pictures/x.svg") as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"<svg/>", "image/svg+xml")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{made.endpoint_url}/{settings.books_bucket}/pictures/x.svg")
    assert refusal.value.code == 403
    refusal.value.close()


def test_the_shop_may_send_mail(made: LocalCloud) -> None:
    identity = boto3.client("sesv2").get_email_identity(EmailIdentity=settings.shop.email)
    assert identity["VerifiedForSendingStatus"] is True
