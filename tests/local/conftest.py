"""A local cloud of the tests' own; it is emptied between tests."""

from collections.abc import Iterator

import pytest

from infra.local.cloud import LocalCloud


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture
def local_cloud(running_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    running_cloud.reset()
    for name, value in running_cloud.environment.items():
        monkeypatch.setenv(name, value)
    return running_cloud
