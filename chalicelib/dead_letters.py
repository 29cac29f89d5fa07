"""Messages that failed so often that they rest: counted each hour, so that one alarm tells of all queues."""

import logging

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import aws, telemetry
from chalicelib.config import settings
from chalicelib.telemetry import Metric

QUEUES = ("payment-notifications", "order-emails", "mail-feedback", "staff-jobs")
log = logging.getLogger("awning")


def watch() -> None:
    """Count what rests, by queue in the log. Never raises: the next hour counts again."""
    try:
        for name in QUEUES:
            if resting := aws.messages_in(f"{settings.table_prefix}{name}-dlq"):
                log.warning("%d messages of %s rest: make replay QUEUE=%s", resting, name, name)
                telemetry.count(Metric.DEAD_LETTERS, resting)
    except (BotoCoreError, ClientError):
        log.warning("dead letters could not be counted", exc_info=True)
