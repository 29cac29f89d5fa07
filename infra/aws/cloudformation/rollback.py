"""Take a bad release back: what ran before is kept in mind, and put back where the new pages fail.

CloudFormation does it by itself while a change is under way and for some minutes more, where the alarm pages-fail goes
off. What only a visitor sees, a page that is answered and is wrong, the smoke test sees when the change is done.
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
    """What a stack was before it is changed."""

    template: str
    parameters: Mapping[str, str]
    address: str


def running(stack: Stack) -> Release | None:
    """Return what runs now; None where nothing does, or its pages fail already: then going back would help nobody."""
    address = stack.outputs().get("ShopUrl", "").rstrip("/")
    if not address or not answers(stack.parameters().get("PublicUrl") or address):
        return None
    return Release(stack.template(), stack.parameters(), address)


def alarms(account: Account, stack: Stack, has: Collection[str], tell: Callable[[str], None]) -> list[str]:
    """List the alarms that are to take a change back; none where the stack has none yet, or it is on already."""
    if ALARM not in has:
        return []
    name = stack.physical(ALARM)
    found = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if any(alarm["StateValue"] == "ALARM" for alarm in found):
        tell(f"The alarm {name} is already on, so it can't trigger a rollback this time.")
        return []
    if found:
        tell(
            f"The change is monitored for {WATCHED_MINUTES} minutes after it: the alarm {name} would roll it back."
        )
    return [alarm["AlarmArn"] for alarm in found]


def go_back(account: Account, stack: Stack, before: Release, new: Collection[str]) -> None:
    """Put back what ran before; `new` names what the bad release made. Raises DeployError, where it stays, too."""
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
