"""Mail that reaches nobody: staff are told on the order, once, and nothing is tried in vain."""

import dataclasses
import json
from typing import Any

import boto3
import pytest

from chalicelib.config import settings
from chalicelib.database.transactions import Transaction
from chalicelib.mail import bounces
from chalicelib.orders.models import Order, OrderLookup
from chalicelib.orders.repository import update_order
from chalicelib.orders.views import staff_view
from infra.local import simulator
from infra.local.event_functions import Functions
from infra.local.local_cloud import LocalCloud
from tests.client import Shopper
from tests.mail import order_factory
from tests.mail.fake_ses import PostOffice
from tests.mail.test_outbox import deliver, one_mail, waiting
from tests.shop import Shop
from tests.staff.staff_client import logged_in

NO_MAILBOX = "400 BadRequestException: Local address contains control or whitespace"
GENERAL = {
    "bounceType": "Transient",
    "bounceSubType": "General",
}  # an automatic answer, or a mail given up on
MESSAGE = "0102018c5a-9aedb9a0-02f9-4d12-a87d-dd0099a07f8a-000000"


def report(order: Order, kind: str = "order_paid", message: str = MESSAGE, **said: Any) -> str:
    """Write what EventBridge calls the function with for SES; `said` replaces the kind of event and its part."""
    said = said or {"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bounceSubType": "General"}}
    mail = {
        "messageId": message,
        "destination": ["test@example.org"],
        "tags": {"ses:configuration-set": ["awning-mail"], "mail": [kind], "order": [order.number]},
    }
    event = {"source": "aws.ses", "detail-type": "Email Bounced", "detail": {**said, "mail": mail}}
    return json.dumps(event)


def deliver_reports(*bodies: str) -> list[str]:
    """Give reports to the function, one by one; return those that failed."""
    failed = []
    for number, body in enumerate(bodies):
        try:
            bounces.record_bounce(json.loads(body))
        except bounces.InvalidFeedback:
            failed.append(str(number))
    return failed


def paid() -> Order:
    """Store a paid order that its number leads to, as placing does."""
    order = order_factory.paid()
    OrderLookup(f"number#{order.number}", order_id=order.id).save()
    return order


def issues(order: Order) -> list[tuple[str, str]]:
    """List what staff are asked to look at: title, and what happened."""
    return [(issue["title"], issue["description"]) for issue in staff_view.issues_of(Order.fetch(order.id))]


