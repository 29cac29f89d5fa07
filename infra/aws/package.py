"""Build what CloudFormation deploys: `python -m infra.aws.package` leaves sam.yaml and deployment.zip in build/aws."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with Chalice; its types are a package of their own

PROJECT = Path(__file__).parents[2]
PARTS = Path("infra/aws/template")
MERGED = "merged.yaml"  # JSON is YAML; by the name, Chalice writes YAML, too
PACKED = ("app.py", "requirements.txt", "chalicelib", "templates", "vendor", ".chalice")
# A zip that Chalice kept could lack what pip could not install then; `.pyc` are of the wrong Python.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
COULD_NOT_INSTALL = "Could not install dependencies"


class PackageFailed(Exception):
    """Say why there is no package."""


class PlainDumper(yaml.SafeDumper):  # type: ignore[misc]  # a base class without types
    """Write YAML without aliases, which CloudFormation does not read."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out each time it occurs."""
        return True


def package(project: Path, stage: str, out: Path) -> None:
    """Package a project's stage into `out`, which then holds sam.yaml and deployment.zip. Raises PackageFailed."""
    if stage not in stages(project):
        raise PackageFailed(f"There is no stage {stage!r} in .chalice/config.json.")
    with tempfile.TemporaryDirectory(prefix="awning-package-") as scratch:
        clean, made = Path(scratch, "project"), Path(scratch, "made")
        copy_project(project, clean)
        (clean / MERGED).write_text(json.dumps(merged(project)), encoding="utf-8")
        run_chalice(clean, stage, made)
        write_without_aliases(made / "sam.yaml")
        out.mkdir(parents=True, exist_ok=True)
        for name in ("deployment.zip", "sam.yaml"):
            shutil.move(made / name, out / name)


def stages(project: Path) -> set[str]:
    """List the stages that a project names; Chalice would take any other for one without settings."""
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    return set(config["stages"])


def copy_project(project: Path, copy: Path) -> None:
    """Copy what Chalice packs, and nothing that lies around."""
    copy.mkdir()
    for name in PACKED:
        source, target = project / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, target)


def merged(project: Path) -> dict[str, dict[str, Any]]:
    """Read what a project adds to Chalice's template, from all of its parts. Raises PackageFailed: a name twice."""
    from chalice.package import YAMLTemplateSerializer  # knows CloudFormation's short forms

    whole: dict[str, dict[str, Any]] = {}
    for part in sorted((project / PARTS).glob("*.yaml")):
        content = YAMLTemplateSerializer().load_template(part.read_text(encoding="utf-8"), part.name)
        for section, named in content.items():
            if twice := whole.setdefault(section, {}).keys() & named.keys():
                raise PackageFailed(f"{part.name}: {', '.join(sorted(twice))} stands in another part, too.")
            whole[section] |= named
    return whole


def run_chalice(project: Path, stage: str, out: Path) -> None:
    """Run `chalice package`. Raises PackageFailed, also where Chalice would go on without a dependency."""
    command = [sys.executable, "-c", "from chalice.cli import main; raise SystemExit(main())"]
    command += ["package", "--stage", stage, "--merge-template", MERGED, str(out)]
    # Chalice asks for a region, and writes none into the template.
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode or COULD_NOT_INSTALL in said:
        raise PackageFailed(said)


def read_template(file: Path) -> dict[str, Any]:
    """Read a packaged template."""
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def write_without_aliases(template: Path) -> None:
    """Write a template again, each alias replaced by what it stands for."""
    text = yaml.dump(read_template(template), Dumper=PlainDumper, allow_unicode=True, width=110)
    template.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Package as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.package", description=__doc__)
    parser.add_argument("--stage", default="prod", help="a stage of .chalice/config.json (default: prod)")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "aws", help="default: build/aws")
    options = parser.parse_args(arguments)
    try:
        package(PROJECT, options.stage, options.out.resolve())
    except PackageFailed as failed:
        print(f"The package could not be built.\n{failed}", file=sys.stderr)
        return 1
    for name in ("sam.yaml", "deployment.zip"):
        file = options.out / name
        print(f"{file}: {file.stat().st_size // 1000:,} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
