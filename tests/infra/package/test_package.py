"""What CloudFormation is given: the packaged template, and the zip that Lambda runs."""

import ast
import email
import json
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with Chalice; its types are a package of their own
from jinja2 import ModuleLoader
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chalicelib import aws
from infra.aws.package import archive, build, bytecode

SMALL_APP = """
from chalice import Chalice

app = Chalice("small")


@app.lambda_function()
def work(event, context):
    return event in {"a", "set", "of", "strings", "has", "an", "order", "of", "its", "own", "in", "each", "process"}
"""
# Required by what we require, and imported by nothing that runs.
NEVER_IMPORTED = {"cryptography", "dnspython", "pyopenssl", "pycparser"}
ADDRESSES = """
import json, botocore.session
places = ["dynamodb eu-central-1", "sesv2 eu-central-1", "s3 eu-central-1", "sqs cn-north-1", "ssm us-gov-west-1"]
session = botocore.session.get_session()
session.set_credentials("key", "secret")
clients = [session.create_client(*place.split()) for place in places]
print(json.dumps([client.meta.endpoint_url for client in clients]))
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
    sources = {
        file.relative_to(build.PROJECT)
        for file in [build.PROJECT / "app.py", *(build.PROJECT / "chalicelib").rglob("*")]
        if file.is_file() and "__pycache__" not in file.parts
    }
    tag = sys.implementation.cache_tag
    bytecode = {
        name.parent / "__pycache__" / f"{name.stem}.{tag}.pyc" for name in sources if name.suffix == ".py"
    }
    packed = {Path(name) for name in packed_names(built)}
    assert {
        name for name in packed if name.parts[0] in ("app.py", "__pycache__", "chalicelib")
    } == sources | bytecode


def test_nothing_in_the_zip_needs_to_be_compiled(built: Path) -> None:
    others = {name for name in packed_names(built) if not name.startswith(("app.py", "chalicelib/"))}
    assert "compiled_templates/" in {name.partition("tmpl_")[0] for name in others}
    assert not [name for name in others if name.endswith((".py", ".html", ".json.gz"))]


def test_every_requirement_and_what_it_requires_is_in_the_zips(built: Path) -> None:
    lines = (build.PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    packed = packed_distributions(built)
    assert wanted
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        assert name in NEVER_IMPORTED or packed[name][0] in requirement.specifier
    needed = {canonicalize_name(name) for _, needs in packed.values() for name in needs}
    assert needed
    assert needed - NEVER_IMPORTED <= set(packed)
    assert NEVER_IMPORTED.isdisjoint(packed)


def test_licences_come_with_what_is_packed(built: Path) -> None:
    licensed = {name.partition(".dist-info/")[0] for name in packed_names(built) if "LICEN" in name.upper()}
    assert {"argon2_cffi", "botocore", "pynamodb"} <= {name.partition("-")[0] for name in licensed}


def test_the_package_for_this_machine_holds_the_same_files(built: Path, built_here: Path) -> None:
    for name in ("deployment.zip", "pictures.zip"):
        deployed, here = (
            {plain(file) for file in packed_names(folder, name)} for folder in (built, built_here)
        )
        assert deployed == here


def test_machine_code_in_the_zip_is_for_the_functions_architecture(
    built: Path, template: dict[str, Any]
) -> None:
    functions = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if "CodeUri" in resource["Properties"]
    ]
    assert all(function["Architectures"] == ["arm64"] for function in functions)
    for name in ("deployment.zip", "pictures.zip"):
        with zipfile.ZipFile(built / name) as packed:
            libraries = [entry for entry in packed.namelist() if ".so" in Path(entry).suffixes]
            assert {archive.machine_of(packed.read(entry)) for entry in libraries} == {
                archive.ARCHITECTURES["arm64"]
            }


def test_all_that_the_shop_imports_now_or_later_is_in_the_zips(built_here: Path, tmp_path: Path) -> None:
    for name in ("deployment.zip", "pictures.zip"):
        with zipfile.ZipFile(built_here / name) as archive:
            archive.extractall(tmp_path)
    pillow = {f"PIL.{file.name.partition('.')[0]}" for file in (tmp_path / "python" / "PIL").iterdir()}
    names = sorted(imported_by(build.PROJECT / "chalicelib") | pillow)
    assert {"paypalcheckoutsdk.orders", "PIL.ImageCms", "argon2"} <= set(names)
    # Isolated, and without site-packages: nothing else can come to help.
    done = run_isolated([tmp_path, tmp_path / "python"], f"for name in {names}: __import__(name)")
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_services_that_the_shop_asks_are_in_the_zip(
    built: Path, built_here: Path, tmp_path: Path
) -> None:
    asked = set(re.findall(r'\bclient\("(\w+)"\)', "".join(sources_of(build.PROJECT / "chalicelib"))))
    assert {"dynamodb", *asked} == set(aws.SERVICES)
    packed = {
        Path(name).parts[2]
        for name in packed_names(built)
        if name.startswith("botocore/data/") and name.count("/") > 2
    }
    assert packed == set(aws.SERVICES)
    with zipfile.ZipFile(built_here / "deployment.zip") as archive:
        archive.extractall(tmp_path)
    done = run_isolated([tmp_path], ADDRESSES)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [
        "https://dynamodb.eu-central-1.amazonaws.com",
        "https://email.eu-central-1.amazonaws.com",
        "https://s3.eu-central-1.amazonaws.com",
        "https://sqs.cn-north-1.amazonaws.com.cn",
        "https://ssm.us-gov-west-1.amazonaws.com",
    ]


def test_the_same_sources_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write_small_project(tmp_path / "project")
    for seed in ("1", "2"):
        # Else both were written with the hashes of one process, in which sets have one order.
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        build.package(project, "prod", tmp_path / seed)
    for name in ("deployment.zip", "sam.yaml"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_template_that_cannot_be_compiled_is_named(tmp_path: Path) -> None:
    project = write_small_project(tmp_path / "project")
    (project / "templates" / "broken.html").write_text("{% if %}")
    with pytest.raises(build.PackageError, match=r"broken\.html"):
        build.package(project, "prod", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_module_that_lambda_would_miss_is_named(tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "unpacked"
    write_small_project(project)
    for name in ("shop.html", "cart.html"):
        (project / "templates" / name).write_text("Hello")
    for name in ("rules.py", "lost.py"):
        (project / "chalicelib" / name).write_text("ANSWER = 42")
    shutil.copytree(project, folder)
    (folder / "other.py").write_text("")
    bytecode.compile_package(folder, project / "templates")
    archive.check(folder, project, "arm64")

    (folder / "chalicelib" / "lost.py").unlink()
    bytecode.bytecode_of(folder / "chalicelib" / "rules.py", keeps_source=True).unlink()
    (folder / "late.py").write_text("")
    (folder / "other.pyc").write_bytes(b"of another Python")
    (folder / "compiled_templates" / ModuleLoader.get_module_filename("cart.html")).with_suffix(
        ".pyc"
    ).unlink()
    (folder / "here.so").write_bytes(Path(sys.executable).read_bytes()[:64].replace(b"\x3e\0", b"\xf3\0"))
    library = (folder / "here.so").read_bytes().replace(b"\xf3\0", b"\xb7\0")
    for python in ("cpython-310", sys.implementation.cache_tag):
        (folder / f"other.{python}-aarch64-linux-gnu.so").write_bytes(library)
    with pytest.raises(build.PackageError) as failed:
        archive.check(folder, project, "arm64")
    assert str(failed.value).splitlines() == [
        "chalicelib/lost.py is missing from the zip.",
        "chalicelib/rules.py is not compiled.",
        "late.py is not compiled.",
        "other.pyc was not compiled by this Python, or not as unchecked.",
        "The template cart.html is missing from the zip.",
        "here.so is not for arm64.",
        "other.cpython-310-aarch64-linux-gnu.so is not for this Python.",
    ]


def test_a_zip_that_is_too_large_is_refused(tmp_path: Path) -> None:
    project = write_small_project(tmp_path / "project")
    (project / "chalicelib" / "heavy.bin").write_bytes(random.Random(1).randbytes(archive.MAX_BYTES))
    with pytest.raises(build.PackageError, match=r"deployment\.zip has 5,0.*at most 5,000,000"):
        build.package(project, "prod", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_functions_run_on_the_python_that_compiled_them(tmp_path: Path) -> None:
    project = write_small_project(tmp_path / "project")
    part = project / build.PARTS / "functions.yaml"
    part.parent.mkdir(parents=True)
    part.write_text("Resources: {Work: {Properties: {Runtime: python3.10}}}")
    with pytest.raises(build.PackageError, match=r"Work runs on python3\.10; this is"):
        build.package(project, "prod", tmp_path / "out")


def test_every_zip_that_the_template_names_is_there(tmp_path: Path) -> None:
    project = write_small_project(tmp_path / "project")
    part = project / build.PARTS / "functions.yaml"
    part.parent.mkdir(parents=True)
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "./pictures.zip"}}
    part.write_text(json.dumps({"Resources": {"Layer": layer}}))
    with pytest.raises(build.PackageError, match=r"refers to \./pictures\.zip"):
        build.package(project, "prod", tmp_path / "out")


def test_only_machines_that_lambda_has_are_packaged_for() -> None:
    assert build.named("host") in archive.ARCHITECTURES
    with pytest.raises(build.PackageError, match="riscv64"):
        build.named("riscv64")


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
    another = "x86_64" if build.named("host") == "arm64" else "arm64"
    with pytest.raises(build.PackageError, match=lost.partition("==")[0]):
        build.package(project, "prod", tmp_path / "out", another)
    assert not (tmp_path / "out").exists()


def test_a_name_stands_in_one_part_of_the_template_only(tmp_path: Path) -> None:
    parts = tmp_path / build.PARTS
    parts.mkdir(parents=True)
    (parts / "one.yaml").write_text(
        "Resources: {Shelf: {Type: A}, Till: {Type: B}}\nConditions: {Open: true}\n"
    )
    (parts / "two.yaml").write_text("Resources: {Door: !Ref Open}\n")
    assert build.merged(tmp_path)["Resources"]["Door"] == {"Ref": "Open"}
    (parts / "two.yaml").write_text("Resources: {Till: {Type: C}}\n")
    with pytest.raises(build.PackageError, match=r"two\.yaml: Till"):
        build.merged(tmp_path)


def test_a_stage_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(build.PackageError, match="prdo"):
        build.package(build.PROJECT, "prdo", tmp_path / "out")


def packed_names(built: Path, name: str = "deployment.zip") -> set[str]:
    with zipfile.ZipFile(built / name) as archive:
        return set(archive.namelist())


def plain(name: str) -> str:
    """Take out of a library's name what tells the machine: its tag, and the hash of what it was linked to."""
    if ".so" not in name:
        return name
    folder, _, file = name.rpartition("/")
    return f"{folder}/{re.split(r'[-.]', file)[0]}"


