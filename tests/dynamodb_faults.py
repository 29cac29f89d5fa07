"""What happens to calls to DynamoDB on the way: watched, lost, repeated, refused for contention, unanswered."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.fault_injection.aws_calls import Send, intercepted_tables

Ask = Callable[[], Any]
Tamper = Callable[[str, dict[str, Any], Ask], Any]


@contextmanager
def tampered(tamper: Tamper) -> Iterator[None]:
    """Let `tamper(operation, arguments, ask)` answer every call; `ask()` lets it through."""
    # Below pynamodb, which turns what comes back from here into errors of its own.

    def answer(operation: str, arguments: dict[str, Any], send: Send) -> Any:
        return tamper(operation, arguments, lambda: send(arguments))

    with intercepted_tables(answer):
        yield


@contextmanager
def watched() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """List the calls as they go through: operation and arguments."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def watch(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        seen.append((operation, arguments))
        return ask()

    with tampered(watch):
        yield seen


@contextmanager
def answers_lost(operation: str, times: int = 1) -> Iterator[None]:
    """Let the next calls take effect, but no answer come back."""
    turns = _Turns(times)

    def lose(called: str, _: dict[str, Any], ask: Ask) -> Any:
        answer = ask()
        if called == operation and turns.take():
            raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return answer

    with tampered(lose):
        yield


@contextmanager
def repeated(operation: str) -> Iterator[None]:
    """Send calls twice, as botocore does where the first answer was lost; the second answer counts."""

    def repeat(called: str, _: dict[str, Any], ask: Ask) -> Any:
        if called == operation:
            ask()
        return ask()

    with tampered(repeat):
        yield


@contextmanager
def conflicts(times: int) -> Iterator[None]:
    """Refuse the next transactions as DynamoDB does where another touches the same items; emulators never do."""
    turns = _Turns(times)

    def refuse(called: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if called == "TransactWriteItems" and turns.take():
            raise _conflict(len(arguments["TransactItems"]))
        return ask()

    with tampered(refuse):
        yield


@contextmanager
def silence(*operations: str) -> Iterator[None]:
    """Let these calls, or all, neither take effect nor be answered."""

    def swallow(called: str, _: dict[str, Any], ask: Ask) -> Any:
        if not operations or called in operations:
            raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return ask()

    with tampered(swallow):
        yield


class _Turns:
    def __init__(self, times: int) -> None:
        self._left = times
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0


def _conflict(items: int) -> ClientError:
    reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in range(items - 1))]
    words = "Transaction cancelled, please refer cancellation reasons for specific reasons"
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": words},
        "ResponseMetadata": {"RequestId": "R", "HTTPStatusCode": 400},
        "CancellationReasons": reasons,
    }
    return ClientError(answer, "TransactWriteItems")
