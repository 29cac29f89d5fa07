"""What is repeated: as botocore repeats it, but for single writes that may have been done already."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock
from zlib import crc32

import pytest
from botocore import exceptions
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.httpsession import URLLib3Session
from botocore.retries.standard import (
    ExponentialBackoff,
    ModeledRetryErrorDetector,
    RetryQuotaChecker,
    ThrottledRetryableChecker,
    TransientRetryableChecker,
)
from botocore.session import Session
from pynamodb.connection import base

from chalicelib import aws, deadlines
from chalicelib.config import DYNAMODB_CLIENTS
from chalicelib.database.connection import SharedConnection
from chalicelib.database.direct import retries
from chalicelib.database.direct.http_pool import HttpPool
from chalicelib.database.direct.http_response import HttpResponse
from chalicelib.database.direct.retries import SINGLE_WRITES
from chalicelib.database.pynamodb_imports import load_botocore

TABLE = {"TableName": "t", "Key": {"sku": {"S": "A"}}}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "GetItem": TABLE,
    "Query": {"TableName": "t"},
    "BatchGetItem": {"RequestItems": {"t": {"Keys": [TABLE["Key"]]}}},
    "TransactWriteItems": {"TransactItems": [{"Delete": TABLE}], "ClientRequestToken": "token"},
    "PutItem": {"TableName": "t", "Item": TABLE["Key"]},
    "UpdateItem": TABLE,
    "DeleteItem": TABLE,
}
Outcome = Exception | tuple[int, bytes, dict[str, str]]


def refusal(status: int, code: str) -> Outcome:
    return status, json.dumps({"__type": f"com.amazonaws#{code}", "message": "no"}).encode(), {}


REFUSED = exceptions.EndpointConnectionError(endpoint_url="x")
CONNECT = exceptions.ConnectTimeoutError(endpoint_url="x")
UNTRUSTED = exceptions.SSLError(endpoint_url="x", error=Exception())
SILENT = exceptions.ReadTimeoutError(endpoint_url="x")
CUT = exceptions.ConnectionClosedError(endpoint_url="x")
SURELY_NOT_DONE: list[Outcome] = [
    REFUSED,
    CONNECT,
    UNTRUSTED,
    refusal(400, "ThrottlingException"),
    refusal(400, "ProvisionedThroughputExceededException"),
    refusal(400, "RequestLimitExceeded"),
]
PERHAPS_DONE: list[Outcome] = [
    SILENT,
    CUT,
    refusal(500, "InternalServerError"),
    refusal(503, "ServiceUnavailable"),
    (502, b"<html>", {}),
]
FINAL: list[Outcome] = [
    refusal(400, "ValidationException"),
    refusal(400, "ConditionalCheckFailedException"),
    refusal(400, "TransactionCanceledException"),
    refusal(403, "AccessDeniedException"),
    (200, b'{"half', {}),
    (301, b"", {}),
]
DONE: Outcome = (200, b"{}", {})


class Carrier:
    """A client whose attempts end as they are told to, whatever carries them."""

    def __init__(self, name: str, setting: Any) -> None:
        setting(dynamodb_client=name)
        self._client = SharedConnection().client
        self.pauses: list[float] = []
        self.seconds: list[float] = []

    def call(self, operation: str, *outcomes: Outcome) -> tuple[str, int]:
        """Call with these outcomes, the last again and again; return how it ended, and after how many attempts."""
        left, attempts = list(outcomes), 0

        def outcome(seconds: float) -> tuple[int, bytes, dict[str, str]]:
            nonlocal attempts
            attempts += 1
            self.seconds.append(seconds)
            ends = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(ends, Exception):
                raise ends
            return ends

        def of_direct(pool: object, headers: object, body: bytes, seconds: float) -> HttpResponse:
            status, answer, more = outcome(seconds)
            return HttpResponse(status, more, answer, keeps_connection=True)

        def of_botocore(session: object, request: Any) -> AWSResponse:
            status, answer, more = outcome(request.context.get("read_timeout", 5))
            raw: Any = mock.Mock(stream=lambda: [answer])
            headers: Any = HeadersDict(more)
            return AWSResponse(request.url, status, headers, raw)

        with (
            mock.patch.object(HttpPool, "send", of_direct),
            mock.patch.object(URLLib3Session, "send", of_botocore),
            mock.patch.object(time, "sleep", self.pauses.append),
        ):
            try:
                self._client._make_api_call(operation, ARGUMENTS[operation])
            except exceptions.ClientError as error:
                return error.response["Error"]["Code"], attempts
            except exceptions.BotoCoreError as error:
                return type(error).__name__, attempts
        return "done", attempts


@pytest.fixture(scope="module", autouse=True)
def one_session() -> Iterator[None]:
    """Let all clients come from one session of botocore's: hundreds are made here, each with retries of its own."""
    load_botocore()
    with mock.patch.object(base, "get_session", return_value=Session()):
        yield


