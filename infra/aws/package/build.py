"""Build what CloudFormation deploys: `python -m infra.aws.package.build` writes sam.yaml and its zips to build/aws.

It packages in an environment with Lambda's Python (lambda_python.py); with `--here`, in its own.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # installed with Chalice; its types are in a separate package

from chalicelib.aws import SERVICES
from infra.aws.package import lambda_python
from infra.aws.package.archive import ARCHITECTURES, CODE, Packed, finish, largest
from infra.aws.package.errors import PackageError as PackageError  # whoever packages looks for it here

PROJECT = Path(__file__).parents[3]
PARTS = Path("infra/aws/template")
MERGED = "merged.yaml"  # JSON is YAML; because of the suffix, Chalice writes YAML, too
TEMPLATE = "sam.yaml"
ZIPPED = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
HOST = "host"
MACHINES = {"aarch64": "arm64", "AMD64": "x86_64"}  # where Python's names are not Lambda's
PACKED = ("app.py", "requirements.txt", "chalicelib", "templates", ".chalice")
# A zip that Chalice kept could lack what pip could not install then; `.pyc` files are for the wrong Python.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
COULD_NOT_INSTALL = "Could not install dependencies"


class PlainDumper(yaml.SafeDumper):  # type: ignore[misc]  # a base class without types
    """Write YAML without aliases, which CloudFormation does not read."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out each time it occurs."""
        return True


def package(
    project: Path,
    stage: str,
    out: Path,
    arch: str = "arm64",
    echo: Callable[[str], object] = lambda _: None,
) -> list[Packed]:
    """Package a project's stage for an architecture into `out`: sam.yaml and the zips it names. Raises PackageError."""
    if stage not in stages(project):
        raise PackageError(f"There is no stage {stage!r} in .chalice/config.json.")
    arch = named(arch)
    with tempfile.TemporaryDirectory(prefix="awning-package-") as scratch:
        clean, made, done = (Path(scratch, name) for name in ("project", "made", "done"))
        copy_project(project, clean, arch)
        (clean / MERGED).write_text(json.dumps(merged(project)), encoding="utf-8")
        echo(f"fetching what requirements.txt names, for {arch} …")
        run_chalice(clean, stage, made)
        echo("trimming, compiling, packing …")
        packed = finish(made / CODE, clean, SERVICES, arch, done)
        write_template(made / TEMPLATE, done / TEMPLATE)
        check_zips(done)
        out.mkdir(parents=True, exist_ok=True)
        for file in done.iterdir():
            shutil.move(file, out / file.name)
    return packed


def named(arch: str) -> str:
    """Return Lambda's name of an architecture; `host` is this machine's. Raises PackageError for one that Lambda lacks."""
    if arch == HOST:
        arch = MACHINES.get(platform.machine(), platform.machine())
    if arch not in ARCHITECTURES:
        raise PackageError(f"Lambda runs {' and '.join(ARCHITECTURES)}, not {arch}.")
    return arch


def stages(project: Path) -> set[str]:
    """List the stages that a project names; Chalice would treat any other as one without settings."""
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    return set(config["stages"])


def copy_project(project: Path, copy: Path, arch: str) -> None:
    """Copy only what is packaged; the copy is for this architecture."""
    copy.mkdir()
    for name in PACKED:
        source, target = project / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, target)
    config = copy / ".chalice" / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(content | {"lambda_architecture": arch}), encoding="utf-8")


def merged(project: Path) -> dict[str, dict[str, Any]]:
    """Read what a project adds to Chalice's template, from all of its parts. Raises PackageError for a duplicate name."""
    from chalice.package import YAMLTemplateSerializer  # knows CloudFormation's short forms

    whole: dict[str, dict[str, Any]] = {}
    for part in sorted((project / PARTS).glob("*.yaml")):
        content = YAMLTemplateSerializer().load_template(part.read_text(encoding="utf-8"), part.name)
        for section, named in content.items():
            if twice := whole.setdefault(section, {}).keys() & named.keys():
                raise PackageError(f"{part.name}: {', '.join(sorted(twice))} is in another part, too.")
            whole[section] |= named
    return whole


def run_chalice(project: Path, stage: str, out: Path) -> None:
    """Run `chalice package`. Raises PackageError, also if Chalice would continue without a dependency."""
    command = [sys.executable, "-c", "from chalice.cli import main; raise SystemExit(main())"]
    command += ["package", "--stage", stage, "--merge-template", MERGED, str(out)]
    # Chalice requires a region, but writes none into the template. Hashes decide the order in which it writes sets.
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode or COULD_NOT_INSTALL in said:
        raise PackageError(said)


def read_template(file: Path) -> dict[str, Any]:
    """Read a packaged template."""
    # The safe loader in C, if PyYAML has it: this template is long.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), loader)  # noqa: S506 - a safe one
    return content


def zips(template: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the zips that a packaged template names: a resource's properties, and which of them is the zip's name."""
    for resource in template["Resources"].values():
        if (name := ZIPPED.get(resource["Type"])) is not None:
            yield resource["Properties"], name


def check_zips(folder: Path) -> None:
    """Raise PackageError if a packaged template names a zip that does not exist."""
    for properties, name in zips(read_template(folder / TEMPLATE)):
        if not (folder / properties[name]).is_file():
            raise PackageError(f"{TEMPLATE} refers to {properties[name]}, which was not built.")


def write_template(made: Path, target: Path) -> None:
    """Write a template again, with aliases replaced by their values. Raises PackageError for another Python."""
    content = read_template(made)
    # The bytecode is for the Python that runs here; no other can read it.
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name, resource in content["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"]["Runtime"] != runtime:
            raise PackageError(f"{name} runs on {resource['Properties']['Runtime']}; this is {runtime}.")
    text = yaml.dump(content, Dumper=PlainDumper, allow_unicode=True, width=110)
    target.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Package according to the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.package.build", description=__doc__)
    parser.add_argument("--stage", default="prod", help="a stage of .chalice/config.json (default: prod)")
    parser.add_argument("--arch", default="arm64", choices=[*ARCHITECTURES, HOST], help="default: arm64")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "aws", help="default: build/aws")
    parser.add_argument("--here", action="store_true", help="package for the Python that runs this")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    try:
        if not (options.here or lambda_python.is_here()):
            return _run_pinned(["--stage", options.stage, "--arch", options.arch, "--out", str(out)])
        packed = package(PROJECT, options.stage, out, options.arch, echo=_echo)
    except PackageError as failed:
        print(f"The package could not be built.\n{failed}", file=sys.stderr)
        return 1
    for made in packed:
        print(f"{out / made.file.name}: {made.size:,} bytes, most of it:\n{largest(made)}")
    print(f"{out / TEMPLATE}: {(out / TEMPLATE).stat().st_size:,} bytes")
    return 0


def _run_pinned(arguments: list[str]) -> int:
    """Run this in the packaging environment. Raises PackageError if there is none, and none can be created."""
    python = lambda_python.prepare(_echo)
    return subprocess.run(
        [python, "-m", "infra.aws.package.build", *arguments], cwd=PROJECT, check=False
    ).returncode


def _echo(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
