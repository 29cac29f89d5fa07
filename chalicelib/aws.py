"""Clients of S3, SQS, SES, SSM and Lambda: created on first use, kept while the process lives, with short timeouts.

Every call, DynamoDB's too, ends with the time that `deadlines.answering_within` gives to a request.
"""

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import quote

from botocore.exceptions import BotoCoreError

from chalicelib import deadlines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

# SES has no request token: a retry after a lost answer would send a second email. The outbox decides when to
# retry.
ATTEMPTS = {"s3": 3, "sqs": 2, "sesv2": 1, "ssm": 2, "lambda": 2}
SERVICES = ("dynamodb", *ATTEMPTS)  # whose data files are packaged
CONNECT_SECONDS = 2
READ_SECONDS = {"s3": 10, "sqs": 4, "sesv2": 10, "ssm": 4, "lambda": 4}  # a customer waits for SQS
NOT_FOUND_CODES = {"404", "NoSuchKey", "NotFound"}  # S3's codes for a key without an object
_clients: dict[str, Any] = {}
_making = threading.Lock()  # boto3's default session is not thread-safe while it creates clients


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
        # Lambda freezes a process between events, which may cut connections that were kept open; only the next
        # request would notice. A client that does not retry opens a new connection instead.
        _clients[service].close()
    return _clients[service]


def _make(service: Literal["s3", "sqs", "sesv2", "ssm", "lambda"]) -> Any:
    # Imported here: it takes 200 ms, which a page without queue, email or books does not need.
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS[service],
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS[service]},
        signature_version="s3v4"
        if service == "s3"
        else None,  # links signed in the old way are valid in old regions only
        # Otherwise forms and links are signed for an address that S3 redirects from, and a form does not
        # survive a redirect.
        s3={"addressing_style": "path" if _has_custom_endpoint(service) else "virtual"},
    )
    made = boto3.client(service, config=config)
    keep_deadline(made, READ_SECONDS[service])
    return made


class OutOfTime(BotoCoreError):
    """Raised instead of sending a call when the request's time is over. botocore does not retry it."""

    fmt = "No time is left for this call."


def keep_deadline(client: Any, read_seconds: float) -> None:
    """Limit each attempt of a client's calls to what is left of the request's time.

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
    # boto3's own variables. On a local machine bucket.localhost has no DNS entry.
    return bool(os.environ.get("AWS_ENDPOINT_URL") or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}"))


def variables() -> dict[str, str]:
    """Return the environment's variables about AWS: its own, proxies, and file locations."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "HOME"
    }


def trace_id() -> str:
    """Return what Lambda calls this invocation in traces, as a header; empty elsewhere."""
    if trace := os.environ.get("_X_AMZN_TRACE_ID"):
        return quote(trace, safe="-=;:+&[]{}\"',")
    return ""


def object_size(bucket: str, key: str) -> int | None:
    """Return the size of an object in S3 in bytes; None if it does not exist."""
    from botocore.exceptions import ClientError  # slow to import, as boto3 above

    try:
        return client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_FOUND_CODES:
            return None
        raise


def download_link(bucket: str, key: str, seconds: int, *, save_as: str = "") -> str:
    """Return a link to an object, valid for `seconds` and for anybody who has it; `save_as` is the name of the download."""
    disposition = {"ResponseContentDisposition": f'attachment; filename="{save_as}"'} if save_as else {}
    return client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key, **disposition}, ExpiresIn=seconds
    )


@cache
def queue_url(name: str) -> str:
    """Return a queue's URL by its full name; looked up once per process."""
    return client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def messages_in(name: str) -> int:
    """Count the messages of a queue, by its full name, including those in flight."""
    answer = client("sqs").get_queue_attributes(
        QueueUrl=queue_url(name),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(number) for number in answer["Attributes"].values())


def call_later(name: str, message: str) -> None:
    """Invoke a function asynchronously with a JSON message: at least once, and again if it fails.

    Raises boto3's errors if the message cannot be handed over. Locally, a queue replaces Lambda's own.
    """
    # Imported here: packaging imports this module without a shop's environment.
    from chalicelib.config import settings

    if settings.function_prefix:
        client("lambda").invoke(
            FunctionName=settings.function_prefix + name, InvocationType="Event", Payload=message
        )
    else:
        client("sqs").send_message(QueueUrl=queue_url(settings.table_prefix + name), MessageBody=message)
