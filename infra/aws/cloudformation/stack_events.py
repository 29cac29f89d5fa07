"""CloudFormation's progress in plain words: each resource once, with the elapsed time."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]
STACK = "AWS::CloudFormation::Stack"
KINDS = {
    "AWS::DynamoDB::Table": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::SQS::Queue": "queue",
    "AWS::Lambda::Function": "function",
    "AWS::Lambda::Permission": "permission to call",
    "AWS::Lambda::EventSourceMapping": "queue's consumer",
    "AWS::IAM::Role": "role",
    "AWS::Events::Rule": "schedule",
    "AWS::Logs::LogGroup": "log",
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::ApiGateway::RestApi": "API",
}
VERBS = {"CREATE": "made", "UPDATE": "changed", "DELETE": "removed", "IMPORT": "took over"}
DONE = re.compile(r"(CREATE|UPDATE|DELETE|IMPORT)_(COMPLETE|SKIPPED)")
CANCELLED = re.compile(
    r"cancell?ed", re.IGNORECASE
)  # because another resource failed, which is reported instead
MAX_FAILURES = 5
# CloudFormation's message → what to do about it.
REMEDIES = (
    (
        r"[Rr]ollback [Tt]rigger|ALARM state",
        "Pages failed after the change: the API function's log says why (docs/operating.md, pages-fail).",
    ),
    (r"not authorized|AccessDenied", "The credentials lack a permission: docs/deploy.md lists them."),
    (
        r"UnreservedConcurrentExecution",
        "The account's concurrency limit is too low. Request more under Service Quotas: Lambda, concurrent executions.",
    ),
    (
        r"MediaBucketPolicy: .*([Dd]enied|BlockPublicPolicy)",
        "The images' bucket must be public. Check S3, Block Public Access settings for this account.",
    ),
    (
        r"must be verified",
        "CloudFront must verify new accounts first: open a case with AWS Support, or deploy without Cdn until then.",
    ),
    (
        r"policy attached to entities",
        "The finance policy is still attached: detach it in the IAM console under Policies, and run this again.",
    ),
    (
        r"CloudWatch Logs role ARN",
        "API Gateway isn't allowed to write logs in this account and region yet: docs/deploy.md, “API Gateway's logs”.",
    ),
    (
        r"already exists",
        "A resource with this name exists outside the stack. Does TablePrefix belong to another shop?",
    ),
    (
        r"[Cc]ertificate",
        "Check that the certificate is issued, for this domain and in the right region (us-east-1 for CloudFront).",
    ),
    (r"[Rr]ate exceeded|[Tt]hrottl", "AWS is throttling requests: run the command again in a few minutes."),
    (
        r"NoSuchKey|key does not exist",
        "The package is gone from the artifacts bucket: run the command again.",
    ),
)


class Progress:
    """Print the progress of a stack's resources, and collect failures."""

    def __init__(self, echo: Callable[[str], None], expected: int = 0) -> None:
        self.failures: list[Event] = []
        self.taken_back: list[Event] = []  # the stack's own failures; those of resources say more
        self._echo = echo
        self._expected = expected
        self._done: set[tuple[str, str]] = set()
        self._since = time.monotonic()

    def see(self, event: Event) -> None:
        """Print one event, if it is new."""
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason") or ""
        if status.endswith("_FAILED"):
            self._fail(event, reason)
        elif status.endswith("ROLLBACK_IN_PROGRESS") and event["ResourceType"] == STACK and reason:
            self.taken_back.append(event)
        elif (done := DONE.fullmatch(status)) and event["ResourceType"] != STACK:
            self._finish(event, "kept" if done[2] == "SKIPPED" else VERBS[done[1]])

    def _fail(self, event: Event, reason: str) -> None:
        if CANCELLED.search(reason):
            return
        self.failures.append(event)
        if event["ResourceType"] != STACK:
            self._echo(f"  {self._elapsed()}  FAILED {name_of(event)}: {reason or 'no reason given'}")

    def _finish(self, event: Event, verb: str) -> None:
        key = (event["LogicalResourceId"], verb)
        if key in self._done:
            return
        self._done.add(key)
        self._echo(f"  {self._elapsed()}{self._count()}  {verb} {name_of(event)}")

    def _count(self) -> str:
        # After a failure, the following events are the rollback.
        known = not self.failures and self._expected >= len(self._done)
        return f"  {len(self._done):>3}/{self._expected}" if known else ""

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._since)
        return f"{seconds // 60:>2}:{seconds % 60:02}"


def name_of(event: Event) -> str:
    """Return a resource's kind in plain words, with its name in the template."""
    kind = KINDS.get(event["ResourceType"]) or _plain(event["ResourceType"].rsplit("::", 1)[-1])
    return f"{kind} {event['LogicalResourceId']}"


def _plain(kind: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()


def why(failures: list[Event]) -> list[str]:
    """Return what failed first and what to do, one line each."""
    first = [event for event in failures if event["ResourceType"] != STACK] or failures
    lines = [
        f"  {name_of(event)}: {event.get('ResourceStatusReason', '')}".rstrip(": ")
        for event in first[:MAX_FAILURES]
    ]
    return lines + remedies(" ".join(lines))


def remedies(reason: str) -> list[str]:
    """Return what to do about CloudFormation's message."""
    return [f"  → {remedy}" for pattern, remedy in REMEDIES if re.search(pattern, reason)]
