"""The client that every call to DynamoDB passes: it chooses the transport, direct or botocore, and tests count calls here."""

import threading
from collections.abc import Callable
from typing import Any

from chalicelib import aws, telemetry
from chalicelib.database.direct.direct_client import DirectClient, decode
from chalicelib.database.pynamodb_imports import load_botocore
from chalicelib.telemetry import Metric


class Client:
    """Sends calls for pynamodb, in place of botocore's client, of which pynamodb uses `_make_api_call`."""

    def __init__(
        self, make_botocore: Callable[[], Any], read_seconds: float, direct: DirectClient | None
    ) -> None:
        self._make_botocore = make_botocore
        self.direct = direct
        self._read_seconds = read_seconds
        self._botocore: Any = None
        self._making = threading.Lock()  # botocore cannot safely create two clients at the same time

    def _make_api_call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Send a call and return DynamoDB's answer. Raises botocore's errors."""
        telemetry.count(Metric.DYNAMODB_CALLS)
        if self.direct is not None and self.direct.carries(operation, arguments):
            return self.direct.call(operation, arguments)
        answer: dict[str, Any] = self.botocore()._make_api_call(operation, arguments)
        return answer

    def botocore(self) -> Any:
        """Return botocore's client, created when first needed, and again if it found no credentials."""
        if self._botocore is None or not self._botocore._request_signer._credentials:
            with self._making:
                load_botocore()
                client = self._make_botocore()  # pynamodb keeps it
                if client is not self._botocore:
                    self._botocore = self._with_hooks(client)
        return self._botocore

    def _with_hooks(self, client: Any) -> Any:
        client.meta.events.register("before-parse.dynamodb", _parse_json_response)
        aws.keep_deadline(client, self._read_seconds)
        return client

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self.direct is not None:
            self.direct.pool.close()
        if self._botocore is not None:
            self._botocore.close()


def _parse_json_response(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Parse DynamoDB's JSON ourselves: botocore walks through every attribute, which only binary values need."""
    if response_dict["status_code"] == 200:
        customized_response_dict.update(decode(response_dict["body"]))
        response_dict["body"] = b"{}"
