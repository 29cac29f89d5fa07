"""What CloudFormation makes of the template: SAM's short forms written out."""

import json
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from infra.aws.checks import security_scan
from infra.aws.package import build
from tests.infra.template.template_reader import references


@pytest.fixture(scope="module")
def expanded(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Expand the template as CloudFormation does, with a place in S3 where `aws cloudformation package` puts one."""
    # Imported here: it takes most of a second, and each of pytest's workers imports every test.
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template = build.read_template(built / "sam.yaml")
    for properties, name in build.zips(template):
        properties[name] = f"s3://bucket/{Path(properties[name]).name}"
    given = {name: facts.get("Default", "given") for name, facts in template["Parameters"].items()}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        plain = Translator({}, Parser()).translate(template, given)
    file = tmp_path_factory.mktemp("expanded") / "template.json"
    file.write_text(json.dumps(plain), encoding="utf-8")
    return file


def test_cfn_lint_accepts_what_sam_makes_of_the_template(expanded: Path) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), expanded]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(
    not security_scan.is_prepared(), reason=f"{security_scan.CHECKOV} is not there; make test installs it"
)
def test_checkov_finds_nothing_that_is_not_explained(expanded: Path) -> None:
    assert security_scan.unexplained(security_scan.findings(expanded)) == []


def test_sam_adds_nothing_unasked(expanded: Path) -> None:
    resources = json.loads(expanded.read_text(encoding="utf-8"))["Resources"]
    kinds = Counter(resource["Type"] for resource in resources.values())
    assert kinds["AWS::Lambda::Function"] == 7
    assert kinds["AWS::IAM::Role"] == 7 + 1, "and API Gateway's"
    assert kinds["AWS::Lambda::EventSourceMapping"] == 2
    assert kinds["AWS::Events::Rule"] == 5
    assert kinds["AWS::ApiGateway::Stage"] == kinds["AWS::ApiGateway::RestApi"] == 1


def test_what_waits_for_what_is_no_circle_and_an_account_without_any_api_gets_its_log_role(
    expanded: Path,
) -> None:
    """The account's settings exist once it has an API; a stage with a log is refused until they have a role."""
    resources = json.loads(expanded.read_text(encoding="utf-8"))["Resources"]
    waits = {
        name: ({*references(resource), *_listed(resource.get("DependsOn", []))}) & resources.keys()
        for name, resource in resources.items()
    }
    TopologicalSorter(waits).prepare()  # raises CycleError

    (stage,) = (name for name, one in resources.items() if one["Type"] == "AWS::ApiGateway::Stage")
    assert "RestAPI" in _awaited(waits, "ApiGatewayAccount")
    assert "ApiGatewayAccount" in _awaited(waits, stage)


def _awaited(waits: dict[str, set[str]], name: str) -> set[str]:
    """Name all that is made before a resource, since it, or what it waits for, says so."""
    found: set[str] = set()
    todo = [name]
    while todo:
        new = waits[todo.pop()] - found
        found |= new
        todo += new
    return found


def _listed(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more
