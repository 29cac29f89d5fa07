"""A process of its own for each event, as Lambda gives it: it asks before every call that leaves it.

The child is forked, so that its death is real: `os._exit`, without `finally`, without a goodbye. Whoever holds the
`Process` decides call by call what becomes of it, and may let other processes run in between. Time that the child
would sleep away, or wait for an answer, passes at once, and has passed by its monotonic clock.
"""

import gc
import io
import json
import os
import random
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn
from unittest import mock
from urllib.parse import urlsplit

import botocore.exceptions
import botocore.httpsession
import requests
from botocore.awsrequest import AWSResponse, HeadersDict
from requests.adapters import HTTPAdapter

from tests import iam_policy_check

DEAD = 71  # the child's exit status
PATIENCE_SECONDS = 60
_ID_OF_OURS = re.compile(r"[0-9a-f]{16,}")
_ID_OF_PAYPAL = re.compile(r"/(?:WH-)?[A-Z0-9-]{17,}")

# -- verdicts: what becomes of a call -----------------------------------------------------------------------

GO = "go"
DIE_BEFORE = "dies before"
DIE_AFTER = "dies after"
SILENT_BEFORE = "no answer, not done"
SILENT_AFTER = "no answer, but done"
THROTTLED = "throttled"
CONFLICT = "conflict"
GARBAGE = "garbage, but done"
BROKEN = "an error of PayPal's own"  # these four PayPal answers in its own words; nothing was done
NOT_FOUND = "not found"
FORBIDDEN = "forbidden"
IN_PROGRESS = "in progress"
DONE = frozenset({GO, DIE_AFTER, SILENT_AFTER, GARBAGE})  # the call took effect
DYING = frozenset({DIE_BEFORE, DIE_AFTER})
UNHEARD = DYING | {
    SILENT_BEFORE,
    SILENT_AFTER,
    GARBAGE,
}  # no caller lives to hear, or can tell what became of it

