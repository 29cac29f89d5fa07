"""A DynamoDB client for the operations that pages use, with a tenth of botocore's CPU time per call.

Errors are botocore's, so callers see no difference; docs/adr/0007-direct-dynamodb-client.md lists the exceptions.
"""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.retries.quota import RetryQuota

from chalicelib import aws, deadlines
from chalicelib.database.direct.credentials import CredentialSource
from chalicelib.database.direct.endpoint import Endpoint
from chalicelib.database.direct.http_pool import HttpPool
from chalicelib.database.direct.http_response import HttpResponse
from chalicelib.database.direct.retries import RetryBudget, may_repeat_error, may_repeat_refusal
from chalicelib.database.direct.signature import Signer

OPERATIONS = frozenset(
    {"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
)
API_VERSION = "DynamoDB_20120810"
USER_AGENT = "awning"


class DirectClient:
    """Sends calls to one endpoint; safe to use from several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CredentialSource,
        *,
        connect_seconds: float,
        read_seconds: float,
        max_attempts: int,
        max_idle: int,
    ) -> None:
        self.pool = HttpPool(endpoint, connect_seconds, max_idle)
        self._credentials = credentials
        self._signer = Signer(endpoint.region)
        self._signed = {"Host": endpoint.host_header, "Content-Type": "application/x-amz-json-1.0"}
        self._read_seconds = read_seconds
        self._max_attempts = max_attempts
        self._quota = RetryQuota()

    def carries(self, operation: str, arguments: Mapping[str, Any]) -> bool:
        """Return whether this client supports a call; a transaction needs a token, so that it can be repeated safely."""
        if operation == "TransactWriteItems":
            return bool(arguments.get("ClientRequestToken"))
        return operation in OPERATIONS

    def call(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send a call, with retries where they are safe, and return DynamoDB's answer.

        Raises ClientError if DynamoDB refuses, aws.OutOfTime after the request's deadline, and botocore's other errors
        without an answer.
        """
        body = _encode(arguments).encode("ascii")
        budget = RetryBudget(self._quota, self._max_attempts)
        while True:
            error: BotoCoreError | ClientError
            try:
                response = self._attempt(operation, body)
            except BotoCoreError as unanswered:
                if deadlines.remaining() <= 0 or not may_repeat_error(operation, unanswered):
                    raise
                error, pause = unanswered, budget.take(unanswered)
            else:
                if response.status < 300:
                    answer = decode(response.body)
                    budget.refund()
                    return answer
                refusal = _refusal(operation, response, budget.attempts)
                code = refusal.response["Error"]["Code"]
                if not may_repeat_refusal(operation, response.status, code):
                    raise refusal
                error, pause = refusal, budget.take()
            if pause is None:
                raise error
            time.sleep(pause)

    def _attempt(self, operation: str, body: bytes) -> HttpResponse:
        remaining = deadlines.remaining()
        if remaining <= 0:
            raise aws.OutOfTime
        headers = self._signer.sign(
            {**self._signed, "X-Amz-Target": f"{API_VERSION}.{operation}"}, body, self._credentials.current()
        )
        headers["Accept-Encoding"] = "identity"
        headers["User-Agent"] = USER_AGENT
        if trace_id := aws.trace_id():
            headers["X-Amzn-Trace-Id"] = trace_id
        response = self.pool.send(headers, body, min(self._read_seconds, remaining))
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and checksum != str(crc32(response.body)):
            raise HTTPClientError(error="the answer does not match its checksum")
        return response


def _binary(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode("ascii")
    raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


_encode = json.JSONEncoder(separators=(",", ":"), default=_binary).encode


def decode(body: bytes) -> dict[str, Any]:
    """Parse an answer. Raises HTTPClientError if it is incomplete: then it is unknown whether a write took effect."""
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise HTTPClientError(error=error) from error
    if not isinstance(answer, dict):
        raise HTTPClientError(error="the answer is no object")
    return decode_binary(answer) if b'"B"' in body or b'"BS"' in body else answer


def decode_binary(value: Any) -> Any:
    """Decode binary values from base64 to bytes. An attribute *named* B or BS has an object as its value, and is kept."""
    if isinstance(value, list):
        return [decode_binary(each) for each in value]
    if not isinstance(value, dict):
        return value
    decoded: dict[str, Any] = {}
    for name, each in value.items():
        if name == "B" and isinstance(each, str):
            decoded[name] = b64decode(each)
        elif name == "BS" and isinstance(each, list):
            decoded[name] = [b64decode(one) for one in each]
        else:
            decoded[name] = decode_binary(each)
    return decoded


def _refusal(operation: str, response: HttpResponse, attempts: int) -> ClientError:
    try:
        refusal = json.loads(response.body)
    except ValueError:  # an error page of a proxy
        refusal = {"message": response.body.decode("utf-8", "replace")}
    if not isinstance(refusal, dict):
        refusal = {}
    code = str(refusal.pop("__type", response.status)).partition(":")[0].rpartition("#")[2]
    answer: Any = {
        **decode_binary({name: refusal[name] for name in ("CancellationReasons", "Item") if name in refusal}),
        "Error": {"Code": code, "Message": refusal.get("message", refusal.get("Message", ""))},
        "ResponseMetadata": {
            "RequestId": response.headers.get("x-amzn-requestid", ""),
            "HTTPStatusCode": response.status,
            "HTTPHeaders": response.headers,
            "RetryAttempts": attempts - 1,
        },
    }
    return ClientError(answer, operation)
