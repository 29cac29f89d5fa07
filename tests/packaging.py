"""The package, built once a machine's kind for all tests and all of pytest's workers."""

import fcntl
import os
from pathlib import Path

import pytest

from infra.aws import package


def built_for(arch: str, factory: pytest.TempPathFactory) -> Path:
    """Build the package as an operator does, unless it is built; its folder holds sam.yaml and the zips."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    out = shared / f"package-{arch}"
    with (shared / f"package-{arch}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / package.TEMPLATE).exists():
            package.package(package.PROJECT, "prod", out, arch)
    return out
