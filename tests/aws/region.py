"""Run MiniStack as a region of AWS: `python -P region.py PYTHON`, which runs the functions.

What AWS does and MiniStack does not, it is told here, and only here: each function below says one such thing.
"""

import json
import runpy
import sys
from email.utils import parseaddr
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import apigateway_v1, eventbridge

DOMAIN = "execute-api.us-east-1.amazonaws.com"
TICK_SECONDS = 0.2

event_of, seconds_of = apigateway_v1._build_lambda_event_v1, eventbridge._parse_rate_seconds
action_of, resource_of = iam_actions.extract_iam_action, iam_actions._ses_v2_resource_arn
origin = iam_evaluator.pin_request_origin


def named_event(api_id: str, *given: Any, **more: Any) -> dict[str, Any]:
    """Tell functions API Gateway's own name, which the shop makes its links of."""
    event: dict[str, Any] = event_of(api_id, *given, **more)
    event["requestContext"] |= {"domainName": f"{api_id}.{DOMAIN}", "domainPrefix": api_id}
    return event


def known_action(service: str, *given: Any, **more: Any) -> str | None:
    """Let who may send one message to a queue send several at once: IAM knows no other action for it."""
    action: str | None = action_of(service, *given, **more)
    return action.removesuffix("Batch") if action and service == "sqs" else action


def mail_resource(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
    """Name whom a mail is from as what a policy must allow."""
    if path.rstrip("/") == "/v2/email/outbound-emails":
        sender = parseaddr(json.loads(body)["FromEmailAddress"])[1]
        return f"arn:aws:ses:{region}:{account_id}:identity/{sender}"
    return str(resource_of(method, path, body, region, account_id))


def encrypted(source_ip: str, secure: bool) -> None:
    """Take connections for encrypted ones: the buckets' policies refuse all others."""
    origin(source_ip, True)


def hurried(expression: str) -> float | None:
    """Let a minute of a schedule last a second; this alone is unlike AWS."""
    seconds: int | None = seconds_of(expression)
    return seconds and seconds / 60


if __name__ == "__main__":
    sys.executable = sys.argv.pop()
    apigateway_v1._build_lambda_event_v1 = named_event
    iam_actions.extract_iam_action = known_action
    iam_actions._ses_v2_resource_arn = mail_resource
    iam_evaluator.pin_request_origin = encrypted
    eventbridge._parse_rate_seconds = hurried
    eventbridge._SCHEDULER_TICK_INTERVAL = TICK_SECONDS
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
