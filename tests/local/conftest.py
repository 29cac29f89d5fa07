"""An empty local cloud; what the tests here need in it, they make themselves."""

import pytest

from infra.local.local_cloud import LocalCloud


@pytest.fixture
def local_cloud(cloud: LocalCloud) -> LocalCloud:
    cloud.reset()
    return cloud
