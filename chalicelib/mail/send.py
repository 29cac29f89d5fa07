"""Send what is due: claim it, write the letter, hand it to SES once, strike it out."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from chalicelib import telemetry
from chalicelib.aws import client
from chalicelib.mail import outbox
from chalicelib.mail.render import KINDS, Letter, write_letter

log = logging.getLogger("awning")
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
        if letter is not None:
            hand_to_ses(letter)
    except AnswerLost:
        raise  # the lease stays until it ends, so that each lost answer costs at most one extra mail
    except Exception:
        outbox.give_back(claim)
        raise
    outbox.strike_out(claim, "mail sent" if letter else "mail no longer true")


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


def hand_to_ses(letter: Letter) -> None:
    """Give SES a letter, once. Raises Refused where it surely did not take it, AnswerLost where nobody knows."""
    try:
        client("sesv2").send_email(
            FromEmailAddress=letter.sender,
            Destination={"ToAddresses": [letter.to]},
            ReplyToAddresses=[letter.reply_to] if letter.reply_to else [],
            Content={
                "Simple": {
                    "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": letter.text, "Charset": "UTF-8"},
                        "Html": {"Data": letter.html, "Charset": "UTF-8"},
                    },
                }
            },
        )
    except NEVER_REACHED_SES as error:
        raise Refused(type(error).__name__) from None
    except ClientError as error:
        # SES's words may hold the customer's address; its code does not.
        refused = 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        raise (Refused if refused else AnswerLost)(error.response["Error"]["Code"]) from None
    except BotoCoreError as error:
        raise AnswerLost(type(error).__name__) from None
