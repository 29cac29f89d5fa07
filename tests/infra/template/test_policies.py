"""What the tests of all features rely on: a call that AWS would refuse is noticed."""

import json
from pathlib import Path

import pytest

from chalicelib.aws import client
from chalicelib.config import settings
from tests import iam_policy_check
from tests.client import Shopper
from tests.iam_policy_check import Line, Policies, statements
from tests.shop import Shop

USED = iam_policy_check.used
LINE = ("export_books", "s3:PutObject", "BooksBucket/books/*")


@pytest.fixture(autouse=True)
def used(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> set[Line]:
    """Return what was used; what these tests ask for themselves, without a page, is no use and not told at the end."""
    if "gateway" not in request.fixturenames:
        monkeypatch.setattr(iam_policy_check, "used", set())
    return iam_policy_check.used


@pytest.mark.parametrize(
    ("actor", "service", "operation", "asked", "refused"),
    [
        ("api_handler", "dynamodb", "Scan", {"TableName": "test-orders"}, "dynamodb:Scan on OrdersTable"),
        (
            "export_books",
            "dynamodb",
            "PutItem",
            {"TableName": "test-orders"},
            "dynamodb:PutItem on OrdersTable",
        ),
        (
            "run_staff_jobs",
            "dynamodb",
            "Query",
            {"TableName": "test-orders", "IndexName": "due"},
            "dynamodb:Query on OrdersTable/index/due",
        ),
        (
            "send_order_emails",
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "test-orders"}},
                    {"Update": {"TableName": "test-stock"}},
                ]
            },
            "dynamodb:UpdateItem on StockTable",
        ),
        (
            "run_staff_jobs",
            "s3",
            "PutObject",
            {"Bucket": "test-awning-media", "Key": "uploads/x"},
            "s3:PutObject on MediaBucket/uploads/x",
        ),
        (
            "reconcile_payments",
            "sqs",
            "GetQueueUrl",
            {"QueueName": "test-background-jobs"},
            "lambda:InvokeFunction on function/background-jobs",
        ),
        ("reconcile_payments", "ssm", "PutParameter", {}, "ssm:PutParameter on PayPalClientSecretParameter"),
    ],
)
def test_a_call_that_no_policy_allows_is_refused(
    actor: str, service: str, operation: str, asked: dict[str, object], refused: str
) -> None:
    assert list(Policies().refusals(actor, service, operation, asked)) == [f"{actor} may not {refused}"]


def test_a_call_that_a_policy_allows_is_allowed() -> None:
    assert _refusals_of_a_book(Policies()) == []
    orders = {"TableName": f"{settings.table_prefix}orders", "IndexName": "due"}
    assert list(Policies().refusals("reconcile_payments", "dynamodb", "Query", orders)) == []


def _refusals_of_a_book(policies: Policies) -> list[str]:
    book = {"Bucket": settings.books_bucket, "Key": "books/2026/11/22/ledger-2026-11-22.csv"}
    return list(policies.refusals("export_books", "s3", "UploadPart", book))


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Deny"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"NotAction": ["s3:PutObject"]},
        {"Action": ["s3:*"]},
        {"Action": "s3:GetObject"},
        {"Resource": "*"},
    ],
)
def test_a_statement_that_these_tests_would_misread_is_refused(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    plain: dict[str, object] = {
        "Sid": "Read",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["*"],
    }
    assert list(statements(_policy(tmp_path, plain))) == [({"s3:GetObject"}, "*")]
    with pytest.raises(AssertionError, match="Read"):
        list(statements(_policy(tmp_path, plain | changed)))


def _policy(folder: Path, statement: dict[str, object]) -> Path:
    file = folder / "policy.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), encoding="utf-8")
    return file


def test_unused_permissions_are_reported_at_the_end() -> None:
    policies = Policies()
    assert LINE in policies.spare()
    assert not [action for _, action, _ in policies.spare() if action.startswith(("logs:", "xray:"))]
    assert ("send_order_emails", "sqs:ReceiveMessage", "OrderEmailsQueue") not in policies.spare()
    assert _refusals_of_a_book(policies) == []
    assert LINE not in policies.spare()


def test_what_a_test_asks_for_is_not_what_functions_use(used: set[Line]) -> None:
    assert _refusals_of_a_book(Policies()) == []
    assert used == {LINE}
    assert used is not USED


def test_functions_that_call_paypal_may_read_its_secret(shop: Shop, used: set[Line]) -> None:
    shop.placed()
    assert used is USED
    assert ("api_handler", "ssm:GetParameter", "PayPalClientSecretParameter") in used


def test_pages_are_looked_at_and_tests_are_not(
    shopper: Shopper, refused_by_aws: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Policies, "refusals", lambda self, actor, service, operation, asked: [operation])
    client("s3").list_buckets()
    assert refused_by_aws == []
    shopper.get("/")
    assert "Query" in refused_by_aws
    refused_by_aws.clear()
