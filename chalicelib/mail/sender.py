"""Send what is due: claim it, write the letter, hand it to SES once, strike it out."""

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
from chalicelib.mail.render import KINDS, Letter, write_letter
from chalicelib.telemetry import Metric

if TYPE_CHECKING:
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

log = logging.getLogger("awning")
# What SES says of an address that nobody can be written to at. Its other refusals are about the shop: an identity that
# is not verified, a quota, an account on hold. Those are tried again, and rest where they raise an alarm.
ABOUT_THE_MAIL = {"BadRequestException", "MessageRejected", "InvalidParameterValue"}
ABOUT_THE_ADDRESS = re.compile(
    r"(Address blacklisted|Missing (final|local|domain)|(Local address|Domain|Domain name|User name) (starts|ends|contains|is)"
    r"|Illegal (address|whitespace|character)|Invalid (email address|domain name))",
    re.IGNORECASE,
)
NEVER_REACHED_SES = (ConnectTimeoutError, EndpointConnectionError, ParamValidationError)
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # no "#", which begins the name of another row in the table


class Malformed(Exception):
    """Say that a message of the queue is none of ours."""


class Refused(Exception):
    """Say that SES has surely not taken a mail; with its code, which names nobody."""


class AnswerLost(Exception):
    """Say that SES may have taken a mail, or not."""


def send_order_emails(records: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Send the mail of every SQS record, each by itself; return Lambda's partial batch response."""
    failures = []
    for record in records:
        with telemetry.about(message_id=record["messageId"]):
            try:
                send_due(*_read(record["body"]))
            except outbox.Leased:
                log.info("a mail is being sent by somebody else; its message comes again")
                failures.append({"itemIdentifier": record["messageId"]})
            except Exception:  # one bad message never holds back the rest
                log.exception("a mail was not sent; its message comes again, or rests with the dead letters")
                failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def send_due(order_id: str, entry: str) -> None:
    """Send one mail of an order, if it is due. Raises where it was not sent, or nobody knows."""
    claim = outbox.claim(order_id, entry)
    if claim is None:
        return
    try:
        letter = write_letter(claim.order, entry)
        message = hand_to_ses(letter) if letter is not None else ""
    except AnswerLost:
        raise  # the lease stays until it ends, so that each lost answer costs at most one extra mail
    except Undeliverable as error:
        log.warning("a mail can never be delivered, so staff are told: %s", error)
        outbox.give_up(claim)
        return
    except Exception:
        outbox.give_back(claim)
        raise
    outbox.strike_out(claim, "mail sent" if letter else "mail no longer true", message)


def _read(body: str) -> tuple[str, str]:
    try:
        message = json.loads(body)
        order_id, entry = message["order"], message["entry"]
        kind, _, movement = entry.partition("#")
        well_formed = _ORDER_ID.fullmatch(order_id) and movement
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Malformed("not a message about a mail") from None
    if not well_formed:
        raise Malformed("not a message about a mail of an order")
    if kind not in KINDS:
        raise Malformed("no such kind of mail")
    return order_id, entry


def hand_to_ses(letter: Letter) -> str:
    """Give SES a letter, once; return SES's id of it.

    Raises Undeliverable where SES refuses the recipient's address, Refused where it surely did not take the letter for
    another reason, AnswerLost where nobody knows.
    """
    request = _request(letter)
    try:
        message_id = client("sesv2").send_email(**request)["MessageId"]
    except NEVER_REACHED_SES as error:
        raise Refused(type(error).__name__) from None
    except ClientError as error:
        # SES's words may hold the customer's address; its code does not.
        raise _refusal(error)(error.response["Error"]["Code"]) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, such as an answer not of SES's: the mail may have left
        raise AnswerLost(type(error).__name__) from None
    telemetry.count(Metric.MAILS_SENT)
    return str(message_id)


def _request(letter: Letter) -> "SendEmailRequestTypeDef":
    request: SendEmailRequestTypeDef = {
        "FromEmailAddress": letter.sender,
        "Destination": {"ToAddresses": [letter.to]},
        "ReplyToAddresses": [letter.reply_to] if letter.reply_to else [],
        "Content": {
            "Simple": {
                "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": letter.text, "Charset": "UTF-8"},
                    "Html": {"Data": letter.html, "Charset": "UTF-8"},
                },
            }
        },
        "EmailTags": [{"Name": name, "Value": value} for name, value in letter.tags.items()],
    }
    if settings.mail_configuration_set:
        request["ConfigurationSetName"] = settings.mail_configuration_set
    return request


def _refusal(error: ClientError) -> type[Undeliverable | Refused | AnswerLost]:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in ABOUT_THE_MAIL and ABOUT_THE_ADDRESS.match(message):
        return Undeliverable
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    # Without a name of SES's, botocore gives the status as the code: a proxy answered, and SES may have taken the mail.
    return Refused if 400 <= status < 500 and code != str(status) else AnswerLost
