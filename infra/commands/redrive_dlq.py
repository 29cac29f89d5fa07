"""Redrive a dead-letter queue: `python -m infra.commands.redrive_dlq QUEUE [YES]`.

`make replay QUEUE=… YES= STAGE=…` runs it. Lists the messages, asks for confirmation, sends each message to its
queue, and only then deletes it from the dead-letter queue. If the command is interrupted in between, a message is in
both and is delivered twice. That is harmless: its function acts on the current state, and does nothing a second time.
"""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import aws, clock
from chalicelib.config import settings
from chalicelib.mail import bounces, outbox
from chalicelib.payments.paypal import webhook
from chalicelib.staff.jobs import job_queue
from infra.commands.import_catalog import progress_bar

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

QUEUES = (webhook.QUEUE, outbox.QUEUE, bounces.QUEUE, job_queue.QUEUE)
CALLED_LATER = (bounces.QUEUE, job_queue.QUEUE)  # not queues of ours: their functions are invoked again
DEAD = "-dlq"
MAX_PER_BATCH = 10  # SQS's limit for receiving and sending
MAX_SHOWN = 50
HELD_SECONDS = 60  # how long a page of messages is hidden from other receivers
WAIT_SECONDS = 1  # otherwise SQS asks only a few of its servers, and may miss messages
# Fields with IDs, never with personal data. Other fields of a message, such as an email's address, are not shown.
SHOWN = ("event", "type", "order", "capture", "refund", "entry", "job", "account_email")
_PLAIN = re.compile(r"[A-Za-z0-9_.#-]{1,120}", re.ASCII)


class UnknownQueue(Exception):
    """Raised with the names of the existing queues."""


class NotTaken(Exception):
    """Raised if SQS did not accept messages; they stay in the dead-letter queue."""


@dataclass(frozen=True)
class Resting:
    """The first messages of a dead-letter queue, and their number, which SQS only estimates if there are many."""

    messages: "list[MessageTypeDef]"
    count: int
    held: int  # hidden, because someone has just received them


def main(arguments: list[str]) -> int:
    """Redrive the given queue; return the process's exit status."""
    try:
        name, agreed = read_arguments(arguments)
    except UnknownQueue as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return replay(name, agreed)
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted. The remaining messages are still in the dead-letter queue.", file=sys.stderr)
        return 130
    except (NotTaken, BotoCoreError, ClientError) as error:
        print("Not all messages could be redriven:", *str(error).split(), file=sys.stderr)
        print("The remaining messages are still in the dead-letter queue.", file=sys.stderr)
        return 1


def read_arguments(arguments: Sequence[str]) -> tuple[str, bool]:
    """Return the queue, named as here or as staff see it, and whether it was confirmed already. Raises UnknownQueue."""
    given, yes = (*arguments, "", "")[:2]
    name = given.strip().removesuffix(DEAD)
    name = name if name in QUEUES else name.removeprefix(settings.table_prefix)
    if name not in QUEUES:
        raise UnknownQueue(f"Name one queue: QUEUE={' or QUEUE='.join(QUEUES)}, not {given!r}.")
    return name, yes.strip().lower() in ("1", "y", "yes")


def replay(name: str, agreed: bool) -> int:
    """List the messages, ask for confirmation unless given, and send them; return the exit status. Raises NotTaken."""
    queue = settings.table_prefix + name
    resting = look(aws.queue_url(queue + DEAD))
    if not resting.count and resting.held:
        print(
            f"The messages in {queue}{DEAD} are in use by someone else. Try again in a minute.",
            file=sys.stderr,
        )
        return 1
    if not resting.count:
        print(f"There are no messages in {queue}{DEAD}.")
        return 0
    print(*report(queue, resting), sep="\n")
    if not agreed and not sys.stdin.isatty():
        print(
            "There is no terminal to ask on: nothing was sent. Use YES=1 to send without asking.",
            file=sys.stderr,
        )
        return 2
    if not agreed and input(f"Send all {resting.count} again? [y/N] ").strip().lower() not in ("y", "yes"):
        print("Cancelled: nothing was sent.", file=sys.stderr)
        return 1
    sent = send_again(aws.queue_url(queue + DEAD), name, resting.count)
    print(f"{sent} of {resting.count} sent to {queue} again.")
    return 0


# -- looking ----------------------------------------------------------------------------------------------


def look(dead: str) -> Resting:
    """Read the first messages, and leave them in the queue."""
    count, held = _counted(dead)
    messages: list[MessageTypeDef] = []
    try:
        while len(messages) < MAX_SHOWN:
            page = _receive(dead, min(MAX_PER_BATCH, MAX_SHOWN - len(messages)))
            messages += page
            if not page:
                return Resting(messages, len(messages), held)
    finally:
        _let_go(dead, messages)
    return Resting(messages, max(count, len(messages)), held)


