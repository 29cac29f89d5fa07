"""Deploy a stage: `python -m infra.aws.deploy STAGE`, which `make deploy STAGE=…` runs.

It packages, uploads, lets CloudFormation create or change the stack, sets the stack's own address in a second pass,
and tests the shop from outside. Every error says what to do; if run again, it continues where it stopped.
"""

import argparse
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.payments.paypal.events import EVENT_TYPES
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, at_once, explain
from infra.aws.checks import immutable_settings, preflight
from infra.aws.checks.smoke_test import smoke
from infra.aws.checks.webhook_check import WEBHOOK_ID, webhook_is_right
from infra.aws.cloudformation import adopt_resources, artifacts, rollback
from infra.aws.cloudformation.stack import ChangeSet, Stack
from infra.aws.package.build import PROJECT
from infra.aws.stage_config import Stage, read_stage

PUBLIC_URL, ORIGIN_SECRET = "PublicUrl", "OriginSecret"
# Values that an earlier deployment determined, and the parameters on which they depend: the shop's address, and its
# app at PayPal.
FOUND_OUT: dict[str, tuple[str, ...]] = {
    PUBLIC_URL: ("DomainName", "Cdn"),
    WEBHOOK_ID: ("PayPalApiUrl", "PayPalClientId"),
    ORIGIN_SECRET: (),
    "KeptBooksBucket": (),
    "KeptMediaBucket": (),
}
CHALICE_STAGE = "prod"  # all stages share one package; only their files differ
Echo = Callable[[str], None]
NOTHING_IN_THE_WAY = nullcontext()


@dataclass(frozen=True)
class DeployOptions:
    """Options of the command line, beside the stage's file."""

    webhook_id: str = ""
    replace: bool = False  # tables, buckets and queues may be replaced or leave the stack
    adopt: bool = False  # take over tables with data that an earlier stack left
    change: tuple[str, ...] = ()  # settings that may change though there are orders
    keep: bool = False  # keep the release even if its pages fail
    new_origin_secret: bool = False  # replace CloudFront's and the functions' secret


def deploy(stage: Stage, wishes: DeployOptions, echo: Echo) -> bool:
    """Deploy; return whether the shop answers correctly, and PayPal notifies it.

    Raises DeployError, and botocore's errors.
    """
    account = Account(stage.region)
    preflight.check(account, stage, echo)
    stack = Stack(stage.stack, account.client("cloudformation"), echo)
    has = stack.logical_ids() if stack.ready() else set()
    adopted = adopt_resources.to_adopt(account, stage, wishes.adopt, echo, has)
    with tempfile.TemporaryDirectory(prefix="awning-deploy-") as scratch:
        build(stage.arch, Path(scratch))
        stored = artifacts.store(account, Path(scratch), adopted)
    present = stack.parameters()
    webhook_before = stack.outputs().get("WebhookUrl")
    present |= {adopt_resources.kept(key): name for key, name in adopted.items()}
    parameters = choose_parameters(
        stage, present, wishes.webhook_id, stored.defaults, new_secret=wishes.new_origin_secret
    )
    immutable_settings.must_stay(account, stage, present, {**stored.defaults, **parameters}, wishes.change)
    before = rollback.running(stack) if has and not wishes.keep else None
    alarms = rollback.alarms(account, stack, has, echo) if before else []
    change_set = stack.prepare(parameters, stored.template_url, adopted, alarms)
    change(stack, change_set, wishes.replace, echo, adopt_resources.made_way(account, adopted))
    set_public_url(stack, stage, parameters, wishes.replace, echo)
    stack.protect(True)
    report(stage, stack, webhook_before, echo)
    for doubt in preflight.doubts_of_alarms(account, stage, stack.outputs()):
        echo(f"Alarms: {doubt}")
    address = stack.outputs()["ShopUrl"].rstrip("/")
    outcome = smoke(stage.parameters.get(PUBLIC_URL) or address, echo)
    if before and change_set and outcome.pages_fail and before.address == address:
        echo("The pages fail, which they didn't before. Restoring the previous version:")
        rollback.go_back(account, stack, before, change_set.adds())
        raise DeployError(_TAKEN_BACK)
    is_webhook_right = webhook_is_right(account, stage, stack, echo)
    return bool(outcome) and is_webhook_right


_TAKEN_BACK = (
    "The release was rolled back because its pages failed; the previous version is running again. Read the API function's log"
    " (docs/operating.md), fix it, and deploy again. To keep it deployed for debugging: make deploy … KEEP=1"
)


def build(arch: str, out: Path) -> None:
    """Build the package; the build prints its progress to the standard error. Raises DeployError."""
    command = [sys.executable, "-m", "infra.aws.package.build"]
    command += ["--stage", CHALICE_STAGE, "--arch", arch, "--out", str(out)]
    if subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False).returncode:
        raise DeployError("Nothing was deployed.")


