"""Rows that were deleted come back from a restored table; nothing else changes."""

from typing import Any

import pytest

from infra.aws import restore_rows
from infra.aws.aws_account import Account
from tests.infra.package import minimal_package

TEST = minimal_package.of_prefix("test-")


@pytest.fixture
def dynamodb(aws: object, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a client, in a cloud with a table as it was an hour ago."""
    monkeypatch.setattr(restore_rows, "read_stage", lambda name: TEST)
    client = Account(TEST.region).client("dynamodb")
    there = client.describe_table(TableName="test-product-search")["Table"]
    client.create_table(
        TableName="then",
        KeySchema=there["KeySchema"],
        AttributeDefinitions=there["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def row(entry: str, slug: str) -> dict[str, dict[str, str]]:
    return {"prefix": {"S": "te"}, "entry": {"S": entry}, "slug": {"S": slug}}


def test_what_was_deleted_comes_back_and_what_is_there_stays(
    dynamodb: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for entry in ("tea#a", "tea#b", "tea#c"):
        dynamodb.put_item(TableName="then", Item=row(entry, "old"))
    dynamodb.put_item(TableName="test-product-search", Item=row("tea#b", "new"))

    assert restore_rows.main(["test", "product-search", "then"]) == 0

    assert (
        capsys.readouterr().out == "2 rows restored to product-search; 1 existed and were left unchanged.\n"
    )
    rows = dynamodb.scan(TableName="test-product-search")["Items"]
    assert {one["entry"]["S"]: one["slug"]["S"] for one in rows} == {
        "tea#a": "old",
        "tea#b": "new",
        "tea#c": "old",
    }
    assert restore_rows.main(["test", "product-search", "then"]) == 0
    assert capsys.readouterr().out.startswith("0 rows restored")


@pytest.mark.parametrize(
    ("table", "restored", "said"),
    [
        ("nothing", "then", "nothing is not a table of the shop"),
        ("products", "then", "then is not a restored copy of test-products"),
        (
            "product-search",
            "test-product-search",
            "test-product-search is not a restored copy of test-product-search",
        ),
        ("product-search", "nowhere", "AWS rejected DescribeTable"),
    ],
)
def test_another_table_is_refused(
    dynamodb: object, capsys: pytest.CaptureFixture[str], table: str, restored: str, said: str
) -> None:
    assert restore_rows.main(["test", table, restored]) == 1
    assert said in capsys.readouterr().err
