"""The package as it is deployed, and as it would be for this machine."""

from pathlib import Path
from typing import Any

import pytest

from infra.aws.package import build
from tests.packaging import built_for


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package as it is deployed; its folder holds sam.yaml and the zips."""
    return built_for("arm64", tmp_path_factory)


@pytest.fixture(scope="session")
def built_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package for this machine, so that it can be run."""
    return built_for("host", tmp_path_factory)


@pytest.fixture(scope="session")
def template(built: Path) -> dict[str, Any]:
    """Read the packaged template."""
    return build.read_template(built / "sam.yaml")
