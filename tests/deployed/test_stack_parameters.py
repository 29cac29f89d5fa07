"""What an operator may choose: each choice, too, is a stack that CloudFormation can make."""

from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from infra.local.api_gateway import Response
from tests.client import Shopper
from tests.deployed.conftest import CATALOG
from tests.deployed.region import Region
from tests.deployed.stack import Stack

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"
DOMAIN = "shop.example.com"


@pytest.fixture(scope="module")
def chosen(region: Region, packaged: Path) -> Stack:
    """Create a second shop in the same account: with a domain, CloudFront in front of it, and somebody to tell."""
    zone = region.client("route53").create_hosted_zone(Name="example.com", CallerReference="once")[
        "HostedZone"
    ]
    stack = Stack(region, packaged, name="second")
    stack.create(_choices(zone["Id"]) | {"Cdn": "yes", "CdnCertificateArn": CERTIFICATE})
    return stack


def _choices(zone: str) -> dict[str, str]:
    return {
        "TablePrefix": "second-",
        "PayPalClientId": "client",
        "DomainName": DOMAIN,
        "HostedZoneId": zone.rpartition("/")[2],
        "AlarmEmail": "operator@example.com",
    }


def test_a_second_shop_fits_into_the_account(chosen: Stack) -> None:
    assert {row["ResourceStatus"] for row in chosen.resources.values()} == {"CREATE_COMPLETE"}
    tables = [
        row["PhysicalResourceId"] for row in chosen.resources.values() if "DynamoDB" in row["ResourceType"]
    ]
    assert all(table.startswith("second-") for table in tables)


def test_the_domain_leads_to_cloudfront_and_the_shop_knows_its_name(chosen: Stack) -> None:
    assert chosen.outputs["ShopUrl"] == chosen.environment["PUBLIC_URL"] == f"https://{DOMAIN}"
    assert chosen.outputs["WebhookUrl"] == f"https://{DOMAIN}/webhooks/paypal"
    distribution = chosen.region.client("cloudfront").get_distribution(Id=chosen.name_of("Distribution"))[
        "Distribution"
    ]
    assert distribution["DistributionConfig"]["Aliases"]["Items"] == [DOMAIN]
    (record,) = _records(chosen, DOMAIN)
    assert record["AliasTarget"]["DNSName"].rstrip(".") == distribution["DomainName"]


def _zone(stack: Stack) -> str:
    (zone,) = stack.region.client("route53").list_hosted_zones()["HostedZones"]
    return str(zone["Id"])


def _records(stack: Stack, name: str) -> list[dict[str, Any]]:
    route53 = stack.region.client("route53")
    records = route53.list_resource_record_sets(HostedZoneId=_zone(stack))["ResourceRecordSets"]
    return [each for each in records if each["Name"] == f"{name}." and each["Type"] == "A"]


def test_alarms_reach_the_operator(chosen: Stack) -> None:
    sns = chosen.region.client("sns")
    topic = chosen.outputs["AlarmTopicArn"]
    (told,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (told["Protocol"], told["Endpoint"]) == ("email", "operator@example.com")
    alarms = chosen.region.client("cloudwatch").describe_alarms(AlarmNamePrefix="second-")["MetricAlarms"]
    assert len(alarms) == sum("CloudWatch::Alarm" in row["ResourceType"] for row in chosen.resources.values())
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)


class Edge:
    """CloudFront in front of a shop. It keeps nothing here, but forwards only what the behaviour of an address lets by."""

    def __init__(self, stack: Stack, scheme: str = "https") -> None:
        self._region = stack.region
        self._scheme = scheme
        distribution = stack.region.client("cloudfront").get_distribution(Id=stack.name_of("Distribution"))
        self._name = distribution["Distribution"]["DomainName"]

    def handle(self, method: str, target: str, headers: Message, body: bytes) -> Response:
        """Send a request as who terminates TLS does."""
        headers.replace_header("Host", self._name)
        headers["X-Forwarded-Proto"] = self._scheme
        return self._region.send(method, target, headers, body)


@pytest.fixture(scope="module")
def stocked(chosen: Stack) -> Stack:
    """Put the second shop's things on the shelves."""
    chosen.operate("infra.commands.import_catalog", str(CATALOG))
    return chosen


def test_a_cart_works_behind_cloudfront(stocked: Stack) -> None:
    visitor = Shopper(Edge(stocked))
    page = visitor.get("/products/green-tea")
    assert (page.status, page.set_cookies) == (200, [])
    assert "public" in page.headers["cache-control"]
    answer = visitor.post("/cart/lines", {"sku": "TEA-50", "quantity": "2"}, Origin=f"https://{DOMAIN}")
    assert (answer.status, answer.location) == (303, "/cart")
    cart = visitor.follow(answer)
    assert cart.field("quantity") == "2"
    assert "no-store" in cart.headers["cache-control"]


def test_cloudfront_takes_no_forms_for_pages_that_it_may_keep(stocked: Stack) -> None:
    assert Shopper(Edge(stocked)).post("/search", {"q": "tea"}).status == 403


def test_cloudfront_shows_pictures_and_not_what_was_just_sent(stocked: Stack) -> None:
    s3, bucket = stocked.region.client("s3"), stocked.name_of("MediaBucket")
    for key in ("pictures/tea.svg", "uploads/tea.svg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"<svg/>", ContentType="image/svg+xml")
    visitor = Shopper(Edge(stocked))
    assert visitor.get("/pictures/tea.svg").body == "<svg/>"
    assert visitor.get("/uploads/tea.svg").status == 404
    assert stocked.environment["MEDIA_URL"] == f"https://{DOMAIN}"


def test_cloudfront_leads_to_the_encrypted_address(stocked: Stack) -> None:
    answer = Shopper(Edge(stocked, scheme="http")).get("/cart")
    assert answer.status == 301
    assert answer.location.startswith("https://")


class Door:
    """API Gateway's own door for a domain."""

    def __init__(self, stack: Stack) -> None:
        self._region = stack.region

    def handle(self, method: str, target: str, headers: Message, body: bytes) -> Response:
        """Send a request to the domain."""
        headers.replace_header("Host", DOMAIN)
        return self._region.send(method, target, headers, body)


# The last one here: it takes CloudFront away.
def test_a_domain_without_cloudfront_has_no_stage_in_its_addresses(stocked: Stack) -> None:
    stocked.update(_choices(_zone(stocked)) | {"CertificateArn": CERTIFICATE})
    assert "Distribution" not in stocked.resources
    assert stocked.outputs["ShopUrl"] == f"https://{DOMAIN}"
    visitor = Shopper(Door(stocked))
    page = visitor.get("/products/green-tea")
    assert page.status == 200
    assert 'href="/static/' in page.body
    assert "/api/" not in page.body
    assert visitor.post("/cart/lines", {"sku": "TEA-50", "quantity": "2"}).location == "/cart"
    assert visitor.get("/cart").field("quantity") == "2"