def report(queue: str, resting: Resting) -> list[str]:
    """Return the lines to print: the queue, each message, and how many more there are."""
    more = resting.count - len(resting.messages)
    rest = "message" if resting.count == 1 else "messages"
    lines = [f"{'About ' if more else ''}{resting.count} {rest} in {queue}{DEAD}:"]
    lines += [describe(message) for message in resting.messages]
    return [*lines, f"  and about {more} more"] if more else lines


def describe(message: "MessageTypeDef") -> str:
    """Return a message's ID, age, number of receives (including this command's) and the IDs in its body."""
    attributes = message["Attributes"]
    age = _age(clock.timestamp() - int(attributes["SentTimestamp"]) // 1000)
    times = int(attributes["ApproximateReceiveCount"])
    received = "once" if times == 1 else f"{times} times"
    return f"  {message['MessageId']}  sent {age} ago, received {received}: {named_in(message['Body'])}"


def named_in(body: str) -> str:
    """Return the IDs in a body, without personal data."""
    try:
        message = json.loads(body)
        values = {name: message[name] for name in SHOWN if name in message}
    except (ValueError, TypeError, RecursionError):
        return f"cannot be read ({len(body)} characters)"
    plain = {name: text for name, text in values.items() if isinstance(text, str) and _PLAIN.fullmatch(text)}
    if "order" in plain:
        plain["order"] = f"{plain['order'][:8]}…"  # the full ID opens the customer's page
    return (
        ", ".join(f"{name} {text}" for name, text in plain.items())
        or f"has no ids that can be shown ({len(body)} characters)"
    )


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


# -- sending ----------------------------------------------------------------------------------------------


def send_again(dead: str, name: str, most: int) -> int:
    """Send a page of messages, delete it, and continue; return how many were sent.

    At most as many as were shown, so that messages that fail again meanwhile are not sent repeatedly. Raises
    NotTaken.
    """
    draw = progress_bar(sys.stderr) if most > MAX_PER_BATCH else None
    sent = 0
    while sent < most and (page := _receive(dead, min(MAX_PER_BATCH, most - sent))):
        sent += _call(dead, name, page) if name in CALLED_LATER else _send(dead, name, page)
        if draw:
            draw(sent, most)
    return sent


def _call(dead: str, name: str, page: "list[MessageTypeDef]") -> int:
    for message in page:
        aws.call_later(name, message["Body"])
        _take_away(dead, [message])
    return len(page)


def _send(dead: str, name: str, page: "list[MessageTypeDef]") -> int:
    answer = aws.client("sqs").send_message_batch(
        QueueUrl=aws.queue_url(settings.table_prefix + name),
        Entries=[{"Id": str(number), "MessageBody": one["Body"]} for number, one in enumerate(page)],
    )
    refused = {int(failure["Id"]) for failure in answer.get("Failed", [])}
    taken = [one for number, one in enumerate(page) if number not in refused]
    _take_away(dead, taken)
    if refused:
        _let_go(dead, [page[number] for number in sorted(refused)])
        raise NotTaken(f"SQS rejected {len(refused)} of {len(page)} messages.")
    return len(taken)


def _take_away(dead: str, messages: "list[MessageTypeDef]") -> None:
    if not messages:
        return
    answer = aws.client("sqs").delete_message_batch(
        QueueUrl=dead,
        Entries=[
            {"Id": str(number), "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)
        ],
    )
    if answer.get("Failed"):
        raise NotTaken(
            f"{len(answer['Failed'])} were sent but could not be deleted from the dead-letter queue: they may be processed twice."
        )


# -- the queue --------------------------------------------------------------------------------------------


def _counted(queue: str) -> tuple[int, int]:
    """Return the numbers of messages that are waiting and in flight."""
    there = aws.client("sqs").get_queue_attributes(
        QueueUrl=queue,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return int(there["ApproximateNumberOfMessages"]), int(there["ApproximateNumberOfMessagesNotVisible"])


def _receive(queue: str, most: int) -> "list[MessageTypeDef]":
    answer = aws.client("sqs").receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=most,
        VisibilityTimeout=HELD_SECONDS,
        WaitTimeSeconds=WAIT_SECONDS,
        AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
    )
    return answer.get("Messages", [])


def _let_go(queue: str, messages: "list[MessageTypeDef]") -> None:
    """Make the messages visible to others now; if that fails, they are visible in a minute."""
    for start in range(0, len(messages), MAX_PER_BATCH):
        page = messages[start : start + MAX_PER_BATCH]
        aws.client("sqs").change_message_visibility_batch(
            QueueUrl=queue,
            Entries=[
                {"Id": str(number), "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, one in enumerate(page)
            ],
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
