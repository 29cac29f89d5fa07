"""What the shop needs is made in an empty local cloud, and left alone in one that has it."""

import urllib.error
import urllib.request
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest

from chalicelib.cart.models import Cart
from chalicelib.config import settings
from chalicelib.orders.models import Order
from chalicelib.tables import all_tables
from infra.local.create_resources import OldState, keep_settings, make_shop_aws
from infra.local.local_cloud import LocalCloud
from tests.catalog.product_factory import fill, product


@pytest.fixture
def made(local_cloud: LocalCloud) -> LocalCloud:
    make_shop_aws()
    return local_cloud


def test_every_table_is_there_and_carts_expire(made: LocalCloud) -> None:
    dynamodb: Any = boto3.client("dynamodb")

    for table in all_tables():
        described = dynamodb.describe_table(TableName=table.Meta.table_name)["Table"]
        assert described["TableStatus"] == "ACTIVE"
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    expiry = dynamodb.describe_time_to_live(TableName=Cart.Meta.table_name)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", Cart.TTL)


def test_in_tests_nothing_is_deleted_by_the_real_clock(aws: LocalCloud) -> None:
    """They live on other days: what is over for the cloud may be tomorrow's for a test, a login for example."""
    dynamodb: Any = boto3.client("dynamodb")
    for table in all_tables():
        told = dynamodb.describe_time_to_live(TableName=table.Meta.table_name)["TimeToLiveDescription"]
        assert told["TimeToLiveStatus"] == "DISABLED", table


def test_setting_up_again_keeps_what_is_there(made: LocalCloud) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=settings.books_bucket, Key="kept", Body=b"yes")
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{settings.table_prefix}order-emails")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="kept")

    make_shop_aws()

    assert s3.get_object(Bucket=settings.books_bucket, Key="kept")["Body"].read() == b"yes"
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "kept"


def test_a_table_of_an_older_version_is_reported_in_one_line(local_cloud: LocalCloud) -> None:
    orders = Order.Meta.table_name
    boto3.client("dynamodb").create_table(
        TableName=orders,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(OldState, match=rf"the table {orders} has no index by-placed, .*due.* Delete \.local"):
        make_shop_aws()


def put_order(currency: str) -> None:
    """Write as much of an order as is looked at."""
    item = {"id": {"S": "0" * 32}, "currency": {"S": currency}}
    dynamodb: Any = boto3.client("dynamodb")
    dynamodb.put_item(TableName=Order.Meta.table_name, Item=item)


def test_currency_and_time_zone_cannot_change_once_there_are_orders(aws: LocalCloud, setting: Any) -> None:
    keep_settings()
    setting(currency="USD", timezone=ZoneInfo("Europe/Berlin"))
    keep_settings()  # nothing is in the shop yet
    put_order("USD")

    keep_settings()
    setting(currency="EUR")
    with pytest.raises(
        OldState, match=r"^The local shop was created with CURRENCY=USD, not CURRENCY=EUR: .*\.$"
    ):
        keep_settings()
    setting(currency="USD", timezone=ZoneInfo("UTC"))
    with pytest.raises(OldState, match=r"TIMEZONE=Europe/Berlin, not TIMEZONE=UTC: .*\.$"):
        keep_settings()


def test_currency_cannot_change_once_there_are_products(aws: LocalCloud, setting: Any) -> None:
    keep_settings()
    fill(product("tea"))
    setting(timezone=ZoneInfo("Europe/Berlin"))
    keep_settings()

    setting(currency="USD")
    with pytest.raises(OldState, match="CURRENCY=EUR"):
        keep_settings()


def test_browsers_read_pictures_but_neither_books_nor_what_was_just_uploaded(made: LocalCloud) -> None:
    s3 = boto3.client("s3")
    for bucket in (settings.media_bucket, settings.books_bucket):
        for key in ("pictures/x.svg", "uploads/x.svg"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"<svg/>", ContentType="image/svg+xml")

    with urllib.request.urlopen(f"{made.endpoint_url}/{settings.media_bucket}/pictures/x.svg") as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"<svg/>", "image/svg+xml")
    for hidden in (f"{settings.books_bucket}/pictures", f"{settings.media_bucket}/uploads"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{made.endpoint_url}/{hidden}/x.svg")
        assert refusal.value.code == 403
        refusal.value.close()


@pytest.mark.parametrize("bucket", [settings.media_bucket, settings.books_bucket])
def test_scripts_of_the_shops_pages_alone_may_send_files(made: LocalCloud, bucket: str) -> None:
    def may_send(origin: str) -> bool:
        asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        question = urllib.request.Request(f"{made.endpoint_url}/{bucket}", headers=asking, method="OPTIONS")
        try:
            with urllib.request.urlopen(question) as answer:
                allowed: str | None = answer.headers["Access-Control-Allow-Origin"]
                return allowed == origin
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False

    assert settings.public_url is not None
    assert may_send(settings.public_url)
    assert not may_send("https://elsewhere.example")


def test_the_shop_may_send_mail(made: LocalCloud) -> None:
    identity = boto3.client("sesv2").get_email_identity(EmailIdentity=settings.shop.email)
    assert identity["VerifiedForSendingStatus"] is True