def packed_distributions(built: Path) -> dict[str, tuple[str, list[str]]]:
    """Map each packed distribution onto its version and the names of what it requires here."""
    found = []
    for name in ("deployment.zip", "pictures.zip"):
        with zipfile.ZipFile(built / name) as archive:
            notes = [entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")]
            found += [email.message_from_bytes(archive.read(entry)) for entry in notes]
    return {
        canonicalize_name(facts["Name"]): (
            facts["Version"],
            list(requirements_here(facts.get_all("Requires-Dist", []))),
        )
        for facts in found
    }


def sources_of(folder: Path) -> Iterator[str]:
    return (file.read_text(encoding="utf-8") for file in folder.rglob("*.py"))


def imported_by(folder: Path) -> set[str]:
    """List every module that is imported anywhere in a folder, unless for types alone."""
    found: set[str] = set()
    for source in sources_of(folder):
        tree = ast.parse(source)
        for_types = {
            node
            for branch in ast.walk(tree)
            if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
            for node in ast.walk(branch)
        }
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module))
    return found


def run_isolated(path: list[Path], code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in this Python with nothing but its standard library and these folders."""
    first = f"import sys; sys.path[:0] = {[str(folder) for folder in path]}\n"
    command = [sys.executable, "-I", "-S", "-c", first + code]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


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


def write_small_project(project: Path, requirement: str = "") -> Path:
    config = {"version": "2.0", "app_name": "small", "stages": {"prod": {}}}
    for folder in ("chalicelib", "templates", ".chalice"):
        (project / folder).mkdir(parents=True)
    (project / "requirements.txt").write_text(requirement)
    (project / "app.py").write_text(SMALL_APP)
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    return project
