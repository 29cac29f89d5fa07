"""Count the messages in all dead-letter queues each hour, so that one alarm covers them."""

import logging

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import aws, telemetry
from chalicelib.config import settings
from chalicelib.telemetry import Metric

# Queue → what its messages are, and what to do about them, as the staff page Alerts shows it.
QUEUES = {
    "paypal-webhooks": (
        "PayPal notifications that couldn’t be processed",
        "Payments are found without them, but refunds made on PayPal’s website may be missing here. The operator can find the cause in the log and retry the messages.",
    ),
    "order-emails": (
        "Emails that couldn’t be sent",
        "Each of them is queued again automatically, at least once a day. Usually SES isn’t letting the shop send: the operator can find the reason in the log.",
    ),
    "ses-feedback": (
        "Email bounce reports that couldn’t be processed",
        "Some customers may not have received their emails. The operator can find the cause in the log and retry the reports.",
    ),
    "background-jobs": (
        "Failed background jobs: imports, exports, images",
        "Start them again on their page. If that fails too, the operator can find the cause in the log.",
    ),
}
log = logging.getLogger("awning")


def watch() -> None:
    """Count the messages of each dead-letter queue and log them. Never raises: the next hour counts again."""
    try:
        for name in QUEUES:
            if resting := aws.messages_in(f"{settings.table_prefix}{name}-dlq"):
                log.warning(
                    "%d messages in the dead-letter queue of %s: make replay QUEUE=%s", resting, name, name
                )
                telemetry.count(Metric.DEAD_LETTERS, resting)
    except (BotoCoreError, ClientError):
        log.warning("failed messages could not be counted", exc_info=True)
