"""Roll back a bad release: what ran before is recorded, and restored if the new pages fail.

CloudFormation rolls back automatically during a change, and for some minutes after it, if the alarm pages-fail goes
off. A page that is answered but wrong is found only by the smoke test, after the change.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError
from infra.aws.checks.smoke_test import answers
from infra.aws.cloudformation import artifacts
from infra.aws.cloudformation.stack import WATCHED_MINUTES, Stack

ALARM = "PagesFail"


@dataclass(frozen=True)
class Release:
    """A stack before a change."""

    template: str
    parameters: Mapping[str, str]
    address: str


def running(stack: Stack) -> Release | None:
    """Return what runs now; None if nothing does, or if its pages fail already, so that a rollback would not help."""
    address = stack.outputs().get("ShopUrl", "").rstrip("/")
    if not address or not answers(stack.parameters().get("PublicUrl") or address):
        return None
    return Release(stack.template(), stack.parameters(), address)


def alarms(account: Account, stack: Stack, has: Collection[str], echo: Callable[[str], None]) -> list[str]:
    """List the alarms that roll back a change; none if the stack has none yet, or if one is on already."""
    if ALARM not in has:
        return []
    name = stack.physical(ALARM)
    found = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if any(alarm["StateValue"] == "ALARM" for alarm in found):
        echo(f"The alarm {name} is already on, so it can't trigger a rollback this time.")
        return []
    if found:
        echo(
            f"The change is monitored for {WATCHED_MINUTES} minutes after it: the alarm {name} would roll it back."
        )
    return [alarm["AlarmArn"] for alarm in found]


def go_back(account: Account, stack: Stack, before: Release, new: Collection[str]) -> None:
    """Restore the previous release; `new` names what the bad release created. Raises DeployError if the bad one stays."""
    if missing := artifacts.missing_zips(account, before.template):
        raise DeployError(
            f"The previous version cannot be restored: {', '.join(missing)} is no longer in the bucket."
        )
    change_set = stack.prepare(before.parameters, artifacts.store_template(account, before.template))
    if change_set is None:
        raise DeployError("The previous version is the same as the current one.")
    if dangers := change_set.dangers(new):
        stack.drop(change_set.arn)
        raise DeployError(
            "\n".join(["The previous version was not restored, because that would delete data:", *dangers])
        )
    stack.execute(change_set)
