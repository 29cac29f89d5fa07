"""Who reads the buckets, what stays in them, and for how long."""

from datetime import date
from typing import Any

import pytest

from chalicelib.ledger.daily_reports import key_of
from infra.local.create_resources import PICTURES
from tests.infra.template.template_reader import Template, of_type, resolved, values


def test_pictures_are_public_and_books_are_not(template: Template) -> None:
    buckets = of_type(template, "AWS::S3::Bucket")
    assert set(buckets["BooksBucket"]["PublicAccessBlockConfiguration"].values()) == {True}
    allowed = {name: allows(template, name) for name in buckets}
    assert allowed["BooksBucket"] == []
    (shown,) = allowed["MediaBucket"]
    assert shown["Action"] == "s3:GetObject"
    assert shown["Resource"] == {"Fn::Sub": f"${{MediaBucket.Arn}}/{PICTURES}*"}


def test_both_keep_old_versions_and_refuse_connections_that_are_not_encrypted(template: Template) -> None:
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}, name
        tls = by_sid(template, name)["OnlyEncryptedConnections"]
        assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
        assert tls["Condition"] == {"Bool": {"aws:SecureTransport": False}}
        assert tls["Resource"] == [
            {"Fn::GetAtt": [name, "Arn"]},
            {"Fn::Sub": f"${{{name}.Arn}}/*"},
        ]


def test_closed_books_are_written_once_and_never_deleted_by_anybody(template: Template) -> None:
    """What an object lock would do, for these files alone; provisional books are written again."""
    denied = by_sid(template, "BooksBucket")
    once, never = denied["ClosedBooksAreWrittenOnce"], denied["ClosedBooksAreNeverDeleted"]
    for statement in (once, never):
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Resource"] == {"Fn::Sub": "${BooksBucket.Arn}/books/2*"}
    assert once["Action"] == "s3:PutObject"
    assert once["Condition"] == {
        "Null": {"s3:if-none-match": True},  # not “write unless there is one”
        "Bool": {"s3:ObjectCreationOperation": True},
    }
    assert never["Action"] == ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    closed, provisional = (key_of("ledger", date(2026, 11, 22), provisional=not final) for final in (1, 0))
    assert closed.startswith("books/2")
    assert not provisional.startswith("books/2")


def test_what_is_sent_and_made_for_a_while_is_dropped_with_its_old_versions_and_books_stay(
    template: Template,
) -> None:
    dropped = {
        (name, rule["Prefix"]): (
            rule.get("ExpirationInDays"),
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"],
        )
        for name, bucket in of_type(template, "AWS::S3::Bucket").items()
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "AbortIncompleteMultipartUpload" not in rule
    }
    assert dropped == {
        ("MediaBucket", "uploads/"): (1, 1),
        ("MediaBucket", PICTURES): (None, 30),
        ("BooksBucket", "exports/"): (7, 1),
        ("BooksBucket", "imports/"): (7, 1),
    }


def test_uploads_that_never_ended_are_dropped(template: Template) -> None:
    for bucket in of_type(template, "AWS::S3::Bucket").values():
        (rule,) = [
            rule
            for rule in bucket["LifecycleConfiguration"]["Rules"]
            if "AbortIncompleteMultipartUpload" in rule
        ]
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
        assert "Prefix" not in rule


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "https://*.execute-api.eu-central-1.amazonaws.com"),
        ({"PublicUrl": "https://shop.example/tea"}, "https://shop.example"),
        ({"DomainName": "tea.example"}, "https://tea.example"),
    ],
)
def test_files_come_by_signed_forms_from_the_shops_own_pages(
    template: Template, given: dict[str, str], origin: str
) -> None:
    for bucket in of_type(template, "AWS::S3::Bucket").values():
        (rule,) = bucket["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedMethods"] == ["POST"]
        assert resolved(rule["AllowedOrigins"], values(template, given), template["Conditions"]) == [origin]


def by_sid(template: Template, bucket: str) -> dict[str, Any]:
    policy = of_type(template, "AWS::S3::BucketPolicy")[f"{bucket}Policy"]
    assert policy["Bucket"] == {"Ref": bucket}
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


def allows(template: Template, bucket: str) -> list[Any]:
    return [part for part in by_sid(template, bucket).values() if part["Effect"] == "Allow"]
