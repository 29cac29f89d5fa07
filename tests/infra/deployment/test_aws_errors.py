"""What AWS's errors say to an operator: never a traceback, always what to do."""

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from infra.aws.aws_errors import explain, is_denied


def refused(code: str, message: str = "No.") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateChangeSet")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused("ExpiredToken"), "The credentials have expired. Log in again"),
        (refused("ExpiredTokenException"), "The credentials have expired. Log in again"),
        (refused("InvalidClientTokenId"), "AWS does not recognise these credentials"),
        (refused("SignatureDoesNotMatch"), "AWS does not recognise these credentials"),
        (refused("ThrottlingException"), "Run the command again in a minute"),
        (refused("AccessDenied"), "These credentials lack the permission CreateChangeSet. docs/deploy.md"),
        (
            refused(
                "AccessDeniedException",
                "User: x is not authorized to perform: ssm:GetParameter on resource: arn:y",
            ),
            "These credentials lack the permission ssm:GetParameter on arn:y. docs/deploy.md",
        ),
        (refused("ValidationError", "Parameters: [A] must have values"), "AWS rejected CreateChangeSet: "),
        (exceptions.NoCredentialsError(), "No AWS credentials were found. Log in first"),
        (exceptions.ProfileNotFound(profile="x"), "AWS_PROFILE must be one of"),
        (exceptions.UnauthorizedSSOTokenError(), "The credentials could not be loaded"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), "AWS cannot be reached"),
        (exceptions.NoRegionError(), "AWS: You must specify a region."),
    ],
)
def test_an_aws_error_becomes_a_readable_message(error: Exception, words: str) -> None:
    said = explain(error)
    assert words in said
    assert "\n" not in said


def test_missing_permissions_are_distinguished_from_other_errors() -> None:
    assert [is_denied(refused(code)) for code in ("AccessDenied", "403", "Throttling")] == [True, True, False]
