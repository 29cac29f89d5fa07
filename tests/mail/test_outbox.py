"""Every due mail is sent, and at most once for each answer of SES that is not lost."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from pynamodb.exceptions import PutError

from chalicelib import aws as clients
from chalicelib.config import settings
from chalicelib.database.transactions import OutcomeUnknown, Transaction
from chalicelib.errors import ServiceUnavailable
from chalicelib.mail import outbox, sender
from chalicelib.orders.enums import EmailKind, HistoryEvent
from chalicelib.orders.models import Order
from infra.local.create_resources import TRIES
from infra.local.event_functions import Functions
from tests.mail import order_factory
from tests.mail.fake_ses import PostOffice

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUE = "order-emails"
PassTime = Callable[[int], None]


class Killed(BaseException):
    """As a process ends that is killed: nothing catches it."""


@pytest.fixture
def sqs(aws: object) -> "SQSClient":
    return boto3.client("sqs")


def waiting(sqs: "SQSClient", name: str = QUEUE) -> int:
    url = sqs.get_queue_url(QueueName=settings.table_prefix + name)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(answer["ApproximateNumberOfMessages"]) + int(answer["ApproximateNumberOfMessagesNotVisible"])


def bodies(sqs: "SQSClient") -> list[dict[str, Any]]:
    url = sqs.get_queue_url(QueueName=settings.table_prefix + QUEUE)["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    return [json.loads(message["Body"]) for message in messages]


def record(order: Order, entry: str, identifier: str = "1") -> dict[str, Any]:
    return {"messageId": identifier, "body": json.dumps({"order": order.id, "entry": entry})}


def deliver(order: Order, entry: str) -> bool:
    """Give the sender one message; tell whether it succeeded."""
    return sender.send_order_emails([record(order, entry)]) == {"batchItemFailures": []}


def one_mail() -> tuple[Order, str]:
    order = order_factory.only(order_factory.paid(), "order_paid")
    (entry,) = order.emails_due
    return order, entry


# -- announcing ---------------------------------------------------------------------------------------------


def test_messages_about_due_emails_contain_no_personal_data(sqs: "SQSClient") -> None:
    order = order_factory.paid()

    outbox.enqueue(order)

    told = sorted(bodies(sqs), key=lambda body: body["entry"])
    assert told == [
        {"order": order.id, "entry": f"merchant_order_paid#{order_factory.CAPTURE}"},
        {"order": order.id, "entry": f"order_paid#{order_factory.CAPTURE}"},
    ]


def test_an_email_being_sent_is_not_enqueued_again(sqs: "SQSClient") -> None:
    order = order_factory.paid()
    claim = outbox.claim(order.id, f"order_paid#{order_factory.CAPTURE}")
    assert claim is not None

    outbox.enqueue(claim.order)

    assert [body["entry"] for body in bodies(sqs)] == [f"merchant_order_paid#{order_factory.CAPTURE}"]


def test_more_mails_than_a_batch_holds_are_all_announced(sqs: "SQSClient") -> None:
    order = order_factory.paid()
    order.emails_due = {f"refund_completed#R{number}": 0 for number in range(23)}

    outbox.enqueue(order)

    assert waiting(sqs) == 23


def test_an_order_that_owes_nothing_announces_nothing(sqs: "SQSClient") -> None:
    outbox.enqueue(order_factory.placed())

    assert waiting(sqs) == 0


def test_a_queue_that_is_away_breaks_nothing(
    sqs: "SQSClient", caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    monkeypatch.setattr(clients, "ATTEMPTS", {"sqs": 1})
    monkeypatch.delitem(clients._clients, "sqs", raising=False)

    outbox.enqueue(order_factory.paid())

    assert "not queued" in caplog.text
    monkeypatch.delitem(clients._clients, "sqs")


# -- sending ------------------------------------------------------------------------------------------------


def test_due_mails_are_sent_and_struck_out(sqs: "SQSClient", sender: Functions, post: PostOffice) -> None:
    order = order_factory.paid()
    outbox.enqueue(order)

    sender.drain(QUEUE)

    assert len(post.taken) == 2
    order = Order.fetch(order.id)
    assert order.emails_due == {}
    assert order.emails_sent.keys() == {
        f"order_paid#{order_factory.CAPTURE}",
        f"merchant_order_paid#{order_factory.CAPTURE}",
    }
    assert [event["detail"] for event in order.history if event["event"] == "email_sent"] == list(
        order.emails_sent
    )
    assert not order.next_email_at
    assert waiting(sqs) == 0


def test_a_message_that_comes_twice_sends_one_mail(post: PostOffice) -> None:
    order, entry = one_mail()

    results = [deliver(order, entry), deliver(order, entry)]
    twice = sender.send_order_emails([record(order, entry, "1"), record(order, entry, "2")])

    assert results == [True, True]
    assert twice == {"batchItemFailures": []}
    assert len(post.taken) == 1


def test_a_mail_that_was_sent_is_never_owed_again(post: PostOffice) -> None:
    order, entry = one_mail()
    deliver(order, entry)

    order = Order.fetch(order.id)
    order.queue_email(EmailKind.ORDER_PAID, order_factory.CAPTURE)

    assert order.emails_due == {}


def test_a_mail_that_is_being_sent_goes_back_to_the_queue(post: PostOffice) -> None:
    order, entry = one_mail()
    second: list[bool] = []
    post.meanwhile = lambda: second.append(deliver(order, entry))

    assert deliver(order, entry)

    assert second == [False]
    assert len(post.taken) == 1


def test_a_lease_that_ended_is_taken_over(post: PostOffice, pass_time: PassTime) -> None:
    order, entry = one_mail()
    outbox.claim(order.id, entry)
    assert not deliver(order, entry)

    pass_time(outbox.LEASE_SECONDS + 1)

    assert deliver(order, entry)
    assert len(post.taken) == 1


def test_two_claims_of_the_same_second_have_different_leases(aws: object) -> None:
    leases = {outbox._new_lease() for _ in range(50)}

    assert len(leases) > 45


def test_a_claim_whose_answer_was_lost_is_still_ours(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, entry = one_mail()
    commit, lost = Transaction.commit, [True]

    def losing(self: Transaction) -> None:
        commit(self)
        if lost:
            lost.pop()
            raise OutcomeUnknown("the answer was lost")

    monkeypatch.setattr(Transaction, "commit", losing)

    assert deliver(order, entry)
    assert len(post.taken) == 1


def test_one_bad_message_fails_alone(post: PostOffice) -> None:
    order, entry = one_mail()
    records = [
        {"messageId": "junk", "body": "not json"},
        record(order, entry, "good"),
        {"messageId": "list", "body": "[]"},
        {"messageId": "number", "body": json.dumps({"order": 7, "entry": entry})},
        {"messageId": "short", "body": json.dumps({"order": order.id})},
        {
            "messageId": "pointer",
            "body": json.dumps({"order": f"capture#{order_factory.CAPTURE}", "entry": entry}),
        },
        {"messageId": "no movement", "body": json.dumps({"order": order.id, "entry": "order_paid"})},
        {"messageId": "unknown kind", "body": json.dumps({"order": order.id, "entry": "newsletter#1"})},
        {"messageId": "unknown order", "body": json.dumps({"order": "0" * 32, "entry": entry})},
    ]

    answer = sender.send_order_emails(records)

    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    assert failed == {entry["messageId"] for entry in records} - {"good"}
    assert len(post.taken) == 1


def test_a_message_that_can_never_be_sent_rests_with_the_dead_letters(
    sqs: "SQSClient", sender: Functions, post: PostOffice
) -> None:
    url = sqs.get_queue_url(QueueName=settings.table_prefix + QUEUE)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")

    sender.drain(QUEUE, again=True)

    assert waiting(sqs) == 0
    assert waiting(sqs, f"{QUEUE}-dlq") == 1


# -- when SES refuses, or its answer is lost ------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        "400 MessageRejected",
        "400 MailFromDomainNotVerifiedException",
        "400 BadRequestException",
        "403 AccessDeniedException",
        "429 TooManyRequestsException",
    ],
)
def test_a_mail_that_ses_refuses_is_tried_again_at_once(
    post: PostOffice, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    order, entry = one_mail()
    post.trouble.append(trouble)

    assert not deliver(order, entry)
    assert Order.fetch(order.id).emails_due == {entry: 0}
    assert trouble.split()[1] in caplog.text
    assert "test@" not in caplog.text

    assert deliver(order, entry)
    assert (len(post.asked), len(post.taken)) == (2, 1)


def test_a_mail_that_ses_always_refuses_rests_with_the_dead_letters(
    sqs: "SQSClient", sender: Functions, post: PostOffice
) -> None:
    order, entry = one_mail()
    post.trouble.extend(["400 MessageRejected"] * 10)
    outbox.enqueue(order)

    sender.drain(QUEUE, again=True)

    assert len(post.asked) == TRIES
    assert waiting(sqs, f"{QUEUE}-dlq") == 1
    assert entry in Order.fetch(order.id).emails_due


def test_ses_itself_refuses_a_sender_that_is_not_verified(post: PostOffice) -> None:
    order, entry = one_mail()
    boto3.client("sesv2", endpoint_url=post._server.ses).delete_email_identity(
        EmailIdentity=settings.shop.email
    )

    assert not deliver(order, entry)

    assert (len(post.asked), len(post.taken)) == (1, 0)
    assert Order.fetch(order.id).emails_due == {entry: 0}


def test_ses_that_cannot_be_reached_costs_no_lease(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    order, entry = one_mail()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")

    assert not deliver(order, entry)

    assert Order.fetch(order.id).emails_due == {entry: 0}


@pytest.mark.parametrize(
    "trouble",
    [
        "cut after",
        "cut before",
        "500 InternalFailure",
        "silent after",
        "page 200",
        "page 403",
        "page 504",
        "half",
        "empty",
    ],
)
def test_a_lost_answer_costs_at_most_one_extra_mail(
    post: PostOffice, pass_time: PassTime, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clients.READ_SECONDS, "sesv2", 0.5)
    order, entry = one_mail()
    post.trouble.append(trouble)

    assert not deliver(order, entry)
    assert len(post.asked) == 1, "one attempt, or botocore's retries would mail again"
    assert not deliver(order, entry), "while the lease lasts nobody sends"
    assert len(post.asked) == 1

    pass_time(outbox.LEASE_SECONDS + 1)
    assert deliver(order, entry)
    assert deliver(order, entry)
    assert len(post.taken) == (1 if trouble == "cut before" else 2)


def test_a_process_killed_after_ses_took_the_mail_costs_one_extra(
    post: PostOffice, pass_time: PassTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, entry = one_mail()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", die)
        with pytest.raises(Killed):
            deliver(order, entry)
    assert not deliver(order, entry)

    pass_time(outbox.LEASE_SECONDS + 1)
    assert deliver(order, entry)
    assert deliver(order, entry)
    assert len(post.taken) == 2


def test_striking_out_is_tried_until_it_works_and_the_mail_goes_out_once(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, entry = one_mail()
    monkeypatch.setattr(outbox, "PAUSES", (0, 0, 0))
    troubles: list[Exception] = [ServiceUnavailable("contended"), PutError(), ServiceUnavailable("contended")]
    mark_sent = outbox._mark_sent

    def failing(claim: outbox.Claim, event: HistoryEvent, message: str) -> None:
        if troubles:
            raise troubles.pop()
        mark_sent(claim, event, message)

    monkeypatch.setattr(outbox, "_mark_sent", failing)

    assert deliver(order, entry)

    assert Order.fetch(order.id).emails_due == {}
    assert len(post.taken) == 1


def test_a_mail_that_cannot_be_struck_out_is_not_sent_again_while_its_lease_lasts(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, entry = one_mail()
    monkeypatch.setattr(outbox, "PAUSES", (0,))

    def failing(*_: object) -> None:
        raise ServiceUnavailable("contended")

    monkeypatch.setattr(outbox, "_mark_sent", failing)

    answer = sender.send_order_emails([record(order, entry, "1"), record(order, entry, "2")])

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["1", "2"]
    assert len(post.taken) == 1


def test_a_change_of_the_order_while_its_mail_is_sent_is_kept(post: PostOffice) -> None:
    order, entry = one_mail()

    def refund() -> None:
        order_factory.refunded(order, 500)

    post.meanwhile = refund

    assert deliver(order, entry)

    order = Order.fetch(order.id)
    assert list(order.emails_due) == ["refund_completed#REF1"]
    assert list(order.emails_sent) == [entry]
    assert order.next_email_at
