"""Messages that failed so often that they rest: counted each hour, so that one alarm tells of all queues."""

import logging

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import aws, telemetry
from chalicelib.config import settings
from chalicelib.telemetry import Metric

# Queue → what rests there when it has failed so often, and what to do about it, as the staff's page Attention says it.
QUEUES = {
    "paypal-webhooks": (
        "Messages from PayPal that could not be worked on",
        "Payments are found without them; money that went back on PayPal's own pages may be missing here. Whoever looks after the shop finds the cause in its log, and sends the messages round again.",
    ),
    "order-emails": (
        "Mails that could not be sent",
        "The shop announces each of them again by itself, at least once a day. Usually SES does not let the shop send: whoever looks after the shop sees why in the log.",
    ),
    "ses-feedback": (
        "Reports of mails that came back, that could not be worked on",
        "Some customers may not have got their mails. Whoever looks after the shop finds the cause in its log, and sends the reports round again.",
    ),
    "background-jobs": (
        "Long tasks that broke off: imports, exports, pictures",
        "Ask for them again on their page. If that fails too, whoever looks after the shop finds the cause in its log.",
    ),
}
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
