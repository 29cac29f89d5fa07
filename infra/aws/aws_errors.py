"""Explain AWS's errors, with what to do about them."""

import re

from botocore import exceptions

UNKNOWN_TO_AWS = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "AuthFailure",
    "SignatureDoesNotMatch",
}
ENDED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}
LOG_IN = (
    "Log in first, with `aws sso login` or `aws configure`, and set AWS_PROFILE to the profile;"
    " or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_DENIED = re.compile(r"AccessDenied|Unauthorized|Forbidden|NotAuthorized|^403$")
_PERFORM = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)(?: on resource:? (\S+))?")


class DeployError(Exception):
    """Raised if a command cannot continue; the message says what to do."""


def at_once(line: str) -> None:
    """Print a line and flush it, also into a file or a pipe."""
    print(line, flush=True)


def explain(error: Exception) -> str:
    """Return what an error of botocore's means, and what to do about it."""
    match error:
        case exceptions.ClientError():
            return _answer(error)
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return f"No AWS credentials were found. {LOG_IN}"
        case exceptions.SSOError() | exceptions.TokenRetrievalError() | exceptions.CredentialRetrievalError():
            return f"The credentials could not be loaded: {_line(error)} {LOG_IN}"
        case exceptions.ProfileNotFound():
            return (
                f"{_line(error)}. AWS_PROFILE must be one of those listed by `aws configure list-profiles`."
            )
        case exceptions.ConnectionError() | exceptions.HTTPClientError():
            return f"AWS cannot be reached: {_line(error)} Check the network connection and the name of the region."
    return f"AWS: {_line(error)}"


def code_of(error: Exception) -> str:
    """Return the error code of an AWS response; "" for other errors."""
    return str(error.response["Error"]["Code"]) if isinstance(error, exceptions.ClientError) else ""


def is_denied(error: Exception) -> bool:
    """Return whether AWS denied these credentials access."""
    return bool(_DENIED.search(code_of(error)))


def _answer(error: exceptions.ClientError) -> str:
    code = code_of(error)
    if code in ENDED:
        return "The credentials have expired. Log in again, for example with `aws sso login`, and run the command again."
    if code in UNKNOWN_TO_AWS:
        return f"AWS does not recognise these credentials ({code}). {LOG_IN}"
    if code in BUSY:
        return f"AWS is throttling requests ({code}). Run the command again in a minute; it continues where it stopped."
    if is_denied(error):
        return _denied(error)
    return f"AWS rejected {error.operation_name}: {_line(error)}"


def _denied(error: exceptions.ClientError) -> str:
    found = _PERFORM.search(str(error))
    action = found[1] if found else error.operation_name
    where = f" on {found[2]}" if found and found[2] else ""
    return f"These credentials lack the permission {action}{where}. docs/deploy.md lists the permissions needed to deploy."


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
