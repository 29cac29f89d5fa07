"""Mail that comes back: the function that tells staff is broken at every call."""

import boto3

from tests.fault_injection.scenario import Case, Scenario
from tests.fault_injection.scenarios.checkout_and_payment import NOTIFICATION
from tests.mail.test_bounces import report


def have_a_mail_returned(case: Case) -> None:
    """Pay; the confirmation goes out, and SES reports that it came back."""
    case.pay()
    (order,) = case.orders()
    (message,) = [
        entry["ses_message_id"] for entry in order.history if entry["detail"].startswith("order_paid#")
    ]
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="test-ses-feedback")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=report(order, message=message))


def tell_staff(case: Case) -> None:
    """Let the function behind the queue do its work."""
    case.world.drain("ses-feedback")


def told_once_of_the_mail(case: Case) -> None:
    """Staff are asked to look once, and the merchant is written to once."""
    (order,) = case.orders()
    assert [issue["kind"] for issue in order.issues] == ["email_bounced"]
    events = [(entry["event"], entry["detail"].partition("#")[0]) for entry in order.history]
    assert (
        events.count(("email_bounced", "order_paid")) == events.count(("email_sent", "merchant_issue")) == 1
    )


SCENARIOS = [
    Scenario(
        "a mail that came back",
        have_a_mail_returned,
        tell_staff,
        ("paid",),
        check=told_once_of_the_mail,
        rivals=(NOTIFICATION,),
    ),
]
