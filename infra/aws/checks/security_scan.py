"""Scan a template with Checkov; security_exceptions.toml lists the accepted findings, each with its reason.

Checkov pins other versions of boto3 than ours, so it is installed in its own virtual environment by `python -m
infra.aws.checks.security_scan`, which `make test-all` runs.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.aws.package.build import PROJECT, read_template

EXCEPTIONS = Path(__file__).with_name("security_exceptions.toml")
CHECKOV = "checkov==3.3.30"
PLACE = PROJECT / ".cache" / CHECKOV.replace("==", "-")
PYTHON = PLACE / "bin" / "python"
STAMP = PLACE / ".installed"
# Offline: nothing is looked up, and no policies are downloaded.
LOOK = ("-m", "checkov.main", "--framework", "cloudformation", "--output", "json", "--skip-download")
Finding = tuple[str, str]  # a check's ID, and the resource's name in the template


class NoChecker(Exception):
    """Raised if Checkov could not be installed, or could not read the template."""


def is_prepared() -> bool:
    """Return whether Checkov is installed."""
    return STAMP.exists()


def prepare() -> None:
    """Install Checkov if it is missing, which takes a minute. Raises NoChecker."""
    if is_prepared():
        return
    print(f"installing {CHECKOV} into {PLACE.relative_to(PROJECT)}, which takes a minute …", file=sys.stderr)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CHECKOV]
    for command in ([sys.executable, "-m", "venv", "--clear", str(PLACE)], pip):
        if subprocess.run(command, check=False).returncode:
            raise NoChecker(f"{CHECKOV} could not be installed; see the error above.")
    STAMP.touch()


def findings(template: Path) -> dict[Finding, str]:
    """Return Checkov's findings in a plain template, with their descriptions. Raises NoChecker if it read nothing."""
    with tempfile.TemporaryDirectory(prefix="awning-security-") as scratch:
        file = Path(scratch, "template.json")
        file.write_text(json.dumps(_without_paths(read_template(template))), encoding="utf-8")
        # Exit status 1 means that there are findings.
        done = subprocess.run([PYTHON, *LOOK, "--file", file], capture_output=True, text=True, check=False)
    try:
        return read(done.stdout)
    except NoChecker as error:
        raise NoChecker(f"{error} {done.stderr[-500:]}") from error


def read(output: str) -> dict[Finding, str]:
    """Parse Checkov's output. Raises NoChecker if it checked nothing."""
    try:
        report = json.loads(output)
        results, summary = report["results"], report["summary"]
    except (ValueError, KeyError, TypeError) as error:  # for an empty template it only prints zeros
        raise NoChecker(f"Checkov checked nothing: {output[-500:]}") from error
    if summary["parsing_errors"] or not summary["passed"]:
        raise NoChecker(f"Checkov could not read the template: {summary}")
    return {
        (found["check_id"], found["resource"].rpartition(".")[2]): found["check_name"]
        for found in results["failed_checks"]
    }


def unexplained(found: dict[Finding, str], exceptions: Path = EXCEPTIONS) -> list[str]:
    """List findings without an exception, and exceptions without a finding."""
    allowed = tomllib.loads(exceptions.read_text(encoding="utf-8"))
    meant = {finding for finding in found if _is_meant(finding, allowed)}
    lines = [f"{check} {resource}: {found[check, resource]}" for check, resource in found.keys() - meant]
    return sorted([*lines, *_outlived(meant, allowed, exceptions.name)])


def _outlived(meant: set[Finding], allowed: dict[str, Any], file: str) -> Iterator[str]:
    for check, exception in allowed.items():
        hit = {resource for one, resource in meant if one == check}
        for resource in set(exception.get("only", [] if hit else ["anywhere"])) - hit:
            yield f"{file}: {check} is no longer reported {resource}."


def _is_meant(finding: Finding, allowed: dict[str, Any]) -> bool:
    check, resource = finding
    exception = allowed.get(check)
    return exception is not None and resource in exception.get("only", [resource])


def _without_paths(template: dict[str, Any]) -> dict[str, Any]:
    # The API's paths are most of the template, and nearly all of the scan's time; they contain nothing to check.
    for resource in template["Resources"].values():
        resource.get("Properties", {}).get("Body", {}).pop("paths", None)
    return template


if __name__ == "__main__":
    try:
        prepare()
    except NoChecker as error:
        sys.exit(str(error))
