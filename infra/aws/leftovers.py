"""What an earlier stack of a stage left: tables, whose names the next one needs, and buckets."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import Account
from infra.aws.package import PROJECT, merged
from infra.aws.stagefile import Stage
from infra.aws.words import Stop, code_of

TABLE, BUCKET = "AWS::DynamoDB::Table", "AWS::S3::Bucket"
PREFIX = "TablePrefix"


def prefix_of(stage: Stage) -> str:
    """Tell what the names of a stage's tables and queues begin with."""
    return stage.parameters.get(PREFIX, str(merged(PROJECT)["Parameters"][PREFIX]["Default"]))


def table_name(resource: Mapping[str, Any], prefix: str) -> str:
    """Tell the name of a table of the template."""
    return str(resource["Properties"]["TableName"]["Fn::Sub"]).replace(f"${{{PREFIX}}}", prefix)


def tables_of(stage: Stage) -> list[str]:
    """Name the tables that the template makes for a stage."""
    resources = merged(PROJECT)["Resources"].values()
    return sorted(table_name(one, prefix_of(stage)) for one in resources if one.get("Type") == TABLE)


def buckets_of(account: Account, stage: Stage) -> list[str]:
    """Name the buckets that earlier stacks of a stage left: CloudFormation calls them stack-resource-random."""
    kinds = [name.lower() for name, one in merged(PROJECT)["Resources"].items() if one.get("Type") == BUCKET]
    beginnings = tuple(f"{stage.stack.lower()}-{kind}-" for kind in kinds)
    pages = account.client("s3").get_paginator("list_buckets").paginate(BucketRegion=account.region)
    names = (bucket["Name"] for page in pages for bucket in page["Buckets"])
    return sorted(name for name in names if name.startswith(beginnings))


def to_adopt(account: Account, stage: Stage, agreed: bool, tell: Callable[[str], None]) -> list[str]:
    """Name the tables that lie there for the new stack to take over. Raises Stop where it would take data unasked."""
    dynamodb = account.client("dynamodb")
    there = [name for name in tables_of(stage) if _exists(dynamodb, name)]
    if not there:
        return []
    full = [name for name in there if not is_empty(dynamodb, name)]
    if full and not agreed:
        raise Stop(
            f"There are tables with data already: {', '.join(full)}.\nIf they are this shop's, from a stack that was"
            f" deleted, the new stack can take them over:\n  make deploy STAGE={stage.name} ADOPT=1\n"
            "If they are another shop's, choose another TablePrefix in the stage's file."
        )
    tell(
        f"The new stack takes over {len(there)} tables that an earlier one left{', with data' if full else ', empty'}."
    )
    for bucket in buckets_of(account, stage) if full else ():
        tell(f"It gets new buckets. Copy what was in the old one: aws s3 sync s3://{bucket} s3://…")
    return there


def is_empty(dynamodb: Any, table: str) -> bool:
    """Tell whether a table has no row; its own count may be six hours old."""
    return not dynamodb.scan(TableName=table, Limit=1, Select="COUNT")["Count"]


def _exists(dynamodb: Any, name: str) -> bool:
    try:
        dynamodb.describe_table(TableName=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise
    return True
