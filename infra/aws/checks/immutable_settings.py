"""Settings that must not change once there are orders: amounts are minor units of one currency, days are of one time zone."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of
from infra.aws.checks.preflight import paypals_world
from infra.aws.cloudformation import adopt_resources
from infra.aws.stage_config import Stage

ORDERS, PRODUCTS = "OrdersTable", "ProductsTable"
# What would be misread, and the tables that make a change impossible once they have a row.
SETTINGS = {
    "Currency": (
        "prices, orders and books are stored in minor units, so 18.50 could become 1850",
        (ORDERS, PRODUCTS),
    ),
    "Timezone": (
        "days were booked and closed in this time zone, and would begin at a different time",
        (ORDERS,),
    ),
    "PayPalApiUrl": (
        "the other PayPal environment doesn't have the existing payments and can't refund them",
        (ORDERS,),
    ),
}


def must_stay(
    account: Account,
    stage: Stage,
    present: Mapping[str, str],
    after: Mapping[str, str],
    agreed: Collection[str],
) -> None:
    """Raise DeployError for a change of a setting that stored rows depend on, unless the command names it."""
    refused = [line for name, line in _changes(account, stage, present, after) if name not in agreed]
    if refused:
        names = " ".join(name for name, _ in _changes(account, stage, present, after))
        raise DeployError(
            "\n".join(
                [
                    "The shop has orders or products that use other settings. Nothing was changed.",
                    *(f"  {line}" for line in refused),
                    "Use a separate stage for another currency, time zone or PayPal environment. If the change is intended"
                    f' and all prices and days have been taken care of: make deploy … CHANGE="{names}"',
                ]
            )
        )


def _changes(
    account: Account, stage: Stage, present: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    dynamodb, tables = account.client("dynamodb"), adopt_resources.tables_of(stage)
    for name, (why, keys) in SETTINGS.items():
        if name not in after:
            continue
        # A new stack does not know earlier values; the currency is stored in each order.
        was = present.get(name) or (_currency(dynamodb, tables) if name == "Currency" else "")
        if not was or _meant(name, was) == _meant(name, after[name]):
            continue
        if any(_has_rows(dynamodb, tables.get(key, "")) for key in keys):
            yield name, f"{name} is {was} and would become {after[name]}: {why}."


def _meant(name: str, value: str) -> str:
    return paypals_world(value) if name == "PayPalApiUrl" else value


def _has_rows(dynamodb: Any, table: str) -> bool:
    try:
        return bool(table) and not adopt_resources.is_empty(dynamodb, table)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise


def _currency(dynamodb: Any, tables: Mapping[str, str]) -> str:
    """Return the currency of an order; "" if there is none."""
    if not _has_rows(dynamodb, tables.get(ORDERS, "")):
        return ""
    rows = dynamodb.scan(
        TableName=tables[ORDERS],
        Limit=100,  # some rows are lookups by number or by PayPal's IDs
        ProjectionExpression="currency",
        FilterExpression="attribute_exists(currency)",
    )["Items"]
    return str(rows[0]["currency"]["S"]) if rows else ""
