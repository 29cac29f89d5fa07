"""The package is all that runs: nothing of this project's folder or virtual environment comes to its aid."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.aws.package.lambda_python import RUNTIME
from infra.local.event_functions import scheduled_event
from tests.deployed.stack import Stack
from tests.packaging import PINNED

# Looks from inside, where a function of the shop would be: imports all of the shop, tells where everything came from.
PROBE = """
import importlib, os, pkgutil, sys, sysconfig


def look(event, context):
    import app, chalicelib
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        importlib.import_module(module.name)
    files = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
    return {
        "root": os.environ["LAMBDA_TASK_ROOT"],
        "path": sys.path,
        "files": files,
        "environment": sorted(os.environ),
        "standard": sysconfig.get_path("stdlib"),
        "python": "python%d.%d" % sys.version_info[:2],
    }
"""


@pytest.fixture(scope="module")
def seen(stack: Stack, packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Put one more function beside the shop's: their zip and a module that looks around."""
    file = tmp_path_factory.mktemp("probe") / "probe.zip"
    file.write_bytes((packaged / "deployment.zip").read_bytes())
    with zipfile.ZipFile(file, "a") as package:
        package.writestr("probe.py", PROBE)
    like = stack.function("RunStaffJobs")
    stack.region.client("lambda").create_function(
        FunctionName="probe",
        Runtime=like["Runtime"],
        Role=like["Role"],
        Handler="probe.look",
        Environment={"Variables": like["Environment"]["Variables"]},
        Timeout=60,
        Code={"ZipFile": file.read_bytes()},
    )
    answer, error = stack.invoke("probe", {})
    assert error is None, answer
    return dict(answer)


def test_every_module_comes_from_the_package_or_the_standard_library(seen: dict[str, Any]) -> None:
    standard, own = seen["standard"], seen["root"]
    strange = {
        name: file
        for name, file in seen["files"].items()
        if not file.startswith(f"{own}/") and (not file.startswith(standard) or "site-packages" in file)
    }
    worker = strange.pop("__main__")
    assert worker.startswith(str(Path(own).parent))
    assert strange == {}
    assert seen["files"]["chalicelib"].startswith(own)
    assert {"app", "chalicelib.staff.auth.passwords", "pynamodb", "jinja2"} <= seen["files"].keys()


def test_it_runs_on_the_python_that_compiled_it(seen: dict[str, Any], stack: Stack) -> None:
    assert seen["python"] == stack.function("RunStaffJobs")["Runtime"]
    assert seen["python"] == RUNTIME or not PINNED


def test_nothing_is_looked_for_elsewhere(seen: dict[str, Any]) -> None:
    assert [place for place in seen["path"] if "site-packages" in place or place in ("", ".")] == []


def test_a_function_gets_the_templates_environment_and_nothing_of_this_machine(seen: dict[str, Any]) -> None:
    assert "PAYPAL_CLIENT_SECRET" not in seen["environment"]
    assert not {name for name in seen["environment"] if name.startswith(("PYTEST", "PYTHON", "VIRTUAL_ENV"))}


def test_a_function_may_do_what_its_role_names_and_nothing_else(stack: Stack) -> None:
    with _without(stack, "ReconcilePayments", "FindWhatIsDue"):
        answer, error = stack.invoke(stack.name_of("ReconcilePayments"), scheduled_event("any"))
    assert error, answer
    assert "AccessDenied" in json.dumps(answer)
    assert "dynamodb:Query" in json.dumps(answer)


@contextmanager
def _without(stack: Stack, function: str, statement: str) -> Iterator[None]:
    """Take what one statement allows away from a function, and give it back."""
    iam, role = stack.region.client("iam"), stack.function(function)["Role"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    others = [one for one in policy["Statement"] if one["Sid"] != statement]
    assert len(others) == len(policy["Statement"]) - 1

    def put(statements: list[dict[str, Any]]) -> None:
        document = json.dumps({**policy, "Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    put(others)
    try:
        yield
    finally:
        put(policy["Statement"])
