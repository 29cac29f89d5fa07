"""Bounces and complaints, as SES reports them by EventBridge.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html has the fields. Each
report opens an issue of the order, once. A bounce is final, also one that is called transient, such as of a
full mailbox: SES reports it when it has stopped trying. An automatic reply (“I am away”) is reported as a
bounce, too, but without the action and the status that a mail server's report of a failure has.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import telemetry
from chalicelib.database.transactions import Transaction
from chalicelib.mail import outbox
from chalicelib.mail.render import EMAIL_KINDS
from chalicelib.orders.enums import HistoryEvent, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.telemetry import Metric

QUEUE = "ses-feedback"
BOUNCED, COMPLAINED = IssueKind.EMAIL_BOUNCED, IssueKind.EMAIL_COMPLAINT
NOT_FAILED = ("delayed", "delivered", "relayed", "expanded")  # the other actions of RFC 3464
log = logging.getLogger("awning")
_NUMBER = re.compile(r"[0-9]{5}-[0-9]{5}", re.ASCII)
_MESSAGE_ID = re.compile(r"[A-Za-z0-9@._-]{1,100}", re.ASCII)


class InvalidFeedback(Exception):
    """Raised if a message is not one of SES's reports."""


@dataclass(frozen=True)
class SesFeedback:
    """SES's report on one email: the issue, the email's kind, and its order's number, if any."""

    issue: IssueKind | None  # None if staff need not look
    email_kind: str
    order_number: str
    ses_message_id: str  # SES's ID of the email


def record_bounce(event: Mapping[str, Any]) -> None:
    """Open an issue of the order for SES's report, once.

    Raises InvalidFeedback, and ServiceUnavailable if it cannot be written now.
    """
    report = parse_feedback(event)
    telemetry.add_log_context(ses_message=report.ses_message_id, order=report.order_number)
    if report.issue is None:
        log.info("SES report of no consequence ignored")
        return
    order_id = Order.find_by_lookup(f"number#{report.order_number}") if report.order_number else None
    if order_id is None:
        telemetry.count(Metric.EMAILS_BOUNCED)
        log.warning("%s without an order: an email to staff, or from another shop", report.issue)
        return
    issue, detail = report.issue, f"{report.email_kind} {report.ses_message_id}"

    def action(order: Order, _: Transaction) -> bool:
        if order.has_issue(issue, detail):
            return False  # SES and Lambda deliver at least once
        order.add_event(
            HistoryEvent(issue), outbox.entry_of(order, report.ses_message_id) or f"{report.email_kind}#"
        )
        outbox.open_undelivered_issue(order, issue, report.email_kind, detail)
        return True

    outbox.enqueue(update_order(order_id, action))


def parse_feedback(event: Mapping[str, Any]) -> SesFeedback:
    """Parse SES's report from EventBridge's event.

    Raises InvalidFeedback, which quotes nothing because it names people.
    """
    try:
        said = event["detail"]
        mail = said["mail"]
        tags = {name: values[0] for name, values in mail.get("tags", {}).items()}
        report = SesFeedback(_issue_of(said), tags.get("mail", ""), tags.get("order", ""), mail["messageId"])
        well_formed = _MESSAGE_ID.fullmatch(report.ses_message_id) and (
            not report.order_number
            or (_NUMBER.fullmatch(report.order_number) and report.email_kind in EMAIL_KINDS)
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InvalidFeedback("not a report from SES") from None
    if not well_formed:
        raise InvalidFeedback("not a report about an email of the shop")
    return report


def _is_auto_reply(bounce: Mapping[str, Any]) -> bool:
    """Return whether a bounce is an automatic reply.

    SES calls both an automatic reply and an email it gave up on transient and general.
    """
    return (bounce["bounceType"], bounce.get("bounceSubType")) == ("Transient", "General") and not any(
        _has_failed(recipient) for recipient in bounce.get("bouncedRecipients", ())
    )


def _has_failed(recipient: Mapping[str, str]) -> bool:
    action, status = recipient.get("action", ""), recipient.get("status", "")
    return action.lower() not in NOT_FAILED if action else status.startswith(("4.", "5."))


def _issue_of(said: Mapping[str, Any]) -> IssueKind | None:
    kind = said["eventType"]
    if kind == "Reject" or (kind == "Bounce" and not _is_auto_reply(said["bounce"])):
        return BOUNCED
    if kind == "Complaint" and said["complaint"].get("complaintFeedbackType") != "not-spam":
        return COMPLAINED
    return None
