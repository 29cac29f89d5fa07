"""Run MiniStack as a region of AWS: `python -P ministack_region.py PYTHON`, which runs the functions.

What AWS does and MiniStack does not, it is told here, and only here: each function below says one such thing.
"""

import json
import os
import re
import runpy
import sys
from email.utils import parseaddr
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import apigateway_v1, cloudfront, eventbridge
from ministack.services.cloudformation import provisioners

DOMAIN = "execute-api.us-east-1.amazonaws.com"
TICK_SECONDS = 0.2

event_of, seconds_of = apigateway_v1._build_lambda_event_v1, eventbridge._parse_rate_seconds
action_of, resource_of = iam_actions.extract_iam_action, iam_actions._ses_v2_resource_arn
alarm_of = provisioners._cw_metric_alarm_record
origin_of, reached = iam_evaluator.pin_request_origin, cloudfront._origin_connect_target


def named_event(api_id: str, *given: Any, **more: Any) -> dict[str, Any]:
    """Give functions API Gateway's own host name, of which the shop makes its links."""
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
    origin_of(source_ip, True)


def reached_here(origin: dict[str, Any], viewer_is_https: bool) -> tuple[str, int, bool]:
    """Lead CloudFront from API Gateway's name to where that is: else it would call AWS, and refuses to."""
    if origin["domain_name"].endswith(f".{DOMAIN}"):
        return "127.0.0.1", int(os.environ["GATEWAY_PORT"]), False
    host, port, encrypt = reached(origin, viewer_is_https)
    return host, port, encrypt


def plain_alarm(name: str, asked: dict[str, Any]) -> Any:
    """Make an alarm of an expression, too: one that watches the first of the expression's metrics."""
    first = next((one["MetricStat"] for one in asked.get("Metrics", ()) if "MetricStat" in one), None)
    if first is not None:
        plain = {key: value for key, value in asked.items() if key != "Metrics"}
        asked = plain | first["Metric"] | {"Statistic": first["Stat"], "Period": first["Period"]}
    return alarm_of(name, asked)


def hurried(expression: str) -> float | None:
    """Let a minute of a schedule last a second; this alone is unlike AWS."""
    seconds: int | None = seconds_of(expression)
    return seconds and seconds / 60


def tell() -> None:
    """Give MiniStack all of this."""
    apigateway_v1._build_lambda_event_v1 = named_event
    iam_actions.extract_iam_action = known_action
    iam_actions._ses_v2_resource_arn = mail_resource
    iam_evaluator.pin_request_origin = encrypted
    cloudfront._origin_connect_target = reached_here
    provisioners._cw_metric_alarm_record = plain_alarm
    eventbridge._parse_rate_seconds = hurried
    eventbridge._SCHEDULER_TICK_INTERVAL = TICK_SECONDS
    from ministack import app  # takes over by name what stands above, so that has to be told before

    app._EXECUTE_API_RE = re.compile(rf"([a-f0-9]{{8}})\.{re.escape(DOMAIN)}")


if __name__ == "__main__":
    sys.executable = sys.argv.pop()
    tell()
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
