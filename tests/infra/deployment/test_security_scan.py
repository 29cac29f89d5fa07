"""What Checkov finds is mended, or explained in infra/aws/checks/security_exceptions.toml; both are told where they do not fit."""

import tomllib
from pathlib import Path

import pytest

from infra.aws.checks import security_scan

FOUND = {("CKV_1", "Shelf"): "A shelf is open", ("CKV_1", "Till"): "A shelf is open"}


@pytest.mark.parametrize(
    ("exceptions", "told"),
    [
        ("", ["CKV_1 Shelf: A shelf is open", "CKV_1 Till: A shelf is open"]),
        ("[CKV_1]", []),
        ('[CKV_1]\nonly = ["Till"]', ["CKV_1 Shelf: A shelf is open"]),
        ('[CKV_1]\nonly = ["Till", "Shelf", "Door"]', ["exceptions.toml: CKV_1 is no longer reported Door."]),
        ("[CKV_1]\n[CKV_2]", ["exceptions.toml: CKV_2 is no longer reported anywhere."]),
    ],
)
def test_what_is_found_and_what_is_meant_are_held_against_each_other(
    tmp_path: Path, exceptions: str, told: list[str]
) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(exceptions)
    assert security_scan.unexplained(FOUND, file) == told


def test_every_exception_has_its_reason() -> None:
    for check, exception in tomllib.loads(security_scan.EXCEPTIONS.read_text(encoding="utf-8")).items():
        assert len(exception["reason"]) > 30 or exception["reason"] == "As above.", check


@pytest.mark.parametrize(
    "said",
    [
        "",
        '{"passed": 0, "failed": 0, "resource_count": 0}',  # of a template without resources
        '{"results": {"failed_checks": []}, "summary": {"passed": 0, "parsing_errors": 0}}',
        '{"results": {"failed_checks": []}, "summary": {"passed": 9, "parsing_errors": 1}}',
    ],
)
def test_a_template_that_was_not_read_is_not_taken_for_a_good_one(said: str) -> None:
    with pytest.raises(security_scan.NoChecker):
        security_scan.read(said)