NOES_OF_PAYPAL = {  # the status, the error's name, and the issue where it names one
    BROKEN: (500, "INTERNAL_SERVER_ERROR", ""),
    NOT_FOUND: (404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"),
    FORBIDDEN: (403, "NOT_AUTHORIZED", "PERMISSION_DENIED"),
    IN_PROGRESS: (422, "UNPROCESSABLE_ENTITY", "ORDER_COMPLETION_IN_PROGRESS"),
}


class Call(NamedTuple):
    """One request that leaves the process."""

    service: str  # dynamodb, sqs, sesv2, s3, paypal
    operation: str


class Answered(NamedTuple):
    """How an act ended well: what it returned."""

    value: Any


class Raised(NamedTuple):
    """How an act ended with an exception, as Lambda would see it."""

    words: str


class Died(NamedTuple):
    """How an act ended without a word."""


End = Answered | Raised | Died


class Last(NamedTuple):
    """What a process says last: how its act ended, and what AWS would have refused it."""

    end: End
    refused: list[str]


class Process:
    """One act in a child process. `advance(verdict)` lets it run to its next call, or to its end."""

    def __init__(self, act: Callable[[], Any], seed: int | None = None) -> None:
        self.end: End | None = None
        self._ours, theirs = Pipe()
        gc.freeze()  # else the child's first collection copies the parent's whole memory
        with warnings.catch_warnings():  # newer Pythons warn of threads; ours only wait meanwhile
            warnings.simplefilter("ignore")
            self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _live(act, theirs, seed)
        gc.unfreeze()
        theirs.close()
        self.call = self._hear()

    def advance(self, verdict: str = GO) -> Call | None:
        """Decide about the call it waits with; return the next one, None at the end."""
        self._ours.send(verdict)
        self.call = self._hear()
        return self.call

    def run(self, decide: Callable[[Call], str] = lambda call: GO) -> End:
        """Let it run to its end."""
        while self.call is not None:
            self.advance(decide(self.call))
        assert self.end is not None
        return self.end

    def kill(self) -> None:
        """End it wherever it is."""
        if self.end is None:
            os.kill(self._pid, 9)
            self._bury(Died())

    def _hear(self) -> Call | None:
        try:
            if not self._ours.poll(PATIENCE_SECONDS):
                self.kill()
                raise TimeoutError("a process neither called nor ended")
            told = self._ours.recv()
        except EOFError:
            told = Died()
        if isinstance(told, Call):
            return told
        if isinstance(told, Last):
            iam_policy_check.refused.extend(told.refused)
            told = told.end
        self._bury(told)
        return None

    def _bury(self, end: End) -> None:
        os.waitpid(self._pid, 0)
        self._ours.close()
        self.end = end


# -- inside the child -------------------------------------------------------------------------------------


def _live(act: Callable[[], Any], pipe: Connection, seed: int | None) -> None:
    # Whatever happens, the child never runs on into the tests it was forked from.
    try:
        iam_policy_check.refused.clear()  # the parent knows its own
        _Wire(pipe).lay()
        _start_cold(seed)
        end: End = Answered(act())
    except BaseException:  # noqa: BLE001 - told to the parent, whatever it is
        end = Raised(traceback.format_exc())
    try:
        pipe.send(Last(end, iam_policy_check.refused))
    except BaseException:  # noqa: BLE001 - what cannot be told is printed
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _start_cold(seed: int | None) -> None:
    """Know nothing of what other invocations learnt, and share no connection with the parent."""
    from chalicelib import aws, ids
    from chalicelib.catalog import categories
    from chalicelib.database.connection import Table
    from chalicelib.payments.paypal import gateway
    from chalicelib.shop_settings import store
    from chalicelib.web.page_cache import cache

    for client in (*aws._clients.values(), *([Table._shared.client] if Table._shared else [])):
        client.close()
    aws.queue_url.cache_clear()
    gateway._client.cache_clear()
    cache.clear()
    categories.clear_category_cache()
    store.clear_settings_cache()
    chance = random.Random(seed)
    random.seed(seed)  # the forked state is the parent's: all children would wait equally long
    if seed is not None:
        ids.new_id = lambda: f"{chance.getrandbits(128):032x}"
        ids.new_order_number = lambda: f"{chance.randrange(10**5):05d}-{chance.randrange(10**5):05d}"


class Silence(NamedTuple):
    """How a caller learns that no answer comes, and how long it waits for one before."""

    error: Exception
    seconds: float

    def keep(self) -> NoReturn:
        """Let the caller wait, by the process's own clock, in vain."""
        time.sleep(self.seconds)
        raise self.error


class _Wire:
    """Where all calls leave: the pool of the tables' client, botocore's HTTP session and requests' adapter."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._slept = 0.0

    def lay(self) -> None:
        """Lead them all past this process's judge."""
        # Imported here: chalicelib reads the environment once, when it is imported.
        from chalicelib.database.direct.http_pool import HttpPool

        to_tables = HttpPool.send
        to_aws, to_others, tick = botocore.httpsession.URLLib3Session.send, HTTPAdapter.send, time.monotonic

        def ask_aws(session: Any, request: Any) -> Any:
            silence = Silence(
                botocore.exceptions.ReadTimeoutError(endpoint_url=request.url), session._timeout.read_timeout
            )
            return self._pass(_aws_call(request), lambda: to_aws(session, request), silence, _Aws(request))

        def ask_tables(pool: Any, headers: Any, body: bytes, read_seconds: float) -> Any:
            request = SimpleNamespace(url="http://dynamodb", headers=headers, body=body)
            silence = Silence(botocore.exceptions.ReadTimeoutError(endpoint_url=request.url), read_seconds)
            go = lambda: to_tables(pool, headers, body, read_seconds)  # noqa: E731 - as in ask_aws
            return self._pass(_aws_call(request), go, silence, _Tables(request))

        def ask_others(adapter: Any, request: Any, **more: Any) -> Any:
            call = Call("paypal", f"{request.method} {_shape(request.path_url)}")
            go = lambda: to_others(adapter, request, **more)  # noqa: E731 - as in ask_aws
            silence = Silence(requests.ReadTimeout(), more["timeout"][1])
            return self._pass(call, go, silence, _Others(request))

        def sleep(seconds: float) -> None:
            self._slept += seconds

        def at_once(_: ThreadPoolExecutor, work: Callable[..., Any], *given: Any, **more: Any) -> Future[Any]:
            # One call at a time waits for its verdict, and the same event makes the same calls in the same order.
            future: Future[Any] = Future()
            try:
                future.set_result(work(*given, **more))
            except Exception as error:  # noqa: BLE001  # whoever asks for the result is told
                future.set_exception(error)
            return future

        for patch in (
            mock.patch.object(ThreadPoolExecutor, "submit", at_once),
            mock.patch.object(botocore.httpsession.URLLib3Session, "send", ask_aws),
            mock.patch.object(HttpPool, "send", ask_tables),
            mock.patch.object(HTTPAdapter, "send", ask_others),
            mock.patch.object(time, "sleep", sleep),
            mock.patch.object(time, "monotonic", side_effect=lambda: tick() + self._slept),
        ):
            patch.start()  # never undone: the process ends

    def _pass(self, call: Call, go: Callable[[], Any], silence: Silence, answers: "_Aws | _Others") -> Any:
        self._pipe.send(call)
        verdict = self._pipe.recv()
        if verdict == DIE_BEFORE:
            os._exit(DEAD)
        if verdict == SILENT_BEFORE:
            silence.keep()
        if verdict == THROTTLED:
            return answers.throttled(call)
        if verdict == CONFLICT:
            return answers.conflict()
        if verdict in NOES_OF_PAYPAL:
            return answers.no(*NOES_OF_PAYPAL[verdict])
        answer = go()
        if verdict == DIE_AFTER:
            # The answer was read, so the call took effect.
            os._exit(DEAD)
        if verdict == SILENT_AFTER:
            silence.keep()
        if verdict == GARBAGE:
            return answers.garbage()
        assert verdict == GO, verdict
        return answer


class _Aws:
    """Answers that AWS gives instead."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def throttled(self, call: Call) -> Any:
        if call.service == "s3":
            return self._answer(503, b"<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>")
        code = {"dynamodb": "ThrottlingException", "sqs": "RequestThrottled"}.get(
            call.service, "TooManyRequestsException"
        )
        return self._error(429 if call.service == "sesv2" else 400, code)

    def conflict(self) -> Any:
        items = len(json.loads(self._request.body).get("TransactItems", ()))
        if not items:  # a write of one item, while a transaction is at work on it
            return self._error(400, "TransactionConflictException")
        reasons = [{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (items - 1)
        return self._error(400, "TransactionCanceledException", CancellationReasons=reasons)

    def no(self, status: int, name: str, issue: str) -> Any:
        raise AssertionError("only PayPal says so")

    def garbage(self) -> Any:
        body = b'{"half an answ'
        return self._answer(200, body, length=2 * len(body))

    def _error(self, status: int, code: str, **more: Any) -> Any:
        words = {"__type": f"com.amazonaws#{code}", "message": "Injected", "Message": "Injected", **more}
        return self._answer(status, json.dumps(words).encode(), code)

    def _answer(self, status: int, body: bytes, code: str = "", length: int | None = None) -> Any:
        headers = {"x-amzn-requestid": "R", "x-amzn-errortype": code, "content-type": "application/json"}
        headers["content-length"] = str(length or len(body))
        raw: Any = _Body(body)
        of_aws: Any = HeadersDict(headers)
        return AWSResponse(self._request.url, status, of_aws, raw)


class _Tables(_Aws):
    """Answers that DynamoDB gives the direct client instead."""

    def _answer(self, status: int, body: bytes, code: str = "", length: int | None = None) -> Any:
        from chalicelib.database.direct.http_response import HttpResponse

        return HttpResponse(status, {"x-amzn-requestid": "R"}, body, keeps_connection=True)


class _Body(io.BytesIO):
    """The body of an answer, as botocore reads it: whole, or as a stream."""

    def stream(self) -> list[bytes]:
        return [self.read()]


class _Others:
    """Answers that PayPal gives instead."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        self._request = request

    def throttled(self, call: Call) -> requests.Response:
        return self._answer(429, b'{"name": "RATE_LIMIT_REACHED"}')

    def conflict(self) -> requests.Response:
        raise AssertionError("only writes to DynamoDB conflict")

    def no(self, status: int, name: str, issue: str) -> requests.Response:
        details = {"details": [{"issue": issue, "description": "Injected"}]} if issue else {}
        words = {"name": name, "message": "Injected", "debug_id": "1nj3ct3d", **details}
        return self._answer(status, json.dumps(words).encode())

    def garbage(self) -> requests.Response:
        return self._answer(200, b"<html>One moment, please")

    def _answer(self, status: int, body: bytes) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer._content = status, body
        answer.request, answer.url = self._request, self._request.url or ""
        answer.raw = mock.Mock(read=mock.Mock(return_value=body), _original_response=None)
        return answer


def _aws_call(request: Any) -> Call:
    target = request.headers.get("X-Amz-Target")
    if target:
        prefix, _, operation = (target if isinstance(target, str) else target.decode()).partition(".")
        return Call("sqs" if prefix == "AmazonSQS" else prefix.partition("_")[0].lower(), operation)
    path = urlsplit(request.url).path
    if path == "/v2/email/outbound-emails":
        return Call("sesv2", "SendEmail")
    return Call("s3", f"{request.method} {_ID_OF_OURS.sub('…', path).rpartition('.')[2]}")


def _shape(path: str) -> str:
    """Write PayPal's ids as …, so that the same call reads the same in every run."""
    return _ID_OF_PAYPAL.sub("/…", urlsplit(path).path)
