"""What always fails rests, and holds nobody back; sent round again it does what is still to be done, and no more."""

import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any
from unittest import mock

import boto3
import pytest

from chalicelib.aws import client, queue_url
from chalicelib.config import settings
from chalicelib.mail import bounces
from chalicelib.staff.jobs import job_kinds, job_queue, job_worker
from chalicelib.staff.models import Job
from infra.commands import redrive_dlq
from infra.commands.redrive_dlq import QUEUES, main
from tests.infra.commands.test_redrive import lying_in, rest
from tests.invariants import check_money
from tests.mail.test_bounces import report
from tests.shop import Shop, message
from tests.staff.staff_client import member

NOTIFICATIONS, MAILS, FEEDBACK, JOBS = QUEUES
TRIES, CALLS = 5, 3  # of a queue, and where its function is called for later
POISON = ["not json", "{}", "[]", '{"type": 7, "order": [], "entry": ""}']


@pytest.fixture(autouse=True)
def _at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive_dlq, "WAIT_SECONDS", 0)
    monkeypatch.setattr(sys, "stdin", StringIO())
    queue_url.cache_clear()


class Errand:
    """A kind of long work: what was done of it, and whether it breaks off."""

    done: list[str]
    breaks_off: bool


def run(job: Job) -> None:
    """Do the errand."""
    if Errand.breaks_off:
        raise RuntimeError("a neighbour was silent")
    Errand.done.append(job.id)


@pytest.fixture
def errand() -> Iterator[None]:
    """Let there be a kind of work called errand."""
    Errand.done, Errand.breaks_off = [], False
    kind = job_kinds.JobKind("an errand", "/staff/books", "Books")
    with (
        mock.patch.dict(job_kinds.KINDS, {"errand": kind}),
        mock.patch.dict(job_worker.HANDLERS, {"errand": run}),
    ):
        yield


def send(queue: str, body: str) -> None:
    client("sqs").send_message(QueueUrl=queue_url(f"test-{queue}"), MessageBody=body)


def good_work(shop: Shop, queue: str) -> Any:
    """Put something good onto a queue; return a function that tells whether it was done."""
    if queue == JOBS:
        job = job_queue.start(member("merchant"), "errand", {})
        return lambda: Errand.done == [job.id]
    _, order_id = shop.paid()
    if queue == MAILS:
        return lambda: len(shop.order(order_id).emails_sent) == 2
    if queue == FEEDBACK:
        send(queue, report(shop.order(order_id)))
        return lambda: [issue["kind"] for issue in shop.order(order_id).issues] == [bounces.BOUNCED]
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.paypal.deliver_pending()
    return lambda: shop.order(order_id).refunded == 500


@pytest.mark.usefixtures("errand")
@pytest.mark.parametrize("queue", QUEUES)
def test_poison_rests_after_its_last_try_and_holds_nobody_back(shop: Shop, queue: str) -> None:
    for body in POISON:
        send(queue, body)
    was_done = good_work(shop, queue)

    shop.functions.drain(queue)  # each message once

    assert was_done()
    assert lying_in(f"test-{queue}-dlq") == []
    for body in POISON:
        send(queue, body)
    tries = CALLS if queue in (FEEDBACK, JOBS) else TRIES
    assert shop.functions.drain(queue, again=True) == tries * len(POISON)
    assert lying_in(f"test-{queue}-dlq") == sorted(POISON)


# -- what failed, and is mended ---------------------------------------------------------------------------


def test_a_refund_that_paypal_did_not_know_is_booked_by_a_replay(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.paypal.deliver_pending()
    shop.paypal.fault("refund_get", "404", times=None)
    shop.functions.drain(NOTIFICATIONS, again=True)
    assert len(lying_in(f"test-{NOTIFICATIONS}-dlq")) == 1
    shop.paypal.clear_faults()

    assert main([NOTIFICATIONS, "1"]) == 0
    shop.functions.drain(NOTIFICATIONS)

    assert shop.order(order_id).refunded == 500
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    check_money(shop)


def test_mails_that_ses_refused_go_out_by_a_replay(shop: Shop) -> None:
    _, order_id = shop.paid()
    boto3.client("sesv2").delete_email_identity(EmailIdentity=settings.shop.email)
    shop.functions.drain(MAILS, again=True)
    assert len(shop.order(order_id).emails_due) == 2
    boto3.client("sesv2").create_email_identity(EmailIdentity=settings.shop.email)

    assert main([MAILS, "1"]) == 0
    shop.functions.drain(MAILS)

    assert sent_mails(shop, order_id) == 2
    assert shop.order(order_id).emails_due == {}


def sent_mails(shop: Shop, order_id: str) -> int:
    return sum(event["event"] == "email_sent" for event in shop.order(order_id).history)


@pytest.mark.usefixtures("errand")
def test_work_that_broke_off_is_done_by_a_replay(shop: Shop) -> None:
    Errand.breaks_off = True
    job = job_queue.start(member("merchant"), "errand", {})
    shop.functions.drain(JOBS, again=True)
    Errand.breaks_off = False

    assert main([JOBS, "1"]) == 0
    shop.functions.drain(JOBS)

    assert Errand.done == [job.id]


# -- what was done already --------------------------------------------------------------------------------


def test_a_notification_that_was_settled_changes_nothing_when_it_is_replayed(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.paypal.reverse(shop.order(order_id).capture_id or "", "1.00")
    shop.paypal.deliver_pending()
    told = lying_in(f"test-{NOTIFICATIONS}")
    shop.functions.drain(NOTIFICATIONS)
    before = shop.order(order_id).version  # raised by each write
    assert len(told) >= 3
    rest([*told, *told], f"test-{NOTIFICATIONS}")

    assert main([NOTIFICATIONS, "1"]) == 0
    shop.functions.drain(NOTIFICATIONS, again=True)

    assert shop.order(order_id).version == before
    check_money(shop)
    assert lying_in(f"test-{NOTIFICATIONS}-dlq") == []


def test_a_mail_that_was_sent_is_not_sent_again_by_a_replay(shop: Shop) -> None:
    _, order_id = shop.paid()
    told = lying_in(f"test-{MAILS}")
    shop.functions.drain(MAILS)
    assert (len(told), sent_mails(shop, order_id)) == (2, 2)
    rest([*told, *told], f"test-{MAILS}")

    assert main([MAILS, "1"]) == 0
    shop.functions.drain(MAILS, again=True)

    assert sent_mails(shop, order_id) == 2
    assert lying_in(f"test-{MAILS}-dlq") == []


@pytest.mark.usefixtures("errand")
def test_work_that_was_done_is_not_done_again_by_a_replay(shop: Shop) -> None:
    job = job_queue.start(member("merchant"), "errand", {})
    shop.functions.drain(JOBS)
    rest([message(job=job.id)] * 2, f"test-{JOBS}")

    assert main([JOBS, "1"]) == 0
    shop.functions.drain(JOBS, again=True)

    assert Errand.done == [job.id]
    assert lying_in(f"test-{JOBS}-dlq") == []
