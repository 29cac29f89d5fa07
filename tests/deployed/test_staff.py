"""What staff and finance need of the package: passwords, pictures, long work, the books."""

import csv
import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from chalicelib.ledger.models import partition_of
from infra.local.fake_paypal import Control
from tests.catalog.images.image_factory import encoded, photo
from tests.deployed.conftest import STAFF
from tests.deployed.http_client import Visitor
from tests.deployed.stack import NAME, Stack

PICTURES = "/api/staff/products/green-tea/pictures"


@pytest.fixture
def merchant(visitor: Visitor) -> Visitor:
    """Let the merchant in, whose password the package looks at."""
    email, password = STAFF
    answer = visitor.post("/api/staff/login", {"email": email, "password": password})
    assert answer.status == 303, answer.text
    assert answer.location == "/api/staff/"
    return visitor


def test_a_wrong_password_is_refused(visitor: Visitor) -> None:
    answer = visitor.post("/api/staff/login", {"email": STAFF[0], "password": "not that one"})
    assert answer.status == 403
    assert visitor.get("/api/staff/").location.startswith("/api/staff/login")


def test_the_merchant_sees_the_day(merchant: Visitor) -> None:
    assert merchant.get("/api/staff/").status == 200


def test_a_picture_is_made_ready_by_the_package(merchant: Visitor, stack: Stack) -> None:
    key = _sent(merchant, encoded(photo(1200, 900)))
    answer = merchant.post(f"{PICTURES}/add", {"key": key, "alt": "Tea in a cup"})
    assert answer.status == 303, answer.text

    stack.eventually(lambda: "being processed" not in merchant.get(PICTURES).text)

    def shown() -> list[str]:
        page = merchant.get("/api/products/green-tea").body
        return re.findall(r'<img class="picture" src="([^"]*)" alt="Tea in a cup"', page)

    stack.eventually(shown)  # at once, unless somebody has just looked: pages are kept for some seconds
    (address,) = shown()
    media = stack.environment["MEDIA_URL"]
    assert address.startswith(f"{media}/pictures/")
    picture = requests.get(
        address.replace(media, f"{stack.region.endpoint_url}/{stack.name_of('MediaBucket')}"), timeout=10
    )
    assert picture.headers["Content-Type"] == "image/webp"
    assert picture.content[:4] == b"RIFF"


def _sent(merchant: Visitor, picture: bytes) -> str:
    """Send a picture straight to S3, as a browser without script does; return its upload's key."""
    page = merchant.get(PICTURES).body
    form = re.search(
        r'<form method="post" action="([^"]*)" enctype="multipart/form-data".*?</form>', page, re.S
    )
    assert form, page
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0])
    answer = requests.post(
        unescape(form[1]),
        data={name: unescape(value) for name, value in fields},
        files={"file": ("cup.jpg", picture, "image/jpeg")},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 303, answer.text
    back = answer.headers["Location"]
    assert back.startswith(merchant.stack.outputs["ShopUrl"])
    return parse_qs(urlsplit(back).query)["key"][0]


def test_the_books_of_a_closed_day_are_written_on_schedule(
    visitor: Visitor, stack: Stack, paypal: Control
) -> None:
    token = visitor.orders("TEA-100")
    paypal.approve(token)
    visitor.comes_back(token)
    sale = _move_to_a_closed_day(stack, visitor.row(token)["number"]["S"])

    with stack.on_schedule("ExportBooks"):
        stack.eventually(lambda: any("/manifest-" in key for key in _books(stack)))
    books = _books(stack)
    (manifest_key,) = (key for key in books if "/manifest-" in key)
    manifest = json.loads(books[manifest_key])
    assert manifest["day"] == _closed_day()
    for name in ("orders", "order-lines", "ledger"):
        (sheet,) = (content for key, content in books.items() if f"/{name}-" in key)
        (row,) = csv.DictReader(io.StringIO(sheet.decode("utf-8-sig")))
        assert row["order_number"] == sale["order_number"]["S"]
        assert hashlib.sha256(sheet).hexdigest() in json.dumps(manifest)


def _move_to_a_closed_day(stack: Stack, number: str) -> dict[str, Any]:
    """Book an order's sale earlier: the functions' clock cannot be moved."""
    database = stack.region.client("dynamodb")
    (row,) = (row for row in stack.rows("ledger") if row["order_number"]["S"] == number)
    database.delete_item(TableName=f"{NAME}-ledger", Key={name: row[name] for name in ("partition", "entry")})
    day, paypal_id = _closed_day(), row["paypal_id"]["S"]
    booked_at = f"{day}T12:00:00.000Z"
    moved = row | {
        "partition": {"S": partition_of(day, paypal_id)},
        "entry": {"S": f"{booked_at}#{paypal_id}"},
        "booked_at": {"S": booked_at},
    }
    database.put_item(TableName=f"{NAME}-ledger", Item=moved)
    return moved


def _closed_day() -> str:
    """Name the latest: a day is closed an hour after its midnight."""
    return str((datetime.now(UTC) - timedelta(days=1, hours=1)).date())


def _books(stack: Stack) -> dict[str, bytes]:
    s3, bucket = stack.region.client("s3"), stack.name_of("BooksBucket")
    found = s3.list_objects_v2(Bucket=bucket, Prefix="books/").get("Contents", [])
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found}
