"""Clients of S3, SQS, SES, SSM and Lambda: made on first use, kept while the process lives, never patient for long.

Every call, DynamoDB's too, ends with the time that `clock.answering_within` gives to a request.
"""

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

from botocore.exceptions import BotoCoreError

from chalicelib import deadlines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

# SES knows no request token: a retry after a lost answer is a second mail. The outbox decides when to try again.
ATTEMPTS = {"s3": 3, "sqs": 2, "sesv2": 1, "ssm": 2, "lambda": 2}
SERVICES = ("dynamodb", *ATTEMPTS)  # whose data is packaged
CONNECT_SECONDS = 2
READ_SECONDS = {"s3": 10, "sqs": 4, "sesv2": 10, "ssm": 4, "lambda": 4}  # a customer waits for SQS
NOT_FOUND_CODES = {"404", "NoSuchKey", "NotFound"}  # what S3 says of a key that nothing lies under
_clients: dict[str, Any] = {}
_making = threading.Lock()  # boto3's default session is not safe to make clients with from two threads


@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
@overload
def client(service: Literal["sesv2"]) -> "SESV2Client": ...
@overload
def client(service: Literal["ssm", "lambda"]) -> Any: ...
def client(service: Literal["s3", "sqs", "sesv2", "ssm", "lambda"]) -> Any:
    """Return the process's client of a service; address, region and credentials are found as boto3 finds them."""
    if service not in _clients:
        with _making:
            if service not in _clients:
                _clients[service] = _make(service)
    if ATTEMPTS[service] == 1:
        # Lambda freezes a process between events: what was kept open since then may be cut, which only the first
        # thing that is sent finds out. Who is asked a single time is asked by a connection of its own.
        _clients[service].close()
    return _clients[service]


def _make(service: Literal["s3", "sqs", "sesv2", "ssm", "lambda"]) -> Any:
    # Imported here: 200 ms that a page without queue, mail or books does not pay.
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS[service],
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS[service]},
        signature_version="s3v4"
        if service == "s3"
        else None,  # links signed the old way hold in old regions only
        # Else forms and links are signed for an address that S3 redirects from, which no form survives.
        s3={"addressing_style": "path" if _has_custom_endpoint(service) else "virtual"},
    )
    made = boto3.client(service, config=config)
    keep_deadline(made, READ_SECONDS[service])
    return made


class OutOfTime(BotoCoreError):
    """Raised instead of sending a call when the request's time is over. botocore does not retry it."""

    fmt = "No time is left for this call."


def keep_deadline(client: Any, read_seconds: float) -> None:
    """Let no attempt of a client's calls wait longer than what is left of the request's time.

    Connecting keeps its own short timeout. An attempt that would begin too late raises OutOfTime.
    """

    def shorten(request: Any, **_: object) -> None:
        remaining = deadlines.remaining()
        if remaining <= 0:
            raise OutOfTime
        if remaining < read_seconds:
            request.context["read_timeout"] = remaining

    def give_up(caught_exception: Exception | None, **_: object) -> None:
        if caught_exception is not None and deadlines.remaining() <= 0:
            raise caught_exception  # instead of a pause before an attempt that would not be sent

    client.meta.events.register("before-send", shorten)
    client.meta.events.register_first("needs-retry", give_up)


def _has_custom_endpoint(service: str) -> bool:
    # boto's own variables. On one's own machine no name server knows bucket.localhost.
    return bool(os.environ.get("AWS_ENDPOINT_URL") or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}"))


def object_size(bucket: str, key: str) -> int | None:
    """Return the bytes of an object in S3; None where there is none."""
    from botocore.exceptions import ClientError  # with boto3's weight, as above

    try:
        return client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_FOUND_CODES:
            return None
        raise


def download_link(bucket: str, key: str, seconds: int, *, save_as: str = "") -> str:
    """Make a link to an object that anybody who has it can use for so many seconds, to be saved under a name."""
    disposition = {"ResponseContentDisposition": f'attachment; filename="{save_as}"'} if save_as else {}
    return client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key, **disposition}, ExpiresIn=seconds
    )


@cache
def queue_url(name: str) -> str:
    """Find a queue's address by its whole name, once a process."""
    return client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def messages_in(name: str) -> int:
    """Count the messages of a queue, by its whole name, also those that somebody holds."""
    answer = client("sqs").get_queue_attributes(
        QueueUrl=queue_url(name),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(number) for number in answer["Attributes"].values())


def call_later(name: str, message: str) -> None:
    """Have a function work on a message, JSON, soon and at least once: it is invoked, and again where it fails.

    Raises what boto3 raises where nobody takes the message. On one's own machine a queue stands in for Lambda's own.
    """
    # Imported here: who packages reads this module without a shop's environment.
    from chalicelib.config import settings

    if settings.function_prefix:
        client("lambda").invoke(
            FunctionName=settings.function_prefix + name, InvocationType="Event", Payload=message
        )
    else:
        client("sqs").send_message(QueueUrl=queue_url(settings.table_prefix + name), MessageBody=message)
