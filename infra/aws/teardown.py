"""Delete a stage: `python -m infra.aws.teardown STAGE`, which `make teardown STAGE=…` runs.

Deletes the stack after its name was typed. Tables and buckets stay, with all orders and books, unless DATA=delete
asks to delete them, too: then what would be lost is counted and must be typed as well. Confirmations are read from
the standard input.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws import data_deletion, paypal_secret
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, at_once, explain
from infra.aws.cloudformation import adopt_resources, artifacts
from infra.aws.cloudformation.stack import BUCKET, KEEPS_DATA, NOT_YET, QUEUE, TABLE, Stack
from infra.aws.cloudformation.stack_events import KINDS
from infra.aws.stage_config import Stage, read_stage

Echo = Callable[[str], None]
WITH_ROLE = "with-role"
POLICY = "AWS::IAM::ManagedPolicy"
Names = dict[str, list[str]]  # a kind of resource → AWS's names of its resources


@dataclass(frozen=True)
class Data:
    """A stage's data: tables and buckets, with the size of their contents."""

    tables: dict[str, int]  # name → rows
    buckets: dict[str, int]  # name → objects and their older versions
    waiting: int  # messages in queues

    def sentence(self) -> str:
        """Return what would be lost, as it must be typed."""
        rows, files = sum(self.tables.values()), sum(self.buckets.values())
        return (
            f"lose {rows} rows in {len(self.tables)} tables and {files} files in {len(self.buckets)} buckets"
        )


def teardown(stage: Stage, data_too: bool, echo: Echo) -> None:
    """Delete a stage after its name was typed, and its data after that was typed, too.

    Raises DeployError, botocore's errors.
    """
    account = Account(stage.region)
    account.must_be(stage.account)
    stack = Stack(stage.stack, account.client("cloudformation"), echo)
    stack.wait()
    resources = [] if stack.status() in NOT_YET else stack.resources()
    names = names_of(resources) if resources else names_left(account, stage)
    if data_too and not resources:
        adopt_resources.must_be_nobodys(account, names[TABLE] + names[BUCKET])
    must_be_attached_to_nobody(account, _names(resources, POLICY))
    data = look(account, names)
    if not resources and not (data_too and (data.tables or data.buckets)):
        echo(f"There is no stack {stage.stack} in {stage.region}.")
        return
    for line in plan(stage, resources, data, data_too):
        echo(line)
    _must_type(stage.stack, "To delete it, type the stack's name")
    if data_too:
        _must_type(data.sentence(), "This cannot be undone. To delete the data, too, type")
    if resources:
        stack.delete()
    if data_too:
        delete_data(account, data, echo)
    for line in closing_report(stage, account, data_too):
        echo(line)


# -- looking ------------------------------------------------------------------------------------------


def must_be_attached_to_nobody(account: Account, policies: list[str]) -> None:
    """Raise DeployError if one of these policies is attached.

    CloudFormation could not delete it, and would stop half-way.
    """
    iam = account.client("iam")
    for arn in policies:
        pages = [*iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn)]
        if have := [
            f"{kind.lower()} {one[f'{kind}Name']}"
            for kind in ("Group", "Role", "User")
            for page in pages
            for one in page[f"Policy{kind}s"]
        ]:
            raise DeployError(
                f"{arn} is attached to {', '.join(have)}. Nothing was changed.\n"
                "Detach it there and run the command again. For a role of Identity Center, change its permission set."
            )


def names_of(resources: list[dict[str, Any]]) -> Names:
    """Return the names of a stack's tables, buckets and queues."""
    return {kind: _names(resources, kind) for kind in KEEPS_DATA}


def names_left(account: Account, stage: Stage) -> Names:
    """Return the names of what an earlier teardown may have left of a stage."""
    buckets = [name for _, name in adopt_resources.buckets_of(account, stage)]
    return {TABLE: [*adopt_resources.tables_of(stage).values()], BUCKET: buckets, QUEUE: []}


