"""AWS credentials: keys from the environment, as Lambda sets them, or those that botocore finds."""

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.exceptions import NoCredentialsError


class Credentials(NamedTuple):
    """The keys that sign a call. The token is empty for keys that do not expire."""

    access_key: str
    secret_key: str
    token: str


def from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """Read keys that stay the same while the process runs; None if botocore has to find or refresh them."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key or environment.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    token = environment.get("AWS_SECURITY_TOKEN") or environment.get("AWS_SESSION_TOKEN") or ""
    return Credentials(access_key, secret_key, token)


class CredentialSource:
    """Returns the current credentials."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._fixed = from_environment(environment)
        self._found: Any = None
        self._finding = threading.Lock()

    def current(self) -> Credentials:
        """Return the credentials for the next call. Raises botocore's errors, NoCredentialsError if there are none."""
        if self._fixed is not None:
            return self._fixed
        if self._found is None:
            with self._finding:
                if self._found is None:
                    self._found = (
                        resolve()
                    )  # None is not cached: the metadata service may answer the next time
        if self._found is None:
            raise NoCredentialsError
        frozen = self._found.get_frozen_credentials()  # refreshed by botocore when they are about to expire
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")


def resolve() -> Any:
    """Find credentials as botocore does: files, containers, the metadata service; None if there are none."""
    # Imported here: it takes a tenth of a second, and keys from the environment do without.
    from botocore.session import get_session

    return get_session().get_credentials()
