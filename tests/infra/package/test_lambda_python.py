"""The Python that packages is Lambda's, whatever `.venv` is made of; where there is none, one line says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.aws.package import build, lambda_python
from infra.aws.package.errors import PackageError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be on a machine with no Python but what a test puts there; `.venv` is of another version."""
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'bin'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(sys, "executable", put(tmp_path / "venv" / "python", answers=False))
    return tmp_path


def put(file: Path, *, answers: bool = True) -> str:
    """Put a Python there, which is what it is asked to be, or only exists."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\nexit {0 if answers else 127}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def test_a_shim_that_does_not_run_is_passed_over(machine: Path) -> None:
    put(machine / "shims" / "python3.13", answers=False)
    assert lambda_python.find() is None
    assert lambda_python.find() != (real := put(machine / "bin" / "python3.13")) == lambda_python.find()
    put(machine / "shims" / "python3.13")
    assert lambda_python.find() != real, "the first that runs"


def test_the_newest_that_pyenv_keeps_is_found(machine: Path) -> None:
    versions = machine / "pyenv" / "versions"
    for version in ("3.13.2", "3.13.10", "3.12.1"):
        put(versions / version / "bin" / f"python{version.rpartition('.')[0]}")
    assert lambda_python.find() == str(versions / "3.13.10" / "bin" / "python3.13")


def test_one_may_be_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(machine / "bin" / "python3.13")
    monkeypatch.setenv("PYTHON", put(machine / "mine"))
    assert lambda_python.find() == str(machine / "mine")
    monkeypatch.setenv("PYTHON", put(machine / "python3.11", answers=False))  # which .venv is to be made of
    assert lambda_python.find() == str(machine / "bin" / "python3.13")


def test_a_named_python_that_is_not_taken_is_said_with_the_reason(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepared() -> list[str]:
        said: list[str] = []
        with pytest.raises(PackageError):  # there is none on this machine
            lambda_python.prepare(said.append)
        return said

    assert prepared() == []
    monkeypatch.setenv("PYTHON", put(machine / "shim", answers=False))
    assert prepared() == [f"PYTHON={machine / 'shim'} isn’t used for packaging: it doesn’t run."]
    monkeypatch.setenv("PYTHON", str(machine / "missing"))
    assert prepared() == [f"PYTHON={machine / 'missing'} isn’t used for packaging: it doesn’t run."]
    other = machine / "other"
    other.write_text('#!/bin/sh\ncase "$3" in *raise*) exit 1;; *) echo "3.11.9 (main)";; esac\n', "utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PYTHON", str(other))
    assert prepared() == [
        f"PYTHON={other} isn’t used for packaging: it is 3.11.9 (main), not a final CPython 3.13."
    ]


@pytest.mark.parametrize(
    ("name", "is_it"), [("3.13.0", True), ("3.13.0b1", False), ("3.12.9", False), ("3.14.0", False)]
)
def test_only_a_final_release_of_this_version_will_do(name: str, is_it: bool) -> None:
    major, minor, micro = name.split(".")
    level = "beta" if "b" in micro else "final"
    told = (
        "import sys; from types import SimpleNamespace as Told\n"
        "class Version(tuple): releaselevel = property(lambda self: self[3])\n"
        f"sys.version_info = Version(({major}, {minor}, 0, {level!r}, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", told + lambda_python.IS_IT], check=False)
    assert (done.returncode == 0) == is_it


def test_without_one_a_deployment_is_not_packaged_and_says_in_a_line_what_is_missing(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--out", str(machine / "out")]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said == ["The package could not be built.", lambda_python.MISSING]
    assert "python3.13" in said[1]
    assert not (machine / "out").exists()


def test_a_missing_debian_package_is_named(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = machine / "bin" / "python3.13"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\ncase "$3$4" in *ensurepip*) exit 1;; esac\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(lambda_python, "CACHE", tmp_path / "cache")
    with pytest.raises(PackageError, match=r"apt-get install python3\.13-venv"):
        lambda_python.prepare(lambda _: None)


def test_it_is_prepared_once_for_the_same_requirements(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = put(machine / "bin" / "python3.13")
    monkeypatch.setattr(lambda_python, "CACHE", tmp_path / "cache")
    made: list[Path] = []

    def make(python: str, folder: Path) -> None:
        made.append(folder)
        folder.mkdir()
        (folder / ".installed").touch()

    monkeypatch.setattr(lambda_python, "_make", make)
    first, second = lambda_python.prepare(lambda _: None), lambda_python.prepare(lambda _: None)
    assert first == second == made[0] / "bin" / "python"
    assert len(made) == 1
    assert lambda_python._fingerprint(python) in str(first)


def test_an_environment_that_packages_knows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not lambda_python.is_here()
    monkeypatch.setattr(sys, "prefix", str(lambda_python.CACHE / "package-0123456789ab"))
    assert lambda_python.is_here()


def test_what_is_deployed_and_what_is_tested_may_be_of_two_pythons() -> None:
    assert f"python{'.'.join(map(str, lambda_python.VERSION))}" == lambda_python.RUNTIME
    makefile = (lambda_python.PROJECT / "Makefile").read_text(encoding="utf-8")
    (deployed,) = (line for line in makefile.splitlines() if "infra.aws.package.build --stage" in line)
    assert "--here" not in deployed