# -- refused at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        NO_MAILBOX,
        "400 BadRequestException: Missing final '@domain'",
        "400 BadRequestException: Domain contains illegal character",
        "400 MessageRejected: Address blacklisted.",
    ],
)
def test_an_address_refused_by_ses_is_an_issue_and_not_retried(
    post: PostOffice, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    order, entry = one_mail()
    post.trouble.append(trouble)

    assert deliver(order, entry)
    assert deliver(order, entry)

    assert len(post.asked) == 1
    order = Order.fetch(order.id)
    assert list(order.emails_due) == ["merchant_issue#0"]
    assert order.open_issues_shard
    assert issues(order)[0][0] == "Email could not be sent"
    assert "“Payment confirmation”" in issues(order)[0][1]
    assert staff_view.email_problems(order) == {entry: "address doesn’t exist"}
    assert "test@" not in caplog.text


@pytest.mark.parametrize(
    "trouble",
    [
        "400 MessageRejected: Email address is not verified. The following identities failed: test@example.org",
        "400 BadRequestException: Configuration set <awning-mail> does not exist.",
        "400 LimitExceededException: Daily message quota exceeded.",
        "400 SendingPausedException: Missing final '@domain'",
        "400 AccountSuspendedException: Sending is suspended.",
    ],
)
def test_a_refusal_that_is_about_the_shop_is_tried_again_and_no_customers_fault(
    post: PostOffice, trouble: str
) -> None:
    order, entry = one_mail()
    post.trouble.append(trouble)

    assert not deliver(order, entry)

    order = Order.fetch(order.id)
    assert (order.emails_due, order.issues) == ({entry: 0}, [])


def test_an_address_that_nobody_can_have_never_reaches_ses(post: PostOffice) -> None:
    order = order_factory.only(order_factory.paid(email="test@examp le.org"), "order_paid")

    assert deliver(order, f"order_paid#{order_factory.CAPTURE}")

    assert post.asked == []
    assert [title for title, _ in issues(order)] == ["Email could not be sent"]


def test_a_sender_that_is_wrong_is_not_taken_for_the_customers_fault(post: PostOffice, setting: Any) -> None:
    order, entry = one_mail()
    setting(shop=dataclasses.replace(settings.shop, email="no address"))

    assert not deliver(order, entry)

    assert Order.fetch(order.id).issues == []


def test_the_merchants_own_mail_that_is_refused_asks_for_no_other(post: PostOffice) -> None:
    order = order_factory.only(order_factory.paid(), "merchant_order_paid")
    post.trouble.append(NO_MAILBOX)

    assert deliver(order, f"merchant_order_paid#{order_factory.CAPTURE}")

    order = Order.fetch(order.id)
    assert (order.emails_due, order.open_issues_shard is not None) == ({}, True)
    ((_, what),) = issues(order)
    assert "your own" in what


def test_refusals_come_to_an_end_where_the_merchants_address_is_refused_too(
    post: PostOffice, sender: Functions
) -> None:
    order, entry = one_mail()
    post.trouble.extend([NO_MAILBOX] * 10)
    assert deliver(order, entry)

    sender.drain("order-emails")

    assert len(post.asked) == 2, "the customer's mail, and the one that tells the merchant"
    assert Order.fetch(order.id).emails_due == {}
    assert len(issues(order)) == 2


def test_a_killed_process_leaves_a_refused_mail_due(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, entry = one_mail()
    post.trouble.append(NO_MAILBOX)
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit", _once_then_die(Transaction.commit))
        with pytest.raises(KeyboardInterrupt):
            deliver(order, entry)

    assert list(Order.fetch(order.id).emails_due) == [entry]


def _once_then_die(commit: Any) -> Any:
    calls: list[int] = []

    def dying(transaction: Transaction, *given: float) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        commit(transaction, *given)

    return dying


# -- what goes along with a mail ----------------------------------------------------------------------------


def test_a_mail_names_its_kind_and_order_to_ses_and_nothing_else(post: PostOffice, setting: Any) -> None:
    ses = boto3.client("sesv2", endpoint_url=post._server.ses)
    ses.create_configuration_set(ConfigurationSetName="test-mail")
    setting(mail_configuration_set="test-mail")
    order, entry = one_mail()

    assert deliver(order, entry)

    (asked,) = post.taken
    assert asked["ConfigurationSetName"] == "test-mail"
    assert {tag["Name"]: tag["Value"] for tag in asked["EmailTags"]} == {
        "mail": "order_paid",
        "order": order.number,
    }


# -- reports of what came back ------------------------------------------------------------------------------


def test_a_bounce_reported_repeatedly_is_one_issue(aws: LocalCloud) -> None:
    order = paid()

    assert deliver_reports(report(order), report(order)) == []
    assert deliver_reports(report(order)) == []

    ((title, what),) = issues(order)
    assert (title, "“Payment confirmation” bounced" in what) == ("Email bounced", True)
    assert "merchant_issue#0" in Order.fetch(order.id).emails_due


def test_a_bounce_that_staff_have_looked_at_does_not_come_again(aws: LocalCloud) -> None:
    order = paid()
    deliver_reports(report(order))
    update_order(order.id, _look_at_it)

    deliver_reports(report(order))

    assert Order.fetch(order.id).open_issues == []


def _look_at_it(order: Order, _: Transaction) -> bool:
    order.resolve_issue(0, "merchant@shop.example", "")
    return True


def test_a_complaint_is_distinguished_from_a_bounce(aws: LocalCloud) -> None:
    order = paid()
    complaint: dict[str, Any] = {"eventType": "Complaint", "complaint": {"complaintFeedbackType": "abuse"}}

    assert deliver_reports(report(order, **complaint), report(order)) == []

    assert {title for title, _ in issues(order)} == {"Email marked as spam", "Email bounced"}


@pytest.mark.parametrize(
    "bounce",
    [
        {"bounceType": "Transient", "bounceSubType": "MailboxFull"},
        {"bounceType": "Transient", "bounceSubType": "MessageTooLarge"},
        {"bounceType": "Undetermined", "bounceSubType": "Undetermined"},
        {**GENERAL, "bouncedRecipients": [{"action": "failed", "status": "4.4.7"}]},
        {**GENERAL, "bouncedRecipients": [{"action": "Failed"}]},
        {**GENERAL, "bouncedRecipients": [{"status": "5.1.1"}]},
        {**GENERAL, "bouncedRecipients": [{"action": "delayed"}, {"action": "failed"}]},
    ],
)
def test_a_bounce_after_which_ses_stops_retrying_is_an_issue_whatever_its_type(
    aws: LocalCloud, bounce: dict[str, Any]
) -> None:
    order = paid()

    assert deliver_reports(report(order, eventType="Bounce", bounce=bounce)) == []

    assert [title for title, _ in issues(order)] == ["Email bounced"]


@pytest.mark.parametrize(
    "said",
    [
        {"eventType": "Bounce", "bounce": GENERAL},
        {
            "eventType": "Bounce",
            "bounce": {**GENERAL, "bouncedRecipients": [{"emailAddress": "a@b.example"}]},
        },
        {
            "eventType": "Bounce",
            "bounce": {**GENERAL, "bouncedRecipients": [{"action": "delayed", "status": "4.2.0"}]},
        },
        {"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}},
        {"eventType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam"}},
        {"eventType": "Delivery", "delivery": {}},
    ],
)
def test_what_arrives_is_nobodys_work(aws: LocalCloud, said: dict[str, Any]) -> None:
    order = paid()

    assert deliver_reports(report(order, **said)) == []

    assert issues(order) == []


@pytest.mark.parametrize(
    ("mailbox", "titles"),
    [
        ("bounce", ["Email bounced"]),
        ("Bounce+paid", ["Email bounced"]),
        ("suppressionlist", ["Email bounced"]),
        ("complaint", ["Email marked as spam"]),
        ("ooto", []),
        ("success", []),
    ],
)
def test_what_the_local_mailbox_simulator_says_is_understood_as_what_it_is(
    aws: LocalCloud, mailbox: str, titles: list[str]
) -> None:
    order = paid()
    mail = {
        "FromEmailAddress": "Shop <shop@example.com>",
        "Destination": {"ToAddresses": ["a@example.org", f"{mailbox}@simulator.amazonses.com"]},
        "EmailTags": [{"Name": "mail", "Value": "order_paid"}, {"Name": "order", "Value": order.number}],
    }

    events = list(simulator.events_of(mail, MESSAGE))

    assert len(events) == (mailbox != "success")
    assert deliver_reports(*map(json.dumps, events)) == []
    assert [title for title, _ in issues(order)] == titles


def test_an_email_accepted_but_not_sent_by_ses_is_an_issue(aws: LocalCloud) -> None:
    order = paid()

    assert deliver_reports(report(order, eventType="Reject", reject={"reason": "Bad content"})) == []

    assert [title for title, _ in issues(order)] == ["Email bounced"]


def test_the_merchants_own_mail_that_comes_back_asks_for_no_other(aws: LocalCloud) -> None:
    order = paid()
    due = set(order.emails_due)

    for number, kind in enumerate(("merchant_order_paid", "merchant_issue", "merchant_issue")):
        assert deliver_reports(report(order, kind, f"{MESSAGE}{number}")) == []

    assert set(Order.fetch(order.id).emails_due) == due
    assert len(issues(order)) == 3


def test_reports_of_no_order_of_this_shop_are_let_go(
    aws: LocalCloud, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Order("0" * 32, number="12345-67890")
    letter = json.loads(report(stranger))
    letter["detail"]["mail"]["tags"] = {"mail": ["account_email"]}

    assert deliver_reports(report(stranger), json.dumps(letter)) == []

    assert caplog.text.count("without an order") == 2
    assert "test@example.org" not in caplog.text


def test_what_is_no_report_fails_alone_and_is_not_quoted(
    aws: LocalCloud, caplog: pytest.LogCaptureFixture
) -> None:
    order = paid()
    good, unknown = json.loads(report(order)), json.loads(report(order, kind="newsletter"))
    without_id = json.loads(report(order))
    del without_id["detail"]["mail"]["messageId"]
    good["detail"]["mail"]["destination"] = ["test@example.org"]
    bad = [json.dumps(event) for event in (unknown, without_id, {"detail": "test@example.org"})]

    assert deliver_reports(*bad, json.dumps(good)) == ["0", "1", "2"]

    assert len(issues(order)) == 1
    assert "test@example.org" not in caplog.text


# -- from end to end ----------------------------------------------------------------------------------------


def test_a_confirmation_that_comes_back_is_on_the_staffs_pages_and_in_the_merchants_mail(
    shop: Shop, post: PostOffice
) -> None:
    _, order_id = shop.paid(MUG=1)
    shop.functions.drain("order-emails")
    order = shop.order(order_id)
    entry = next(entry for entry in order.emails_sent if entry.startswith("order_paid#"))
    (message,) = [event["ses_message_id"] for event in order.history if event["detail"] == entry]
    url = boto3.client("sqs").get_queue_url(QueueName="test-ses-feedback")["QueueUrl"]
    for _ in range(2):
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=report(order, message=message))

    assert shop.functions.drain("ses-feedback") == 2
    shop.functions.drain("order-emails")

    merchant = logged_in(shop.gateway, "merchant")
    assert "“Payment confirmation” bounced" in merchant.get("/staff/attention").text
    page = merchant.get(f"/staff/orders/{order_id}").text
    assert "· bounced" in page
    assert "Email bounced: Payment confirmation." in page
    last = post.taken[-1]
    assert last["Content"]["Simple"]["Subject"]["Data"] == f"Order {order.number}: Email bounced"
    assert settings.shop.merchant_email in last["Destination"]["ToAddresses"][0]
    assert waiting(boto3.client("sqs"), "ses-feedback-dlq") == 0


def test_a_customer_whose_address_is_refused_is_written_about(shop: Shop, post: PostOffice) -> None:
    _, order_id = shop.paid(MUG=1)
    shop.paypal.deliver_pending()
    post.trouble.append(NO_MAILBOX)

    shop.functions.drain("order-emails")

    merchant: Shopper = logged_in(shop.gateway, "merchant")
    assert "address doesn’t exist" in merchant.get(f"/staff/orders/{order_id}").text
    assert waiting(boto3.client("sqs"), "order-emails-dlq") == 0
    assert len(post.taken) == 2, "the merchant's two: of the paid order, and of the mail"
