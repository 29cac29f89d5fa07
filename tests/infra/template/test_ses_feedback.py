"""What SES tells of a mail goes by the template's rules into the queue: what names the mail, and nobody's address."""

import json
from typing import Any

import boto3
import pytest

from chalicelib.mail import bounces
from infra.aws.package import build
from tests.mail import order_factory
from tests.mail.test_bounces import MESSAGE, issues, paid

ADDRESS = "erika@private.example"
RULES = ("MailReturnedRule", "MailRejectedRule", "MailUnwantedRule")
BOUNCE = {
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [
        {"emailAddress": ADDRESS, "action": "failed", "diagnosticCode": f"smtp; 550 5.1.1 {ADDRESS} unknown"}
    ],
    "timestamp": "2026-11-22T10:00:00.000Z",
    "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
}
# As SES publishes a mail that it tried in vain for 14 hours.
GIVEN_UP = {
    **BOUNCE,
    "bounceType": "Transient",
    "bouncedRecipients": [
        {
            "emailAddress": ADDRESS,
            "action": "failed",
            "status": "4.4.7",
            "diagnosticCode": "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0>",
        }
    ],
}
COMPLAINT = {"complainedRecipients": [{"emailAddress": ADDRESS}], "userAgent": "A provider"}


@pytest.fixture
def queue(aws: object) -> str:
    """Put the template's rules before the queue, with the prefix of the tests; return the queue's address."""
    events, sqs = boto3.client("events"), boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="test-ses-feedback")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    template = build.merged(build.PROJECT)["Resources"]
    for name in RULES:
        rule = template[name]["Properties"]
        assert rule["EventPattern"]["source"] == ["aws.ses"]
        # Only AWS itself may tell EventBridge something in its own name.
        pattern = json.dumps({**rule["EventPattern"], "source": ["test.ses"]})
        pattern = pattern.replace('{"Fn::Sub": "${TablePrefix}mail"}', '"test-mail"')
        events.put_rule(Name=name, EventPattern=pattern)
        (target,) = rule["Targets"]
        events.put_targets(
            Rule=name, Targets=[{"Id": "queue", "Arn": arn, "InputTransformer": target["InputTransformer"]}]
        )
    return url


def told(url: str, number: str, shop: str = "test-mail", **said: Any) -> list[str]:
    """Let SES tell EventBridge of a mail about an order; return what came into the queue."""
    mail = {
        "timestamp": "2026-11-22T09:59:00.000Z",
        "source": "Slow Saturday <hello@shop.example>",
        "messageId": MESSAGE,
        "destination": [ADDRESS],
        "headers": [{"name": "To", "value": f"Erika <{ADDRESS}>"}],
        "commonHeaders": {"to": [ADDRESS], "subject": "Your order"},
        "tags": {"ses:configuration-set": [shop], "mail": ["order_paid"], "order": [number]},
    }
    kinds = {"Bounce": "Email Bounced", "Complaint": "Email Complaint Received", "Reject": "Email Rejected"}
    kind = kinds[said["eventType"]]
    event = {"Source": "test.ses", "DetailType": kind, "Detail": json.dumps({**said, "mail": mail})}
    assert boto3.client("events").put_events(Entries=[event])["FailedEntryCount"] == 0
    messages = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in messages]


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ({"eventType": "Bounce", "bounce": BOUNCE}, "Email bounced"),
        (
            {
                "eventType": "Bounce",
                "bounce": {**BOUNCE, "bounceType": "Transient", "bounceSubType": "MailboxFull"},
            },
            "Email bounced",
        ),
        (
            {
                "eventType": "Bounce",
                "bounce": {**BOUNCE, "bounceType": "Undetermined", "bounceSubType": "Undetermined"},
            },
            "Email bounced",
        ),
        ({"eventType": "Bounce", "bounce": GIVEN_UP}, "Email bounced"),
        (
            {
                "eventType": "Bounce",
                "bounce": {**GIVEN_UP, "bouncedRecipients": [{"emailAddress": ADDRESS, "status": "4.4.7"}]},
            },
            "Email bounced",
        ),
        (
            {
                "eventType": "Bounce",
                "bounce": {
                    **GIVEN_UP,
                    "bouncedRecipients": [
                        {"emailAddress": ADDRESS, "action": "delayed"},
                        {"emailAddress": ADDRESS, "action": "failed", "status": "5.1.1"},
                    ],
                },
            },
            "Email bounced",
        ),
        ({"eventType": "Reject", "reject": {"reason": "Bad content"}}, "Email bounced"),
        ({"eventType": "Complaint", "complaint": COMPLAINT}, "Email marked as spam"),
        (
            {"eventType": "Complaint", "complaint": {**COMPLAINT, "complaintFeedbackType": "abuse"}},
            "Email marked as spam",
        ),
    ],
)
def test_a_report_reaches_staff_and_names_nobody_on_its_way(
    queue: str, said: dict[str, Any], title: str
) -> None:
    order = paid()

    (body,) = told(queue, order.number, **said)

    assert ADDRESS not in body
    bounces.record_bounce(json.loads(body))
    assert [told for told, _ in issues(order)] == [title]


@pytest.mark.parametrize(
    "said",
    [
        {"eventType": "Complaint", "complaint": {**COMPLAINT, "complaintFeedbackType": "not-spam"}},
        {"eventType": "Bounce", "bounce": BOUNCE, "shop": "another-mail"},
        {"eventType": "Reject", "reject": {"reason": "Bad content"}, "shop": "another-mail"},
        {"eventType": "Bounce", "bounce": {**GIVEN_UP, "bouncedRecipients": [{"emailAddress": ADDRESS}]}},
        {
            "eventType": "Bounce",
            "bounce": {
                **GIVEN_UP,
                "bouncedRecipients": [{"emailAddress": ADDRESS, "action": "delayed", "status": "4.2.0"}],
            },
        },
    ],
)
def test_what_is_nobodys_work_here_does_not_come(queue: str, said: dict[str, Any]) -> None:
    assert told(queue, order_factory.paid().number, **said) == []


def test_an_email_suppressed_after_a_complaint_counts_as_a_bounce(
    queue: str,
) -> None:
    order = paid()
    suppressed = {**COMPLAINT, "complaintSubType": "OnAccountSuppressionList"}

    bodies = told(queue, order.number, eventType="Complaint", complaint=suppressed)

    for body in bodies:
        bounces.record_bounce(json.loads(body))
    assert "Email bounced" in [title for title, _ in issues(order)]
