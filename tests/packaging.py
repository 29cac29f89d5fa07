"""The package, built once a machine's kind for all tests and all of pytest's workers."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

from infra.aws.package import build, lambda_python

# The Python that packages, and that runs the functions: the one that runs the tests, or Lambda's.
PINNED = bool(os.environ.get("PACKAGE_PINNED"))


def built_for(arch: str, factory: pytest.TempPathFactory) -> Path:
    """Build the package as an operator does, unless it is built; its folder holds sam.yaml and the zips."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    out = shared / f"package-{arch}"
    with (shared / f"package-{arch}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / build.TEMPLATE).exists():
            _build(arch, out)
    return out


def _build(arch: str, out: Path) -> None:
    if PINNED:
        assert build.main(["--arch", arch, "--out", str(out)]) == 0
    else:
        build.package(build.PROJECT, "prod", out, arch)


def bare_python() -> Path:
    """Name the Python of the package's bytecode, without any environment around it."""
    if PINNED:
        python = lambda_python.find()
        assert python, lambda_python.MISSING
        return Path(python)
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
