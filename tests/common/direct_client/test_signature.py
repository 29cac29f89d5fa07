"""Signatures are those of AWS's own examples, and those that botocore makes at the same instant."""

import re
import time
from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from chalicelib import clock
from chalicelib.database.direct.credentials import Credentials
from chalicelib.database.direct.signature import Signer

EXAMPLE = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = {"Host": "example.amazonaws.com"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXA"
    "kiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


def signature_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].rpartition("Signature=")[2]


# AWS's Signature Version 4 test suite: https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4
@pytest.mark.parametrize(
    ("headers", "body", "token", "signature"),
    [
        ({}, b"", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (FORM, b"Param1=value1", "", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ({}, b"", TOKEN, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    ],
    ids=["post-vanilla", "post-x-www-form-urlencoded", "post-sts-header-before"],
)
def test_published_examples_are_signed_as_aws_does(
    headers: dict[str, str], body: bytes, token: str, signature: str
) -> None:
    with mock.patch.object(time, "gmtime", EXAMPLE.utctimetuple):
        signed = Signer("us-east-1", "service").sign(HOST | headers, body, Credentials(*KEYS, token))
    assert signature_of(signed) == signature


@rules(deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["", TOKEN]),
    st.text("abcXYZ0189/+", min_size=1, max_size=40),
    st.sampled_from(["us-east-1", "eu-central-1"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_botocore_signs_the_same_at_the_same_instant(
    body: bytes, token: str, secret: str, region: str, moment: datetime
) -> None:
    headers = {
        "Host": "dynamodb.example.com",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.GetItem",
    }
    request = AWSRequest("POST", "https://dynamodb.example.com/", headers=headers, data=body)
    theirs = auth.SigV4Auth(BotocoreCredentials("AKID", secret, token or None), "dynamodb", region)
    moment = moment.replace(tzinfo=UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=moment):
        theirs.add_auth(request)
    with mock.patch.object(time, "gmtime", moment.utctimetuple):
        signed = Signer(region).sign(headers, body, Credentials("AKID", secret, token))
    assert signed["Authorization"] == request.headers["Authorization"]
    assert {name: request.headers[name] for name in signed} == signed


def test_the_kept_key_is_of_this_day_and_this_secret() -> None:
    kept = Signer("us-east-1")
    for moment in (EXAMPLE, EXAMPLE.replace(day=31), EXAMPLE):
        for secret in ("one", "two"):
            credentials = Credentials("AKID", secret, "")
            with mock.patch.object(time, "gmtime", moment.utctimetuple):
                assert kept.sign(HOST, b"", credentials) == Signer("us-east-1").sign(HOST, b"", credentials)


def test_the_systems_clock_dates_a_signature_and_not_the_shop_s() -> None:
    with mock.patch.object(clock, "now", return_value=EXAMPLE):
        date = Signer("us-east-1").sign(HOST, b"", Credentials(*KEYS, ""))["X-Amz-Date"]
    assert re.fullmatch(r"20(?!15)\d{6}T\d{6}Z", date)
