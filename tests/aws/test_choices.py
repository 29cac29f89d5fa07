"""What an operator may choose: each choice, too, is a stack that CloudFormation can make."""

from pathlib import Path
from typing import Any

import pytest

from tests.aws.cloud import Region
from tests.aws.stack import Stack

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"
DOMAIN = "shop.example.com"


@pytest.fixture(scope="module")
def chosen(region: Region, packaged: Path) -> Stack:
    """Create a second shop in the same account: with a domain, CloudFront in front of it, and somebody to tell."""
    zone = region.client("route53").create_hosted_zone(Name="example.com", CallerReference="once")[
        "HostedZone"
    ]
    stack = Stack(region, packaged, name="second")
    stack.create(
        {
            "TablePrefix": "second-",
            "PayPalClientId": "client",
            "DomainName": DOMAIN,
            "HostedZoneId": zone["Id"].rpartition("/")[2],
            "Cdn": "yes",
            "CdnCertificateArn": CERTIFICATE,
            "AlarmEmail": "operator@example.com",
        }
    )
    return stack


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


def _records(stack: Stack, name: str) -> list[dict[str, Any]]:
    route53 = stack.region.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    return [each for each in records if each["Name"] == f"{name}." and each["Type"] == "A"]


def test_alarms_reach_the_operator(chosen: Stack) -> None:
    sns = chosen.region.client("sns")
    topic = chosen.outputs["AlarmTopicArn"]
    (told,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (told["Protocol"], told["Endpoint"]) == ("email", "operator@example.com")
    alarms = chosen.region.client("cloudwatch").describe_alarms(AlarmNamePrefix="second-")["MetricAlarms"]
    assert len(alarms) == sum("CloudWatch::Alarm" in row["ResourceType"] for row in chosen.resources.values())
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)
