"""The arrows between features, the size of folders and modules, and the few places where the outside world is named."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ROOT / "chalicelib"
# Who stands above whom: a feature imports from lower rows only. Those of one row do not know each other.
ROWS = [{"staff", "checkout"}, {"payments"}, {"mail", "ledger"}, {"orders"}, {"cart"}, {"catalog"}, {"web"}]
HEIGHT = {feature: len(ROWS) - row for row, features in enumerate(ROWS) for feature in features}
# Modules and packages that belong to no feature: every feature may use them, they use no feature.
COMMON = {
    "aws",
    "cleaning",
    "clock",
    "config",
    "database",
    "deadlines",
    "errors",
    "ids",
    "money",
    "postal",
    "queues",
    "rate_limits",
    "scheduled_runs",
    "shop_settings",
    "taxes",
    "telemetry",
}
# Lists the models of all features' tables.
ROOTS = {"__init__", "tables"}
MAX_FILES_PER_FOLDER = 14
MAX_LINES_PER_MODULE = 400
# Parts of the tests that are longer: a table of cases each.
LONG_TESTS = {
    "tests/catalog/editing/test_inline_edit.py",
    "tests/checkout/test_checkout_form.py",
    "tests/fault_injection/scenarios/staff_actions.py",
    "tests/infra/deployment/test_deploy.py",
    "tests/mail/test_bounces.py",
    "tests/mail/test_email_content.py",
    "tests/mail/test_outbox.py",
    "tests/payments/paypal/test_refusals.py",
    "tests/payments/paypal/test_webhook.py",
    "tests/payments/test_capture.py",
    "tests/payments/test_payment_failure_scenarios.py",
    "tests/payments/test_reconciler.py",
    "tests/payments/test_refunds.py",
    "tests/staff/orders/test_corrections.py",
    "tests/staff/products/test_import_export.py",
    "tests/staff/products/test_product_list.py",
}


@cache
def modules(folder: Path = CODE) -> list[tuple[Path, ast.Module]]:
    """Parse every module of a folder, the shop's by default: once, since forty tests read them."""
    return [
        (file, ast.parse(file.read_text(encoding="utf-8"), str(file)))
        for file in sorted(folder.rglob("*.py"))
    ]


@cache
def imported(tree: ast.AST) -> frozenset[str]:
    """Name all that is imported anywhere in a module, inside functions too: `chalicelib.cart.models`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute: they say where things are"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def feature_of(file: Path) -> str:
    """Name a file's feature, or the common module that it is."""
    return file.relative_to(CODE).parts[0].removesuffix(".py")


def who_imports(package: str) -> set[str]:
    """List the files that import a package or anything in it."""
    return {
        str(file.relative_to(ROOT))
        for file, tree in modules()
        if any(name == package or name.startswith(f"{package}.") for name in imported(tree))
    }


def imports_within(folder: str) -> dict[str, set[str]]:
    """Map each module of a folder onto those of it that it imports, inside functions and for type checkers too."""
    trees = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): tree
        for file, tree in modules(ROOT / folder)
    }
    return {
        module: {
            name if name in trees else name.rpartition(".")[0]
            for name in imported(tree)
            if name in trees or name.rpartition(".")[0] in trees
        }
        for module, tree in trees.items()
    }


def cycle_in(arrows: dict[str, set[str]]) -> set[str]:
    """Name the modules of which each imports another of them: what is left when all others are taken away."""
    left = dict(arrows)
    while ends := {name for name, targets in left.items() if not targets & left.keys()}:
        left = {name: targets for name, targets in left.items() if name not in ends}
    while unused := left.keys() - {target for targets in left.values() for target in targets}:
        left = {name: targets for name, targets in left.items() if name not in unused}
    return set(left)


def test_every_folder_is_a_feature_of_the_design() -> None:
    assert {feature_of(file) for file, _ in modules()} <= HEIGHT.keys() | COMMON | ROOTS


@pytest.mark.parametrize("feature", sorted(HEIGHT.keys() - {"staff"} | COMMON))
def test_imports_point_one_way(feature: str) -> None:
    for file, tree in modules():
        if feature_of(file) != feature:
            continue
        used = {name.split(".")[1] for name in imported(tree) if name.startswith("chalicelib.")}
        for other in used - {feature} - COMMON:
            assert other in HEIGHT, f"{file} imports {other}"
            assert HEIGHT.get(feature, 0) > HEIGHT[other], f"{file} imports {other}, which stands above it"


@pytest.mark.parametrize("folder", ["chalicelib", "infra"])
def test_no_modules_import_each_other(folder: str) -> None:
    assert cycle_in(imports_within(folder)) == set()


def test_a_cycle_is_found_among_modules_that_lead_into_it_and_out_of_it() -> None:
    assert cycle_in({"top": {"one"}, "one": {"two"}, "two": {"one", "end"}, "end": set()}) == {"one", "two"}
    assert cycle_in({"top": {"end"}, "end": set()}) == set()


@pytest.mark.parametrize("folder", ["chalicelib", "infra", "tests"])
def test_no_folder_of_code_has_more_than_fourteen_files(folder: str) -> None:
    files: dict[Path, list[str]] = {}
    for file in (ROOT / folder).rglob("*.py"):
        if file.name != "__init__.py":
            files.setdefault(file.parent, []).append(file.name)
    assert {str(path): len(names) for path, names in files.items() if len(names) > MAX_FILES_PER_FOLDER} == {}


