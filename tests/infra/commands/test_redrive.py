"""`make replay QUEUE=…`: what it shows, what it asks, and what it sends round again."""

import io
import json
import sys
from collections.abc import Iterable
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.aws import client, queue_url
from infra.commands import redrive_dlq
from infra.commands.redrive_dlq import QUEUES, main
from infra.local import create_resources
from tests.local.wait_until import eventually

MAILS = "test-order-emails"
CAPTURE = "5AB12345CD678901E"
ORDER = "0123456789abcdef0123456789abcdef"


class Killed(BaseException):
    """As a process ends that is killed: nothing catches it."""


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def _at_once(aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive_dlq, "WAIT_SECONDS", 0)  # the local cloud is one server, and knows at once
    queue_url.cache_clear()
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def rest(bodies: Iterable[str], queue: str = MAILS) -> None:
    """Lay bodies to rest in a dead-letter queue."""
    for body in bodies:
        client("sqs").send_message(QueueUrl=queue_url(f"{queue}-dlq"), MessageBody=body)


def mail(number: int = 1) -> str:
    return json.dumps({"order": ORDER, "entry": f"order_paid#{CAPTURE[:-1]}{number}"})


def lying_in(queue: str) -> list[str]:
    """Read all bodies that can be received from a queue now, and leave them there."""
    sqs, url = client("sqs"), queue_url(queue)
    found: list[Any] = []
    while page := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        found += page
    for one in found:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    return sorted(one["Body"] for one in found)


def typing(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(words))


# -- looking and asking -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_at_once")
def test_it_shows_what_rests_and_sends_it_after_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rest([mail()])
    typing(monkeypatch, "y\n")

    assert main(["order-emails", ""]) == 0

    title, line, end = capsys.readouterr().out.splitlines()
    assert title == f"1 message in {MAILS}-dlq:"
    assert "sent less than a minute ago, received once: " in line
    assert line.endswith(f"order {ORDER[:8]}…, entry order_paid#{CAPTURE[:-1]}1")
    assert ORDER not in line  # it would open the customer's page
    assert end == f"Send all 1 again? [y/N] 1 of 1 sent to {MAILS} again."
    assert (lying_in(MAILS), lying_in(f"{MAILS}-dlq")) == ([mail()], [])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("words", ["n\n", "\n", "yesterday\n"])
def test_without_a_yes_it_sends_nothing_and_everything_rests_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    rest([mail(), mail(2)])
    typing(monkeypatch, words)

    assert main(["order-emails"]) == 1

    assert capsys.readouterr().err == "Cancelled: nothing was sent.\n"
    assert (lying_in(MAILS), lying_in(f"{MAILS}-dlq")) == ([], [mail(), mail(2)])


@pytest.mark.usefixtures("_at_once")
def test_an_end_of_input_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    rest([mail()])
    typing(monkeypatch, "")
    assert main(["order-emails"]) == 130
    assert lying_in(f"{MAILS}-dlq") == [mail()]


