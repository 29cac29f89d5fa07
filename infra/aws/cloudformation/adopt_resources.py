"""Tables and buckets that an earlier stack of a stage left, for the next stack to take over."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of
from infra.aws.cloudformation.artifacts import policy_of
from infra.aws.cloudformation.stack import BUCKET, LET_GO, TABLE
from infra.aws.stage_config import Stage, declared

PREFIX = "TablePrefix"
# The reconciler writes to it within minutes, even if the creation then fails.
WRITTEN_AT_ONCE = ("ScheduledRunsTable",)


def prefix_of(stage: Stage) -> str:
    """Return the prefix of a stage's tables and queues."""
    return stage.parameters.get(PREFIX, str(declared()["Parameters"][PREFIX]["Default"]))


def name_of(resource: Mapping[str, Any], prefix: str) -> str:
    """Return the name of a table, a queue, or a function with a fixed name."""
    named: dict[str, Any] = resource["Properties"]
    name = named.get("TableName") or named.get("QueueName") or named["FunctionName"]
    return str(name["Fn::Sub"]).replace(f"${{{PREFIX}}}", prefix)


def tables_of(stage: Stage) -> dict[str, str]:
    """Return the names of the template's tables in a stage."""
    resources = declared()["Resources"].items()
    return {key: name_of(one, prefix_of(stage)) for key, one in resources if one.get("Type") == TABLE}


def buckets_of(account: Account, stage: Stage) -> list[tuple[str, str]]:
    """List the buckets that earlier stacks of a stage left; CloudFormation names them stack-resource-random."""
    keys = [key for key, one in declared()["Resources"].items() if one.get("Type") == BUCKET]
    pages = account.client("s3").get_paginator("list_buckets").paginate(BucketRegion=account.region)
    names = sorted(bucket["Name"] for page in pages for bucket in page["Buckets"])
    begin = {key: f"{stage.stack}-{key}-".lower() for key in keys}
    return [(key, name) for key in keys for name in names if name.startswith(begin[key])]


def must_be_nobodys(account: Account, names: Iterable[str]) -> None:
    """Raise DeployError if one of these tables and buckets belongs to a stack, as with two stages with the same prefix."""
    for name in names:
        if owner := _owner(account, name):
            raise DeployError(
                f"{name} belongs to the stack {owner}. Nothing was changed.\n"
                "Do two stages have the same TablePrefix? Then these resources belong to the other stack."
            )


def _owner(account: Account, name: str) -> str:
    try:
        there = account.client("cloudformation").describe_stack_resources(PhysicalResourceId=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise
    # A deleted stack is listed for 90 days, too.
    holds = (one for one in there["StackResources"] if one["ResourceStatus"] not in LET_GO)
    return next((one["StackName"] for one in holds if one.get("PhysicalResourceId") == name), "")


def to_adopt(
    account: Account, stage: Stage, agreed: bool, echo: Callable[[str], None], has: Collection[str] = ()
) -> dict[str, str]:
    """Return resources of the template → existing tables and buckets for the stack to take over.

    `has` names the resources that the stack has already. Raises DeployError if data would be taken over without
    consent.
    """
    dynamodb = account.client("dynamodb")
    missing = {key: name for key, name in tables_of(stage).items() if key not in has}
    there = {key: name for key, name in missing.items() if _exists(dynamodb, name)}
    full = [
        name for key, name in there.items() if key not in WRITTEN_AT_ONCE and not is_empty(dynamodb, name)
    ]
    if not full:
        if there:
            echo(
                f"The stack takes over {_tables(there)} without data, left by an earlier stack or a failed change."
            )
        return there
    if not agreed:
        raise DeployError(
            f"There are already tables with data: {', '.join(full)}.\nIf they belong to this shop, from a stack that was"
            " deleted or a version that ran before, the stack can take them over:\n"
            f"  make deploy STAGE={stage.name} ADOPT=1\n"
            "If they belong to another shop, choose a different TablePrefix in the stage file."
        )
    buckets = _buckets_to_adopt(account, stage, has)
    names = ", ".join(buckets.values())
    echo(f"The stack takes over {_tables(there)} with data{', and ' if names else ''}{names}.")
    return there | buckets


def _tables(there: Mapping[str, str]) -> str:
    return f"{len(there)} table{'s' if len(there) > 1 else ''}"


def kept(key: str) -> str:
    """Return the name of the parameter for the bucket that a stack reuses."""
    return f"Kept{key}"


def _buckets_to_adopt(account: Account, stage: Stage, has: Collection[str]) -> dict[str, str]:
    s3, found = account.client("s3"), dict[str, str]()
    for key, name in buckets_of(account, stage):
        if key in has or stage.parameters.get(kept(key), name) != name or not has_files(s3, name):
            continue
        if key in found:
            raise DeployError(
                f"Several buckets may belong to this shop: {found[key]}, {name}.\nName the one to reuse in the stage"
                f' file: {kept(key)} = "…"'
            )
        found[key] = name
    return found


@contextmanager
def made_way(account: Account, adopted: Mapping[str, str]) -> Iterator[None]:
    """Remove the policies of buckets to take over: CloudFormation creates them, which fails if they exist.

    They are restored if an error occurs before CloudFormation has created its own.
    """
    s3, resources = account.client("s3"), declared()["Resources"]
    buckets = [name for key, name in adopted.items() if resources[key]["Type"] == BUCKET]
    policies = {name: policy for name in buckets if (policy := policy_of(s3, name))}
    for name in policies:
        s3.delete_bucket_policy(Bucket=name)
    try:
        yield
    except DeployError:
        for name, policy in policies.items():
            if not policy_of(s3, name):
                s3.put_bucket_policy(Bucket=name, Policy=policy)
        raise


def has_files(s3: Any, bucket: str) -> bool:
    """Return whether a bucket contains any object or version."""
    return bool(s3.list_objects_v2(Bucket=bucket, MaxKeys=1).get("KeyCount"))


def is_empty(dynamodb: Any, table: str) -> bool:
    """Return whether a table has no row; its own count may be six hours old."""
    return not dynamodb.scan(TableName=table, Limit=1, Select="COUNT")["Count"]


def _exists(dynamodb: Any, name: str) -> bool:
    try:
        dynamodb.describe_table(TableName=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise
    return True
