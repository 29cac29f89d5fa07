"""Send due emails: claim the entry, render the email, give it to SES once, and mark it as sent."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from chalicelib import telemetry
from chalicelib.aws import client
from chalicelib.config import settings
from chalicelib.mail import outbox
from chalicelib.mail.addresses import Undeliverable
from chalicelib.mail.render import EMAIL_KINDS, Email, render_email
from chalicelib.orders.enums import HistoryEvent
from chalicelib.queues import sqs_batch
from chalicelib.telemetry import Metric

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

log = logging.getLogger("awning")
# SES's codes for an address that cannot receive email. Its other refusals are about the shop: an unverified
# identity, a quota, a suspended account. Those are retried, and end in the dead-letter queue, which raises an
# alarm.
RECIPIENT_ERROR_CODES = {"BadRequestException", "MessageRejected", "InvalidParameterValue"}
RECIPIENT_ERROR_MESSAGES = re.compile(
    r"(Address blacklisted|Missing (final|local|domain)|(Local address|Domain|Domain name|User name) (starts|ends|contains|is)"
    r"|Illegal (address|whitespace|character)|Invalid (email address|domain name))",
    re.IGNORECASE,
)
NEVER_REACHED_SES = (ConnectTimeoutError, EndpointConnectionError, ParamValidationError)
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # no "#", which begins the ID of other rows in the table


class InvalidMessage(Exception):
    """Raised if a message in the queue is not one of ours."""


class SesRejected(Exception):
    """Raised if SES has definitely not taken an email; with its error code, which contains no address."""


class SesOutcomeUnknown(Exception):
    """Raised if SES may or may not have taken an email."""


def send_order_emails(records: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Send the email of each SQS record independently; return Lambda's partial batch response."""
    return sqs_batch.handle_batch(
        records,
        lambda body: send_due(*_read(body)),
        "email not sent; its message will be redelivered or moved to the dead-letter queue",
    )


def send_due(order_id: str, entry: str) -> None:
    """Send one email of an order, if it is due. Raises if it was not sent, or if the outcome is unknown."""
    claim = outbox.claim(order_id, entry)
    if claim is None:
        return
    try:
        email = render_email(claim.order, entry)
        message = send_via_ses(email) if email is not None else ""
    except SesOutcomeUnknown:
        raise  # the lease stays until it ends, so that each lost answer costs at most one extra email
    except Undeliverable as error:
        log.warning("email is undeliverable, issue opened: %s", error)
        outbox.mark_undeliverable(claim)
        return
    except Exception:
        outbox.release(claim)
        raise
    outbox.mark_sent(claim, HistoryEvent.EMAIL_SENT if email else HistoryEvent.EMAIL_OBSOLETE, message)


def _read(body: str) -> tuple[str, str]:
    try:
        message = json.loads(body)
        order_id, entry = message["order"], message["entry"]
        kind, _, movement = entry.partition("#")
        well_formed = _ORDER_ID.fullmatch(order_id) and movement
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InvalidMessage("not a message about an email") from None
    if not well_formed:
        raise InvalidMessage("not a message about an order email")
    if kind not in EMAIL_KINDS:
        raise InvalidMessage("unknown kind of email")
    return order_id, entry


def send_via_ses(email: Email) -> str:
    """Give an email to SES, once; return SES's ID of it.

    Raises Undeliverable if SES refuses the recipient's address, SesRejected if it definitely did not take the
    email for another reason, SesOutcomeUnknown if that is unknown.
    """
    request = _request(email)
    try:
        message_id = client("sesv2").send_email(**request)["MessageId"]
    except NEVER_REACHED_SES as error:
        raise SesRejected(type(error).__name__) from None
    except ClientError as error:
        # SES's message may contain the customer's address; its code does not.
        raise _refusal(error)(error.response["Error"]["Code"]) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, such as a response that is not SES's: the email may have been sent
        raise SesOutcomeUnknown(type(error).__name__) from None
    telemetry.count(Metric.EMAILS_SENT)
    return str(message_id)


def _request(email: Email) -> "SendEmailRequestTypeDef":
    request: SendEmailRequestTypeDef = {
        "FromEmailAddress": email.sender,
        "Destination": {"ToAddresses": [email.to]},
        "ReplyToAddresses": [email.reply_to] if email.reply_to else [],
        "Content": {
            "Simple": {
                "Subject": {"Data": email.subject, "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": email.text, "Charset": "UTF-8"},
                    "Html": {"Data": email.html, "Charset": "UTF-8"},
                },
            }
        },
        "EmailTags": [{"Name": name, "Value": value} for name, value in email.tags.items()],
    }
    if settings.mail_configuration_set:
        request["ConfigurationSetName"] = settings.mail_configuration_set
    return request


def _refusal(error: ClientError) -> type[Undeliverable | SesRejected | SesOutcomeUnknown]:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in RECIPIENT_ERROR_CODES and RECIPIENT_ERROR_MESSAGES.match(message):
        return Undeliverable
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    # Without an error code of SES's, botocore uses the status as the code: a proxy answered, and SES may have
    # taken the email.
    return SesRejected if 400 <= status < 500 and code != str(status) else SesOutcomeUnknown