@pytest.fixture
def carriers(setting: Any) -> Callable[[str], Carrier]:
    return lambda name: Carrier(name, setting)


def both(carriers: Callable[[str], Carrier], operation: str, *outcomes: Outcome) -> list[tuple[str, int]]:
    return [carriers(name).call(operation, *outcomes) for name in DYNAMODB_CLIENTS]


@pytest.mark.parametrize("operation", ARGUMENTS)
@pytest.mark.parametrize("outcome", [*SURELY_NOT_DONE, *FINAL], ids=str)
def test_what_was_surely_not_done_is_repeated_and_what_is_final_is_not_as_botocore_does(
    carriers: Callable[[str], Carrier], operation: str, outcome: Outcome
) -> None:
    attempts = 1 if outcome in FINAL else 3
    direct, botocore = both(carriers, operation, outcome)
    assert direct == botocore
    assert direct[1] == attempts
    direct, botocore = both(carriers, operation, outcome, DONE)
    assert direct == botocore
    assert (direct == ("done", 2)) is (outcome not in FINAL)


@pytest.mark.parametrize("operation", sorted(ARGUMENTS.keys() - SINGLE_WRITES))
@pytest.mark.parametrize("outcome", PERHAPS_DONE, ids=str)
def test_reads_and_transactions_are_repeated_though_they_may_be_done_as_botocore_does(
    carriers: Callable[[str], Carrier], operation: str, outcome: Outcome
) -> None:
    direct, botocore = both(carriers, operation, outcome)
    assert direct == botocore
    assert direct[1] == 3
    assert both(carriers, operation, outcome, outcome, DONE) == [("done", 3), ("done", 3)]


@pytest.mark.parametrize("operation", sorted(SINGLE_WRITES))
@pytest.mark.parametrize("outcome", PERHAPS_DONE, ids=str)
def test_single_writes_that_may_be_done_are_repeated_by_botocore_alone(
    carriers: Callable[[str], Carrier], operation: str, outcome: Outcome
) -> None:
    direct, botocore = both(carriers, operation, outcome)
    assert (direct[0], direct[1], botocore[1]) == (botocore[0], 1, 3)


def test_an_answer_that_does_not_match_its_checksum_is_none(carriers: Callable[[str], Carrier]) -> None:
    good: Outcome = (200, b"{}", {"x-amz-crc32": str(crc32(b"{}"))})
    bad: Outcome = (200, b"{}", {"x-amz-crc32": "1"})
    assert both(carriers, "GetItem", good) == [("done", 1)] * 2
    assert both(carriers, "GetItem", bad, good) == [("done", 2)] * 2
    direct = carriers("direct")
    assert direct.call("GetItem", bad) == ("HTTPClientError", 3)
    assert direct.call("PutItem", bad) == ("HTTPClientError", 1)


def test_pauses_are_as_long_as_botocores(carriers: Callable[[str], Carrier]) -> None:
    direct, botocore = carriers("direct"), carriers("botocore")
    with mock.patch("random.random", return_value=1.0):
        direct.call("GetItem", SILENT)
    botocore_backoff = ExponentialBackoff(random=lambda: 1.0)
    theirs = [botocore_backoff.delay_amount(mock.Mock(attempt_number=number)) for number in (1, 2)]
    assert direct.pauses == theirs
    botocore.call("GetItem", SILENT)
    assert len(botocore.pauses) == 2
    assert botocore.pauses[0] <= theirs[0]
    assert botocore.pauses[1] <= theirs[1]


