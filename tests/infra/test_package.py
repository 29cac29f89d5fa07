"""What CloudFormation is given: the packaged template, and the zip that Lambda runs."""

import email
import json
import platform
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # comes with Chalice; its types are a package of their own
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.aws import package

SMALL_APP = """
from chalice import Chalice

app = Chalice("small")


@app.lambda_function()
def work(event, context):
    return event
"""


def test_cfn_lint_accepts_the_template(built: Path) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), built / "sam.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_template_has_no_aliases(built: Path) -> None:
    tokens = list(yaml.scan((built / "sam.yaml").read_text(encoding="utf-8")))
    assert len(tokens) > 1000
    assert not [token for token in tokens if isinstance(token, yaml.AliasToken)]


def test_all_of_the_shop_is_in_the_zip(built: Path) -> None:
    folders = [package.PROJECT / "chalicelib", package.PROJECT / "templates"]
    files = {
        file.relative_to(package.PROJECT).as_posix()
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert any(name.startswith("templates/") for name in files)
    packed = packed_names(built)
    assert files | {"app.py"} <= packed
    assert not [name for name in packed if name.startswith("chalicelib/") and "__pycache__" in name]


def test_every_requirement_and_what_it_requires_is_in_the_zip(built: Path) -> None:
    lines = (package.PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    packed = packed_distributions(built)
    assert wanted
    for requirement in wanted:
        assert packed[canonicalize_name(requirement.name)][0] in requirement.specifier
    needed = {canonicalize_name(name) for _, needs in packed.values() for name in needs}
    assert needed
    assert needed <= set(packed)


def test_machine_code_in_the_zip_is_for_the_functions_architecture(built: Path) -> None:
    with zipfile.ZipFile(built / "deployment.zip") as archive:
        libraries = [name for name in archive.namelist() if ".so" in Path(name).suffixes]
        # Bytes 18 and 19 of an ELF file tell the machine; 183 is AArch64.
        machines = {int.from_bytes(archive.read(name)[18:20], "little") for name in libraries}
    assert machines == {183}


@pytest.mark.parametrize("lost", ["lonely==1.0", "unheard-of==1.0"])
def test_there_is_no_package_without_a_dependency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """`lonely` has a wheel for this machine alone, which Chalice would go on without; `unheard-of` has none."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel_for_this_machine(wheels)
    for name, value in {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": str(wheels)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    project = write_small_project(tmp_path / "project", requirement=lost)
    with pytest.raises(package.PackageFailed, match=lost.partition("==")[0]):
        package.package(project, "prod", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_stands_in_one_part_of_the_template_only(tmp_path: Path) -> None:
    parts = tmp_path / package.PARTS
    parts.mkdir(parents=True)
    (parts / "one.yaml").write_text(
        "Resources: {Shelf: {Type: A}, Till: {Type: B}}\nConditions: {Open: true}\n"
    )
    (parts / "two.yaml").write_text("Resources: {Door: !Ref Open}\n")
    assert package.merged(tmp_path)["Resources"]["Door"] == {"Ref": "Open"}
    (parts / "two.yaml").write_text("Resources: {Till: {Type: C}}\n")
    with pytest.raises(package.PackageFailed, match=r"two\.yaml: Till"):
        package.merged(tmp_path)


def test_a_stage_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(package.PackageFailed, match="prdo"):
        package.package(package.PROJECT, "prdo", tmp_path / "out")


def packed_names(built: Path) -> set[str]:
    with zipfile.ZipFile(built / "deployment.zip") as archive:
        return set(archive.namelist())


def packed_distributions(built: Path) -> dict[str, tuple[str, list[str]]]:
    """Map each packed distribution onto its version and the names of what it requires here."""
    with zipfile.ZipFile(built / "deployment.zip") as archive:
        found = [
            email.message_from_bytes(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".dist-info/METADATA")
        ]
    return {
        canonicalize_name(facts["Name"]): (
            facts["Version"],
            list(requirements_here(facts.get_all("Requires-Dist", []))),
        )
        for facts in found
    }


def requirements_here(lines: list[str]) -> Iterator[str]:
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def write_wheel_for_this_machine(folder: Path) -> None:
    tag = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    with zipfile.ZipFile(folder / f"lonely-1.0-{tag}.whl", "w") as wheel:
        wheel.writestr("lonely.py", "")
        wheel.writestr("lonely-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lonely\nVersion: 1.0\n")
        wheel.writestr("lonely-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        wheel.writestr("lonely-1.0.dist-info/RECORD", "")


def write_small_project(project: Path, requirement: str) -> Path:
    another = "x86_64" if platform.machine() in ("aarch64", "arm64") else "arm64"
    config = {"version": "2.0", "app_name": "small", "lambda_architecture": another, "stages": {"prod": {}}}
    for folder in ("chalicelib", "templates", "vendor", ".chalice"):
        (project / folder).mkdir(parents=True)
    (project / "requirements.txt").write_text(requirement)
    (project / "app.py").write_text(SMALL_APP)
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    return project
