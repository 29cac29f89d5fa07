"""A batch of messages from SQS: each is handled independently, and only those that failed are redelivered."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib import telemetry

log = logging.getLogger("awning")


class Redeliver(Exception):
    """Raised where a message is to be redelivered though nothing is wrong, such as while another one does its work."""


def handle_batch(
    records: Iterable[Mapping[str, Any]], handle: Callable[[str], None], failed: str
) -> dict[str, list[dict[str, str]]]:
    """Handle the body of each SQS record; return Lambda's partial batch response. `failed` is logged of one that raises.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    failures = []
    for record in records:
        with telemetry.log_context(message_id=record["messageId"]):
            try:
                handle(record["body"])
            except Redeliver as reason:
                log.info("%s; its message will be redelivered", reason)
                failures.append({"itemIdentifier": str(record["messageId"])})
            except Exception:  # one bad message never holds back the rest
                log.exception(failed)
                failures.append({"itemIdentifier": str(record["messageId"])})
    return {"batchItemFailures": failures}