def choose_parameters(
    stage: Stage,
    present: Mapping[str, str],
    webhook_id: str,
    defaults: Mapping[str, str],
    *,
    new_secret: bool = False,
) -> dict[str, str]:
    """Return the stack's parameters: the file's, and those determined or created before that are still valid."""
    chosen = dict(stage.parameters)
    if webhook_id:
        chosen[WEBHOOK_ID] = webhook_id
    after = {**defaults, **chosen}
    for name, facts in FOUND_OUT.items():
        holds = all(present.get(fact, defaults.get(fact)) == after.get(fact) for fact in facts)
        if present.get(name) and holds:
            chosen.setdefault(name, present[name])
    if new_secret or ORIGIN_SECRET not in chosen:
        chosen[ORIGIN_SECRET] = secrets.token_urlsafe(32)
    return {name: value for name, value in chosen.items() if name in defaults}


def change(
    stack: Stack,
    change_set: ChangeSet | None,
    replace: bool,
    echo: Echo,
    way: AbstractContextManager[None] = NOTHING_IN_THE_WAY,
) -> None:
    """Execute a change set, unless that would lose data. Raises DeployError."""
    if change_set is None:
        echo(f"{stack.name} is up to date: nothing to change.")
        return
    dangers = change_set.dangers()
    if dangers and not replace:
        stack.drop(change_set.arn)
        raise DeployError(
            "\n".join(
                ["This would delete data. Nothing was changed.", *(f"  {one}" for one in dangers), _MEANT]
            )
        )
    echo(f"{stack.name}: {change_set.summary()}.")
    with way:
        stack.execute(change_set)


_MEANT = "Has a name changed, such as TablePrefix? If that is intended and all data has been copied: make deploy … REPLACE=1"


def set_public_url(
    stack: Stack, stage: Stage, parameters: Mapping[str, str], replace: bool, echo: Echo
) -> None:
    """Set the stack's own address, known only once it exists, unless the file names another. Raises DeployError."""
    address = stack.outputs()["ShopUrl"].rstrip("/")
    if PUBLIC_URL in stage.parameters or parameters.get(PUBLIC_URL) == address:
        return
    echo(f"Setting the shop's own URL, {address}:")
    present = stack.parameters()
    change(stack, stack.prepare(present | {PUBLIC_URL: address}), replace, echo)


def report(stage: Stage, stack: Stack, webhook_before: str | None, echo: Echo) -> None:
    """Print the outputs, and what is still to be done at PayPal."""
    outputs = stack.outputs()
    for name in sorted(outputs):
        echo(f"{name}: {outputs[name]}")
    webhook = outputs.get("WebhookUrl", "")
    if not stack.parameters().get(WEBHOOK_ID):
        for line in webhook_to_enter(webhook, stage.name):
            echo(line)
    elif webhook_before not in (None, webhook):
        echo(f"The webhook's URL was {webhook_before}: change it to the new one at PayPal.")


def webhook_to_enter(address: str, stage: str) -> list[str]:
    """Return instructions for entering the webhook at PayPal."""
    return [
        "",
        "PayPal doesn't notify this shop yet. Until it does, notifications are answered with 503, and payments are",
        "found within minutes without them; refunds made at PayPal, chargebacks and disputes are not.",
        "At developer.paypal.com, on the app's page under Webhooks, add",
        f"  {address}",
        "with the events",
        *(f"  {event}" for event in EVENT_TYPES),
        "and give the shop the webhook's ID:",
        f"  make deploy STAGE={stage} WEBHOOK_ID=…",
        "",
    ]


def read_arguments(arguments: list[str] | None) -> tuple[str, DeployOptions]:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.deploy", description=__doc__)
    parser.add_argument("stage", help="names a file in infra/aws/stages")
    parser.add_argument("--webhook-id", default="", help="the ID that PayPal gave the shop's webhook")
    parser.add_argument("--replace", action="store_true", help="tables, buckets and queues may be replaced")
    parser.add_argument(
        "--adopt", action="store_true", help="take over the tables that an earlier stack left"
    )
    parser.add_argument(
        "--change",
        default="",
        help=f"which of {', '.join(immutable_settings.SETTINGS)} may change though there are orders",
    )
    parser.add_argument("--keep", action="store_true", help="keep what was deployed, though its pages fail")
    parser.add_argument(
        "--new-origin-secret", action="store_true", help="make another secret between CloudFront and the shop"
    )
    options = parser.parse_args(arguments)
    wishes = DeployOptions(
        options.webhook_id.strip(),
        options.replace,
        options.adopt,
        tuple(options.change.replace(",", " ").split()),
        options.keep,
        options.new_origin_secret,
    )
    return options.stage, wishes


def main(arguments: list[str] | None = None) -> int:
    """Deploy according to the command line; return the process's exit status."""
    name, wishes = read_arguments(arguments)
    try:
        answers = deploy(read_stage(name), wishes, at_once)
    except DeployError as stop:
        print(stop, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print(
            "\nCloudFormation continues in the background. Run the command again to keep watching.",
            file=sys.stderr,
        )
        return 130
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
        return 1
    if not answers:
        print(_NOT_AS_IT_SHOULD, file=sys.stderr)
        return 1
    print(f"{name} is deployed and passes all checks.")
    return 0


_NOT_AS_IT_SHOULD = (
    "Deployed, but some checks failed. If the webhook is wrong, correct it at PayPal. If pages\n"
    "fail, read the API function's log (docs/operating.md), or go back:\n"
    "check out the previous commit and run the same command. To check again: .venv/bin/python -m infra.aws.checks.smoke_test ADDRESS"
)

if __name__ == "__main__":
    sys.exit(main())
