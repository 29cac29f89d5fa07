"""Restore deleted rows from a restored table: `python -m infra.aws.restore_rows STAGE TABLE RESTORED`.

Writes rows that only the restored table has; existing rows of the stage's table stay unchanged.
"""

import sys
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of, explain
from infra.aws.cloudformation import adopt_resources
from infra.aws.stage_config import Stage, read_stage

USAGE = "Name a stage, one of its tables and the restored one: prod products awning-products-then"


def bring_back(stage: Stage, table: str, restored: str) -> tuple[int, int]:
    """Restore rows; return how many were restored, and how many existed. Raises DeployError."""
    account = Account(stage.region)
    account.must_be(stage.account)
    target = adopt_resources.prefix_of(stage) + table
    if target not in adopt_resources.tables_of(stage).values():
        raise DeployError(f"{table} is not a table of the shop. {USAGE}")
    dynamodb = account.client("dynamodb")
    key = _key(dynamodb, target)
    if restored == target or _key(dynamodb, restored) != key:
        raise DeployError(f"{restored} is not a restored copy of {target}. Nothing was changed.")
    pages = dynamodb.get_paginator("scan").paginate(TableName=restored, ConsistentRead=True)
    came = [_put(dynamodb, target, key[0]["AttributeName"], row) for page in pages for row in page["Items"]]
    return sum(came), len(came) - sum(came)


def _key(dynamodb: Any, table: str) -> list[dict[str, str]]:
    schema: list[dict[str, str]] = dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
    return sorted(schema, key=lambda part: part["KeyType"])


def _put(dynamodb: Any, table: str, key: str, row: dict[str, Any]) -> bool:
    # The key's first attribute is missing if the whole row is.
    absent: dict[str, Any] = {
        "ConditionExpression": "attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": key},
    }
    try:
        dynamodb.put_item(TableName=table, Item=row, **absent)
    except ClientError as error:
        if code_of(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True


def main(arguments: list[str]) -> int:
    """Restore rows according to the command line; return the process's exit status."""
    if len(arguments) != 3:
        print(USAGE, file=sys.stderr)
        return 2
    name, table, restored = arguments
    try:
        came, there = bring_back(read_stage(name), table, restored)
    except DeployError as stop:
        print(stop, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(explain(error), "Rows restored so far are kept; run the command again.", file=sys.stderr)
        return 1
    print(f"{came} rows restored to {table}; {there} existed and were left unchanged.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
