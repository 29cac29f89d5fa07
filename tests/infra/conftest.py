"""The package, built once for all tests and all of pytest's workers."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from infra.aws import package


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package as an operator does; its folder holds sam.yaml and deployment.zip."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    out = shared / "package"
    with (shared / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "sam.yaml").exists():
            package.package(package.PROJECT, "prod", out)
    return out


@pytest.fixture(scope="session")
def template(built: Path) -> dict[str, Any]:
    """Read the packaged template."""
    return package.read_template(built / "sam.yaml")