def look(account: Account, names: Names) -> Data:
    """Count the contents of those tables, buckets and queues that exist."""
    dynamodb, s3, sqs = (account.client(service) for service in ("dynamodb", "s3", "sqs"))
    rows = {
        name: count
        for name in names[TABLE]
        if (count := data_deletion.count_rows(dynamodb, name)) is not None
    }
    files = {
        name: count for name in names[BUCKET] if (count := data_deletion.count_files(s3, name)) is not None
    }
    return Data(rows, files, sum(data_deletion.count_messages(sqs, url) for url in names[QUEUE]))


def _names(resources: list[dict[str, Any]], kind: str) -> list[str]:
    # A resource that could not be created has no name.
    there = (one.get("PhysicalResourceId", "") for one in resources if one["ResourceType"] == kind)
    return [name for name in there if name]


def plan(stage: Stage, resources: list[dict[str, Any]], data: Data, data_too: bool) -> list[str]:
    """Return lines that say what is deleted and what stays."""
    kinds = {one["ResourceType"] for one in resources} - {TABLE, BUCKET}
    goes = sorted({KINDS[kind] for kind in kinds if kind in KINDS})
    lines = [f"{stage.stack} in {stage.region}: {len(resources)} resources. The shop will go offline."]
    lines += [f"To be deleted: {', '.join(goes)}."] if goes else []
    if data.waiting:
        lines.append(
            f"About {data.waiting} messages are waiting in queues and will be deleted: unsent emails remain due in the"
            " orders; PayPal can send its notifications again."
        )
    fate = "WILL BE DELETED" if data_too else "stays"
    lines += [f"{fate}: table {name}, {count:,} rows" for name, count in data.tables.items()]
    lines += [
        f"{fate}: bucket {name}, {count:,} files and older versions" for name, count in data.buckets.items()
    ]
    return lines


def _must_type(words: str, question: str) -> None:
    at_once(f"{question}: {words}")
    print("> ", end="", flush=True)
    if sys.stdin.readline().strip() != words:
        raise DeployError("\nThat did not match. Nothing was changed.")


# -- deleting -----------------------------------------------------------------------------------------


def delete_data(account: Account, data: Data, echo: Echo) -> None:
    """Delete the tables and buckets that the stack left."""
    dynamodb, s3 = account.client("dynamodb"), account.client("s3")
    for name in data.tables:
        data_deletion.delete_table(dynamodb, name)
        echo(f"  removed table {name}")
    for name in data.buckets:
        data_deletion.delete_bucket(s3, name)
        echo(f"  removed bucket {name}")


def closing_report(stage: Stage, account: Account, data_too: bool) -> list[str]:
    """Return lines that say what still exists, and what it costs."""
    rest = [
        f"Not deleted: the packages in the bucket {artifacts.bucket_of(account)}, PayPal's secret as {paypal_secret.name_of(stage)} in SSM, and"
        " the sender at SES. They cost cents a month.",
        "Delete the webhook at PayPal: its URL no longer answers.",
    ]
    if stage.parameters.get("AccessLog", WITH_ROLE) == WITH_ROLE:
        rest.append(
            f"The role {stage.stack}-ApiGatewayLogRole-… is kept, too: other APIs of the account may use it to write their logs."
        )
    if data_too:
        return [
            f"{stage.stack} and its data have been deleted. AWS keeps a final backup of each table for 35 days.",
            *rest,
        ]
    return [
        f"{stage.stack} has been deleted. Its tables and buckets are kept, at about 0.45 USD per GB and month in tables, including"
        " backups, and 0.023 USD in buckets (list prices of us-east-1).",
        f"To reopen with the same data: make deploy STAGE={stage.name} ADOPT=1. PayPal's webhook, AlarmEmail and finance's"
        " policy are then new: docs/deploy.md, “Tear down”.",
        f"To delete them, too: make teardown STAGE={stage.name} DATA=delete",
        *rest,
    ]


def main(arguments: list[str] | None = None) -> int:
    """Delete a stage according to the command line; return the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.teardown", description=__doc__)
    parser.add_argument("stage", help="names a file in infra/aws/stages")
    parser.add_argument("--data", choices=["", "keep", "delete"], default="keep", help="default: keep")
    options = parser.parse_args(arguments)
    try:
        teardown(read_stage(options.stage), options.data == "delete", at_once)
    except DeployError as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nRun the command again to see what is still there.", file=sys.stderr)
        return 130
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
