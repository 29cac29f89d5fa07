"""DynamoDB is found where botocore finds it, and whatever else is asked for is left to botocore."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from chalicelib import aws
from chalicelib.database.connection import SharedConnection
from chalicelib.database.direct import credentials
from chalicelib.database.direct.credentials import Credentials, CredentialSource
from chalicelib.database.direct.endpoint import LEFT_TO_BOTOCORE, find_endpoint

REGION = {"AWS_DEFAULT_REGION": "eu-central-1"}
ADDRESSES: list[dict[str, str]] = [
    {},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
    {"AWS_ENDPOINT_URL_DYNAMODB": "https://tables.example:8443/"},
    {"AWS_ENDPOINT_URL_DYNAMODB": "http://tables.example", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    {"AWS_DEFAULT_REGION": "us-west-2"},
]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Know nothing of this machine's AWS."""
    for name in aws.variables():
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in REGION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("variables", ADDRESSES)
def test_the_address_is_botocores(environment: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    theirs = Session().create_client("dynamodb", aws_access_key_id="x", aws_secret_access_key="x").meta
    found = find_endpoint(aws.variables())
    assert found is not None
    assert (found.url, found.region) == (theirs.endpoint_url, theirs.region_name)


@pytest.mark.parametrize("name", [*LEFT_TO_BOTOCORE, "HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_unsupported_settings_are_left_to_botocore(environment: pytest.MonkeyPatch, name: str) -> None:
    assert SharedConnection().client.direct is not None
    environment.setenv(name, "1")
    assert SharedConnection().client.direct is None


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_DEFAULT_REGION": ""},
        {"AWS_DEFAULT_REGION": "us-gov-west-1"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_DEFAULT_REGION": "us-iso-east-1"},
        {"AWS_DEFAULT_REGION": "local"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1/path"},
        {"AWS_ENDPOINT_URL": "http://user@127.0.0.1"},
        {"AWS_ENDPOINT_URL": "http://[::1]:80"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:port"},
        {"AWS_ENDPOINT_URL": "dax://127.0.0.1"},
    ],
)
def test_other_addresses_are_left_to_botocore(variables: dict[str, str]) -> None:
    assert find_endpoint(REGION) is not None
    assert find_endpoint(REGION | variables) is None


def test_settings_in_a_file_are_left_to_botocore(tmp_path: Path) -> None:
    file = tmp_path / "config"
    assert find_endpoint(REGION | {"AWS_CONFIG_FILE": str(file)}) is not None
    file.touch()
    assert find_endpoint(REGION | {"AWS_CONFIG_FILE": str(file)}) is None
    (tmp_path / ".aws").mkdir()
    file.rename(tmp_path / ".aws/config")
    assert find_endpoint(REGION | {"HOME": str(tmp_path)}) is None


def test_keys_of_the_environment_are_used_without_botocore() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert CredentialSource(keys).current() == Credentials("key", "secret", "")
    with_token = CredentialSource(keys | {"AWS_SESSION_TOKEN": "token"})
    assert with_token.current() == Credentials("key", "secret", "token")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/role"},
        {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z",
        },
    ],
)
def test_whatever_else_proves_who_asks_botocore_finds_and_refreshes(variables: dict[str, str]) -> None:
    found: Any = mock.Mock()
    found.get_frozen_credentials.side_effect = [Credentials("a", "b", "c"), Credentials("d", "e", "f")]
    source = CredentialSource(variables)
    with mock.patch.object(credentials, "resolve", side_effect=[None, found]) as resolve:
        with pytest.raises(NoCredentialsError):
            source.current()
        assert [source.current(), source.current()] == [
            Credentials("a", "b", "c"),
            Credentials("d", "e", "f"),
        ]
    assert resolve.call_count == 2


def test_botocore_reads_a_containers_credentials(environment: pytest.MonkeyPatch) -> None:
    from tests.common.test_connections import sleeper

    answer = {
        "AccessKeyId": "key",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2090-01-01T00:00:00Z",
    }
    with sleeper(answer) as container:
        environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/role")
        assert CredentialSource(aws.variables()).current() == Credentials("key", "secret", "token")
    assert container.paths == ["/role"]
