"""SES's mailbox simulator: addresses that bounce or complain, so that one can see what the shop does.

https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html lists the addresses; SES's events are those
of https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-eventbridge-examples.html. No address
simulates an email that SES gave up on.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from importlib import import_module
from typing import Any

DOMAIN = "simulator.amazonses.com"
QUEUE = "ses-feedback"  # stands in for EventBridge's asynchronous invocation of the function
AFTER_SECONDS = 2  # SES answers first, and reports on the email later
SEND = ("POST", "/v2/email/outbound-emails")

Event = dict[str, Any]


def events_of(mail: Mapping[str, Any], message: str) -> Iterator[Event]:
    """Return EventBridge's events for an email to the simulator (a request to SendEmail, and SES's ID of it)."""
    tags = {tag["Name"]: [tag["Value"]] for tag in mail.get("EmailTags", ())}
    to = [parseaddr(address)[1] for address in mail["Destination"].get("ToAddresses", ())]
    now = datetime.now(UTC)
    for address in to:
        mailbox, _, domain = address.partition("@")
        result = _result(mailbox.partition("+")[0].lower(), address) if domain.lower() == DOMAIN else None
        if result is None:
            continue
        kind, name, details = result
        moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        yield {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": name,
            "source": "aws.ses",
            "account": "000000000000",
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "eventType": kind,
                kind.lower(): {**details, "feedbackId": str(uuid.uuid4()), "timestamp": moment},
                "mail": {
                    "timestamp": moment,
                    "source": parseaddr(mail["FromEmailAddress"])[1],
                    "messageId": message,
                    "destination": to,
                    "tags": tags,
                },
            },
        }


def _result(mailbox: str, address: str) -> tuple[str, str, Event] | None:
    """Return the result of an email to one of the simulator's addresses: event, its name, and its own part."""
    unknown = {"emailAddress": address, "action": "failed", "status": "5.1.1"}
    match mailbox:
        case "bounce":
            code = {"diagnosticCode": "smtp; 550 5.1.1 user unknown"}
            kind, recipient = ("Permanent", "General"), unknown | code
        case "suppressionlist":
            kind, recipient = ("Permanent", "Suppressed"), unknown
        case "ooto":  # an automatic reply: no mail server reports a failure
            kind, recipient = ("Transient", "General"), {"emailAddress": address}
        case "complaint":
            details = {
                "complainedRecipients": [{"emailAddress": address}],
                "complaintFeedbackType": "abuse",
            }
            return "Complaint", "Email Complaint Received", details
        case _:
            return None
    bounce = {"bounceType": kind[0], "bounceSubType": kind[1], "bouncedRecipients": [recipient]}
    return "Bounce", "Email Bounced", bounce


def attach(prefix: str) -> None:
    """Make MiniStack's SES report emails to the simulator to the function behind the queue."""
    ses: Any = import_module("ministack.services.ses_v2")
    sqs: Any = import_module("ministack.services.sqs")
    handle = ses.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await handle(method, path, headers, body, query)
        if (method, path.rstrip("/")) == SEND and answer[0] == 200:
            address = sqs._queue_url(f"{prefix}{QUEUE}")
            for event in events_of(json.loads(body), json.loads(answer[2])["MessageId"]):
                message = {
                    "QueueUrl": address,
                    "MessageBody": json.dumps(event),
                    "DelaySeconds": AFTER_SECONDS,
                }
                sqs._act_send_message(message, address)
        return answer

    ses.handle_request = handle_request