def test_many_failures_use_up_the_repetitions_as_botocores_do(carriers: Callable[[str], Carrier]) -> None:
    for outcome in (SILENT, REFUSED):
        made = {}
        for name in DYNAMODB_CLIENTS:
            carrier = carriers(name)
            made[name] = [carrier.call("GetItem", outcome)[1] for _ in range(60)]
            made[name] += [carrier.call("GetItem", DONE)[1] for _ in range(10)]
            made[name].append(carrier.call("GetItem", outcome)[1])
        assert made["direct"] == made["botocore"]
        assert 1 in made["direct"][:60]


def test_each_attempt_is_signed_at_its_own_moment_and_traced(
    carriers: Callable[[str], Carrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988;Sampled=1")
    client, sent = carriers("direct")._client, []

    def send(pool: object, headers: dict[str, str], body: bytes, seconds: float) -> HttpResponse:
        sent.append(headers)
        if len(sent) == 1:
            raise SILENT
        return HttpResponse(200, {}, b"{}", keeps_connection=True)

    moments = [time.struct_time((2026, 11, 30, 23, 59, second, 0, 334, 0)) for second in (1, 2)]
    with (
        mock.patch.object(HttpPool, "send", send),
        mock.patch.object(time, "sleep"),
        mock.patch.object(time, "gmtime", side_effect=moments),
    ):
        client._make_api_call("GetItem", TABLE)
    assert [headers["X-Amz-Date"] for headers in sent] == ["20261130T235901Z", "20261130T235902Z"]
    assert sent[0]["Authorization"] != sent[1]["Authorization"]
    assert {headers["X-Amzn-Trace-Id"] for headers in sent} == {"Root=1-5759e988;Sampled=1"}


def test_no_attempt_lasts_longer_than_the_request_and_none_begins_after_it(
    carriers: Callable[[str], Carrier],
) -> None:
    for name in DYNAMODB_CLIENTS:
        carrier = carriers(name)
        with deadlines.answering_within(3):
            carrier.call("GetItem", DONE)
        carrier.call("GetItem", DONE)
        assert 0 < carrier.seconds[0] <= 3
        assert carrier.seconds[1] == 5
        with deadlines.answering_within(0):
            assert carrier.call("GetItem", DONE) == (aws.OutOfTime.__name__, 0)
        with mock.patch.object(deadlines, "remaining", side_effect=[1, 0]):
            assert carrier.call("GetItem", SILENT) == ("ReadTimeoutError", 1)


def test_the_codes_and_costs_are_botocores() -> None:
    throttled: Any = ThrottledRetryableChecker  # the stubs leave out what is private
    transient: Any = TransientRetryableChecker
    quota: Any = RetryQuotaChecker
    assert set(throttled._THROTTLED_ERROR_CODES) == retries.THROTTLING_CODES
    assert set(transient._TRANSIENT_ERROR_CODES) == retries.TRANSIENT_CODES
    assert set(transient._TRANSIENT_STATUS_CODES) == retries.TRANSIENT_STATUSES
    costs = quota._RETRY_COST, quota._TIMEOUT_RETRY_REQUEST, quota._NO_RETRY_INCREMENT
    assert costs == (retries.RETRY_COST, retries.TIMEOUT_COST, retries.REFUND)


def test_of_the_other_errors_that_dynamodbs_model_lets_repeat_none_concerns_the_shop() -> None:
    model = Session().get_service_model("dynamodb")
    detector, found = ModeledRetryErrorDetector(), set()
    for operation in ARGUMENTS:
        shapes = model.operation_model(operation)
        for shape in shapes.error_shapes:
            context: Any = mock.Mock(operation_model=shapes, get_error_code=lambda shape=shape: shape.name)
            if detector.detect_error_type(context) is not None:
                found.add(shape.name)
    assert found - retries.THROTTLING_CODES == {"ReplicatedWriteConflictException"}  # of global tables
