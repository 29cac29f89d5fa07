"""What the packaged functions tell whoever watches the shop: logs, metrics, mail that came back."""

import json
import re
from typing import Any

from infra.local.fake_paypal import Control
from tests.deployed.http_client import Visitor
from tests.deployed.stack import NAME, Stack
from tests.shop import CUSTOMER

WHO = {"name": "Ada Unmistakable", "email": "unmistakable@example.com", "address": "Nowhere Else 77"}


def _bought(visitor: Visitor, paypal: Control, **who: str) -> str:
    """Let the visitor buy a unit; return PayPal's order."""
    token = visitor.orders("TEA-50", **who)
    paypal.approve(token)
    visitor.comes_back(token)
    return token


def test_logs_name_orders_by_number_and_nobody(visitor: Visitor, stack: Stack, paypal: Control) -> None:
    token = _bought(visitor, paypal, **WHO)
    stack.eventually(lambda: not json.loads(visitor.row(token)["emails_due"]["S"]))
    said = "\n".join(stack.said())
    assert visitor.row(token)["number"]["S"] in said
    told = {*WHO.values(), CUSTOMER["postal_code"], visitor.row(token)["id"]["S"], token}
    # A postal code is five digits, which longer numbers hold by chance.
    assert [words for words in told if re.search(rf"(?<!\w){re.escape(words)}(?!\w)", said)] == []


def test_events_are_counted(visitor: Visitor, stack: Stack, paypal: Control) -> None:
    before = _counted(stack)
    token = _bought(visitor, paypal)
    stack.eventually(lambda: not json.loads(visitor.row(token)["emails_due"]["S"]))
    total = int(visitor.row(token)["total"]["N"])

    def since(name: str) -> float:
        return _counted(stack).get(name, 0) - before.get(name, 0)

    names = ("OrdersPlaced", "OrdersPaid", "MoneySettled")
    stack.eventually(lambda: [since(name) for name in names] == [1, 1, total])
    stack.eventually(lambda: since("EmailsSent") >= 2)  # to the customer, and to the merchant
    assert any('"DynamoDBCalls"' in line for line in stack.said())


def _counted(stack: Stack) -> dict[str, float]:
    """Sum the metrics that CloudWatch reads from the logs."""
    sums: dict[str, float] = {}
    for line in stack.said():
        told: dict[str, Any] = json.loads(line) if '"CloudWatchMetrics"' in line else {}
        for group in told.get("_aws", {}).get("CloudWatchMetrics", []):
            assert group["Namespace"] == "Awning"
            assert told["shop"] == NAME
            for metric in group["Metrics"]:
                values = told[metric["Name"]]
                sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(
                    values if isinstance(values, list) else [values]
                )
    return sums


def test_mail_that_came_back_is_something_for_staff(visitor: Visitor, stack: Stack, paypal: Control) -> None:
    token = _bought(visitor, paypal)
    report = _report(visitor.row(token)["number"]["S"])
    events = stack.region.client("events")
    rule = events.describe_rule(Name=stack.name_of("MailReturnedRule"))
    assert events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(report))["Result"]
    # Nobody but AWS may say that something comes from SES, so the rule's last step is done for it.
    stack.region.client("lambda").invoke(
        FunctionName=f"{NAME}-ses-feedback", InvocationType="Event", Payload=json.dumps(report)
    )

    stack.eventually(lambda: "email_bounced" in visitor.row(token)["issues"]["S"])


def _report(number: str) -> dict[str, Any]:
    """Make the event with which SES tells that nobody has such a mailbox."""
    tags = {"ses:configuration-set": [f"{NAME}-mail"], "mail": ["order_paid"], "order": [number]}
    mail = {"messageId": "0100-made-for-this-test", "destination": ["gone@example.com"], "tags": tags}
    said = {
        "eventType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bounceSubType": "General"},
        "mail": mail,
    }
    envelope = {
        "id": "1",
        "account": "000000000000",
        "region": "us-east-1",
        "time": "2026-11-22T00:00:00Z",
        "resources": [],
    }
    return {"source": "aws.ses", "detail-type": "Email Bounced", "detail": said, **envelope}
