"""The operator's AWS account: clients for a region, and whose credentials are used."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from infra.aws.aws_errors import DeployError

# Retrying costs nothing here, and AWS limits the rate of requests whenever a stack is watched.
TRIES = 8
ONCE = {"s3control"}  # its answer only decides about a warning


@dataclass(frozen=True)
class Account:
    """One account and region, reached with the credentials that boto3 finds."""

    region: str

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        return _client(self.region, service)

    @cached_property
    def _asking(self) -> dict[str, str]:
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    @property
    def number(self) -> str:
        """Return the account's twelve digits."""
        return self._asking["Account"]

    @property
    def caller(self) -> str:
        """Return the ARN of the credentials' owner."""
        return self._asking["Arn"]

    def must_be(self, number: str) -> None:
        """Raise DeployError if the credentials belong to another account than the stage's file names."""
        if number and number != self.number:
            raise DeployError(
                f"These credentials belong to the account {self.number}, but the stage file names {number}."
                " Choose the right profile with AWS_PROFILE."
            )


@cache
def _session() -> Any:
    import boto3

    return boto3.session.Session()


@cache
def _client(region: str, service: str) -> Any:
    from botocore.config import Config

    tries = 1 if service in ONCE else TRIES
    config = Config(retries={"mode": "standard", "total_max_attempts": tries})
    return _session().client(service, region_name=region, config=config)