@pytest.mark.usefixtures("_at_once")
def test_where_nobody_can_be_asked_it_shows_and_says_how_to_agree(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rest([mail()])

    assert main(["order-emails"]) == 2

    said = capsys.readouterr()
    assert "1 message in" in said.out
    assert said.err == "There is no terminal to ask on: nothing was sent. Use YES=1 to send without asking.\n"
    assert lying_in(f"{MAILS}-dlq") == [mail()]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", ["order-emails", "order-emails-dlq", f"{MAILS}-dlq", MAILS])
def test_a_yes_may_be_given_before_and_the_queue_named_as_staff_see_it(name: str) -> None:
    rest([mail()])
    assert main([name, "1"]) == 0
    assert lying_in(MAILS) == [mail()]


@pytest.mark.parametrize("arguments", [[], [""], ["mails"], ["-dlq"], ["order-emails-dlq-dlq"]])
def test_an_unknown_queue_is_answered_with_the_known_ones(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert all(f"QUEUE={name}" in error for name in QUEUES)


def test_it_knows_every_queue_of_the_shop() -> None:
    assert set(QUEUES) == set(create_resources.QUEUES)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("queue", QUEUES)
def test_an_empty_queue_is_said_to_be(queue: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([queue]) == 0
    assert capsys.readouterr().out == f"There are no messages in test-{queue}-dlq.\n"


@pytest.mark.usefixtures("_at_once")
def test_messages_in_use_elsewhere_are_not_reported_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    rest([mail()])
    client("sqs").receive_message(QueueUrl=queue_url(f"{MAILS}-dlq"))
    assert main(["order-emails", "1"]) == 1
    assert "Try again in a minute" in capsys.readouterr().err


@pytest.mark.usefixtures("_at_once")
def test_a_queue_that_is_not_there_is_one_clear_line(
    setting: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    setting(table_prefix="nowhere-")
    assert main(["order-emails", "1"]) == 1
    assert "could be redriven: An error occurred" in capsys.readouterr().err


# -- nothing of a person ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"account_email": "forgotten", "email": "erika@example.org"}', "account_email forgotten"),
        ('{"job": "0123456789abcdef0123456789abcdef"}', "job 0123456789abcdef0123456789abcdef"),
        (
            '{"event": "WH-1", "type": "PAYMENT.CAPTURE.REFUNDED", "refund": "R1", "capture": "C1", "order": "O1"}',
            "event WH-1, type PAYMENT.CAPTURE.REFUNDED, order O1…, capture C1, refund R1",
        ),
        ('{"order": "erika@example.org", "entry": ["x"]}', "has no ids that can be shown (46 characters)"),
        ('{"order": "\\u001b[2J", "event": 7}', "has no ids that can be shown (34 characters)"),
        ('{"name": "Erika"}', "has no ids that can be shown (17 characters)"),
        ("[]", "has no ids that can be shown (2 characters)"),
        ("not json, Erika", "cannot be read (15 characters)"),
        ('"order"', "cannot be read (7 characters)"),
        ("7", "cannot be read (1 characters)"),
        ("[" * 10000, "cannot be read (10000 characters)"),
    ],
)
def test_message_bodies_are_shown_by_their_ids_only(body: str, told: str) -> None:
    assert redrive_dlq.named_in(body) == told


@pytest.mark.usefixtures("_at_once")
def test_an_unreadable_message_is_redriven_unchanged() -> None:
    rest(["not json"])
    assert main(["order-emails", "1"]) == 0
    assert lying_in(MAILS) == ["not json"]


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (59, "less than a minute"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (7200, "2 hours"),
        (14 * 86400, "14 days"),
    ],
)
def test_an_age_is_rounded(seconds: int, age: str) -> None:
    assert redrive_dlq._age(seconds) == age


# -- many, and what goes wrong ----------------------------------------------------------------------------


@pytest.mark.usefixtures("_at_once")
def test_many_are_sent_in_pages_with_a_bar_and_the_first_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [mail(number) for number in range(36)]
    rest(bodies)
    monkeypatch.setattr(redrive_dlq, "MAX_SHOWN", 13)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    sqs = client("sqs")

    with mock.patch.object(sqs, "_make_api_call", wraps=sqs._make_api_call) as calls:  # type: ignore[attr-defined]  # where all calls pass
        assert main(["order-emails", "1"]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"About 36 messages in {MAILS}-dlq:"
    assert (len(shown), shown[-2], shown[-1]) == (
        16,
        "  and about 23 more",
        f"36 of 36 sent to {MAILS} again.",
    )
    assert "░ 10/36" in terminal.getvalue()
    assert lying_in(MAILS) == sorted(bodies)
    asked = [call.args[0] for call in calls.call_args_list]
    assert [asked.count(one) for one in ("SendMessageBatch", "DeleteMessageBatch")] == [4, 4]
    assert len(asked) <= 20


@pytest.mark.usefixtures("_at_once")
def test_what_comes_while_it_asks_is_not_sent_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    rest([mail()])
    typing(monkeypatch, "")

    def think(question: str) -> str:
        rest([mail(2)])
        return "y"

    with mock.patch("builtins.input", think):
        assert main(["order-emails"]) == 0
    assert (len(lying_in(MAILS)), len(lying_in(f"{MAILS}-dlq"))) == (1, 1)


@pytest.mark.usefixtures("_at_once")
def test_what_sqs_does_not_take_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    rest([mail(), mail(2)])
    sqs = client("sqs")
    send = sqs.send_message_batch

    def take_one(**asked: Any) -> Any:
        answer = send(QueueUrl=asked["QueueUrl"], Entries=asked["Entries"][:1])
        return answer | {"Failed": [{"Id": "1", "Code": "Busy", "SenderFault": False}]}

    with mock.patch.object(sqs, "send_message_batch", take_one):
        assert main(["order-emails", "1"]) == 1
    assert "SQS rejected 1 of 2" in capsys.readouterr().err
    assert sorted([*lying_in(MAILS), *lying_in(f"{MAILS}-dlq")]) == [mail(), mail(2)]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("end", [Killed(), EndpointConnectionError(endpoint_url="x")])
def test_an_interrupted_redrive_loses_nothing(end: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    rest([mail()])
    monkeypatch.setattr(redrive_dlq, "HELD_SECONDS", 1)
    sqs = client("sqs")

    for call, sent in (("send_message_batch", []), ("delete_message_batch", [mail()])):
        with mock.patch.object(sqs, call, side_effect=end):
            try:
                assert main(["order-emails", "1"]) == 1
            except Killed:
                assert isinstance(end, Killed)
        assert lying_in(MAILS) == sent
        eventually(lambda: lying_in(f"{MAILS}-dlq") == [mail()])

    assert main(["order-emails", "1"]) == 0
    assert lying_in(MAILS) == [mail(), mail()]  # twice, which test_dead_letters finds harmless
    assert lying_in(f"{MAILS}-dlq") == []
