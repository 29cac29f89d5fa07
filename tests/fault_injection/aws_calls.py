"""The one seam at which tests watch, change and break the shop's calls to AWS, whatever carries them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from unittest import mock

from botocore.client import BaseClient

BOTOCORE: Any = BaseClient  # where all of its calls pass; its types leave it out


class AwsCall(NamedTuple):
    """A call before it is sent. What the client repeats is one call."""

    service: str  # dynamodb, s3, sqs, sesv2, ssm, lambda
    operation: str
    arguments: dict[str, Any]


Send = Callable[[dict[str, Any]], Any]
_is_seen: ContextVar[bool] = ContextVar("is_seen", default=False)


@contextmanager
def intercepted_tables(answer: Callable[[str, dict[str, Any], Send], Any]) -> Iterator[None]:
    """Let `answer(operation, arguments, send)` answer every call of the shop's tables; `send(arguments)` sends it."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.database.client import Client

    through = Client._make_api_call

    def call(client: Client, operation: str, arguments: dict[str, Any]) -> Any:
        def send(arguments: dict[str, Any]) -> Any:
            token = _is_seen.set(True)
            try:
                return through(client, operation, arguments)
            finally:
                _is_seen.reset(token)

        return answer(operation, arguments, send)

    with mock.patch.object(Client, "_make_api_call", call):
        yield


@contextmanager
def intercepted(answer: Callable[[AwsCall, Send], Any]) -> Iterator[None]:
    """Let `answer(call, send)` answer every call to AWS; `send(arguments)` sends it."""
    through = BOTOCORE._make_api_call

    def call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        if service == "dynamodb" and _is_seen.get():  # on its way from the client of our tables
            return through(client, operation, arguments)
        return answer(AwsCall(service, operation, arguments), lambda asked: through(client, operation, asked))

    with (
        intercepted_tables(
            lambda operation, arguments, send: answer(AwsCall("dynamodb", operation, arguments), send)
        ),
        mock.patch.object(BOTOCORE, "_make_api_call", call),
    ):
        yield