@pytest.mark.parametrize("folder", ["chalicelib", "infra", "tests"])
def test_no_module_has_more_than_four_hundred_lines(folder: str) -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in (ROOT / folder).rglob("*.py")
    }
    assert {file for file, lines in lengths.items() if lines > MAX_LINES_PER_MODULE} == LONG_TESTS & set(
        lengths
    )


def test_nothing_of_the_shop_knows_its_composition_root_or_the_tools() -> None:
    for outside in ("app", "infra", "tests"):
        assert who_imports(outside) == set()


def test_the_root_imports_routes_alone_until_an_event_comes() -> None:
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))
    top = {
        name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name in imported(node)
    }
    ours = {name for name in top if name.startswith("chalicelib.")}
    ours = {name for name in ours if name.split(".")[1] not in COMMON}
    assert {name.split(".")[2] for name in ours} <= {"routes", "router", "middleware", "lazy_imports"}


def test_no_service_sees_the_request() -> None:
    # They take plain values, such as an address or a session's key: queues and schedules call them, too, and bring none.
    speak_http = ("routes.py", "sessions.py")  # a session is read from the request's cookies
    below = [
        (file, imported(tree))
        for file, tree in modules()
        if feature_of(file) not in ("web", "staff") and file.name not in speak_http
    ]
    assert len(below) > 100
    for file, names in below:
        seen = {
            name for name in names if name == "chalice.app.Request" or "chalicelib.web.http_request" in name
        }
        assert seen == set(), file


def test_the_present_request_is_read_where_pages_are_made_alone() -> None:
    readers = {
        str(file.relative_to(CODE))
        for file, tree in modules()
        if any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == "http_request.current"
            for node in ast.walk(tree)
        )
        or "chalicelib.web.http_request.current" in imported(tree)
    }
    assert readers == {"web/router.py", "web/templates.py", "staff/layout.py"}


def test_one_module_knows_paypals_sdk() -> None:
    assert who_imports("paypalcheckoutsdk") <= {"chalicelib/payments/paypal/api_client.py"}
    assert who_imports("paypalhttp") <= {"chalicelib/payments/paypal/api_client.py"}


def test_one_module_imports_powertools() -> None:
    assert who_imports("aws_lambda_powertools") == {"chalicelib/telemetry.py"}


def test_clients_of_aws_are_made_in_one_place() -> None:
    # PayPal's secret is read from SSM once a process; all other clients come from aws.py.
    assert who_imports("boto3") <= {"chalicelib/aws.py", "chalicelib/payments/paypal/gateway.py"}


def reads_environment(tree: ast.AST) -> bool:
    """Return whether a module touches os.environ or os.getenv."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in ast.walk(tree)
    ) or bool(imported(tree) & {"os.environ", "os.getenv"})


def test_config_alone_reads_the_environment() -> None:
    # aws.py looks at boto's own variables, which are not the shop's.
    readers = {str(file.relative_to(CODE)) for file, tree in modules() if reads_environment(tree)}
    assert readers <= {"config.py", "aws.py"}
    in_aws = ast.parse((CODE / "aws.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(in_aws) if isinstance(node, ast.Constant)}
    assert {text for text in texts if isinstance(text, str) and text.isupper()} <= {
        "AWS_",
        "_X_AMZN_TRACE_ID",
        "HOME",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_",
    }


def test_time_and_randomness_come_from_one_module_each() -> None:
    for file, tree in modules():
        if feature_of(file) != "ids":
            assert not imported(tree) & {"secrets", "uuid"}, file
        if feature_of(file) != "clock":
            calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            assert not calls & {"datetime.now", "datetime.utcnow", "date.today", "time.time"}, file


def test_zones_of_shop_toml_are_read_as_first_values_alone() -> None:
    readers = {
        str(file.relative_to(CODE))
        for file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "settings.shop.zones"
    }
    assert readers == {"shop_settings/delivery.py"}


def test_nothing_prints_and_nothing_is_called_utils() -> None:
    for file, tree in modules():
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in called, file
        assert not {"utils", "util", "helpers", "common", "misc"} & set(file.with_suffix("").parts), file


def test_modules_that_are_imported_late_have_the_names_that_type_checkers_see() -> None:
    found = 0
    for file, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and node.orelse:
                checked = {
                    (alias.asname or alias.name, f"{each.module}.{alias.name}")
                    for each in node.body
                    if isinstance(each, ast.ImportFrom)
                    for alias in each.names
                }
                run = {
                    (ast.unparse(each.targets[0]), ast.literal_eval(each.value.args[0]))
                    for each in node.orelse
                    if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call)
                }
                assert checked == run, file
                found += 1
    assert found == 2  # the pages of staff, and their jobs


def test_templates_and_tests_mirror_the_features() -> None:
    features = {path.name for path in CODE.iterdir() if (path / "__init__.py").exists()} - COMMON
    assert features <= HEIGHT.keys()
    templates = {path.name for path in (ROOT / "templates").iterdir() if path.is_dir()}
    assert templates <= features | {"components", "pages"}
    tests = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert features <= tests
    parts = {path.name for path in (CODE / "staff").iterdir() if (path / "__init__.py").exists()}
    assert {path.name for path in (ROOT / "templates" / "staff").iterdir() if path.is_dir()} <= parts
    assert {
        path.name for path in (ROOT / "tests" / "staff").iterdir() if (path / "__init__.py").exists()
    } <= parts
