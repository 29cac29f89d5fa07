"""What every test stands on: a local cloud of its own worker, empty at the start of each test."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.api_gateway import Gateway, GatewayServer
from infra.local.dynamodb_local import DynamoDBLocal
from infra.local.event_functions import Functions
from infra.local.fake_paypal import Control, FakePayPal
from infra.local.local_cloud import without_aws_settings
from infra.local.processes import free_port
from tests import browser, iam_policy_check, moto_cloud
from tests.client import Shopper
from tests.cloud import Cloud
from tests.shop import Shop
from tests.workers import FORKING, ByFile


# chalicelib reads the environment once, when it is imported: everything is settled before.
class Run:
    """What is found at the end of a run of all tests."""

    spare: Sequence[iam_policy_check.Line] = ()
    without_browser: Sequence[str] = ()  # why each browser test was left out


class Standing:
    """The shop that tests which change nothing share, until another test empties the cloud."""

    shop: Shop | None = None
    since = 0  # which of the cloud's resets it was made after


_cloud = moto_cloud.MotoCloud() if moto_cloud.CHOSEN else Cloud()
_scratch = Path(tempfile.mkdtemp(prefix="awning-tests-"))
atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
SHOP_PORT = free_port()
PAYPAL_PORT = free_port()
for _name in set(os.environ) - set(without_aws_settings(os.environ)):
    del os.environ[_name]
os.environ.update(_cloud.environment)
os.environ.update(
    {
        "TABLE_PREFIX": "test-",
        "PUBLIC_URL": f"http://127.0.0.1:{SHOP_PORT}",
        "MEDIA_URL": f"{_cloud.endpoint_url}/test-awning-media",
        "CURRENCY": "EUR",
        "TIMEZONE": "UTC",
        "PAYPAL_API_URL": f"http://localhost:{PAYPAL_PORT}",
        "PAYPAL_WEB_URL": f"http://localhost:{PAYPAL_PORT}",
        "PAYPAL_CLIENT_ID": "test-client",
        "PAYPAL_CLIENT_SECRET": "test-secret",
        "PAYPAL_WEBHOOK_ID": "7E5TWEBH00K000001",
    }
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the long way."""
    parser.addoption("--soak", action="store_true", help="break every call in every way in every scenario")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what forks; leave out on the second lane what touches no tables, and the browser's tests.

    A worker grows with the tests it has run, and each fork copies the tables of its memory: some ten thousand times.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(FORKING))
    for item in items:
        if {"cloud", "standing_shop"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("cloud")
    if moto_cloud.CHOSEN:
        moto_cloud.leave_out(items)
    if _cloud.tables is None:
        return
    config.hook.pytest_deselected(items=[item for item in items if not _is_for_the_second_lane(item)])
    items[:] = filter(_is_for_the_second_lane, items)


def _is_for_the_second_lane(item: pytest.Item) -> bool:
    # The local cloud's CloudFormation makes its tables in its own DynamoDB.
    fixtures = getattr(item, "fixturenames", ())
    elsewhere = "chromium" in fixtures or item.get_closest_marker("cloudformation")
    return "cloud" in fixtures and not elsewhere


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many faults were survived, and which lines of the policies nothing used."""
    for function, action, resource in Run.spare:
        terminalreporter.write_line(f"spare in .chalice: {function} never used {action} on {resource}")
    passed = terminalreporter.stats.get("passed", ())
    for report in (*passed, *terminalreporter.stats.get("failed", ())):
        for seed in (value for name, value in report.user_properties if name == "fresh seed"):
            terminalreporter.write_line(f"the fresh seed of the simulation was {seed}")
    counts = [value for report in passed for name, value in report.user_properties if name == "survived"]
    if counts:
        terminalreporter.write_line(f"{sum(counts):,} (scenario, call, fault) triples survived")
    lonely = {value for report in passed for name, value in report.user_properties if name == "no rival"}
    for words in sorted(lonely):
        terminalreporter.write_line(f"overtaken by no rival: {words}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker one file at a time, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Gather from pytest's workers which lines of the policies were used."""
    iam_policy_check.used.update(map(tuple, getattr(node, "workeroutput", {}).get("used", ())))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run of all tests in which no function ever asked for something that its policy allows."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used"] = sorted(iam_policy_check.used)
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    Run.without_browser = browser.left_out(reporter.stats.get("skipped", ())) if reporter else ()
    # What only browser tests use would seem spare without them.
    if not Run.without_browser and exitstatus == pytest.ExitCode.OK and _is_whole(session.config):
        Run.spare = iam_policy_check.Policies().spare()
        session.exitstatus = pytest.ExitCode.TESTS_FAILED if Run.spare else exitstatus


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print in the last line how many browser tests were left out."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(config, "workeroutput") and not config.option.collectonly:
        reporter.write_line(browser.summary(list(Run.without_browser)))


def _is_whole(config: pytest.Config) -> bool:
    chosen = ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "collectonly", "stepwise")
    by_files = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    return not (_cloud.tables or by_files or any(map(config.getoption, chosen)))


@pytest.fixture(scope="session")
def refused_by_aws() -> Iterator[list[str]]:
    """Look at what pages and functions ask of AWS in all tests; list what their policies do not allow."""
    with iam_policy_check.watched() as refused:
        yield refused


@pytest.fixture(autouse=True)
def within_policies(refused_by_aws: list[str]) -> Iterator[None]:
    """Fail where a page or a function asked for what AWS would refuse it."""
    refused_by_aws.clear()
    yield
    assert refused_by_aws == []


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Run the local cloud."""
    with _cloud, _cloud.tables or nullcontext():
        yield _cloud


@pytest.fixture(scope="session")
def tables(cloud: Cloud) -> DynamoDBLocal | None:
    """Return DynamoDB Local on the second lane."""
    return _cloud.tables


@pytest.fixture
def aws(cloud: Cloud) -> Cloud:
    """Empty tables, queues and buckets, and forget what the process remembers of the last test."""
    cloud.renew()
    return cloud


@pytest.fixture
def gateway(aws: Cloud) -> Gateway:
    """Return the app behind the local gateway, without a port."""
    import app

    return Gateway(app.app)


@pytest.fixture
def shopper(gateway: Gateway) -> Shopper:
    """Return a visitor without cookies."""
    return Shopper(gateway)


@pytest.fixture
def functions(gateway: Gateway) -> Functions:
    """Return the app's event functions."""
    from chalicelib.aws import client

    return Functions(gateway.app, client("sqs"), prefix=os.environ["TABLE_PREFIX"])


def new_fake_paypal() -> FakePayPal:
    """Make the fake PayPal that the environment names."""
    return FakePayPal(
        _scratch / "paypal",
        port=PAYPAL_PORT,
        client_id=os.environ["PAYPAL_CLIENT_ID"],
        client_secret=os.environ["PAYPAL_CLIENT_SECRET"],
        webhook_id=os.environ["PAYPAL_WEBHOOK_ID"],
    )


@pytest.fixture(scope="session")
def fake_paypal() -> Iterator[FakePayPal]:
    """Run the fake PayPal."""
    with new_fake_paypal() as running:
        yield running


@pytest.fixture(scope="session")
def served(cloud: Cloud) -> Iterator[str]:
    """Serve the app on its port, for browsers and for PayPal's notifications; return its address."""
    import app

    with GatewayServer(Gateway(app.app), port=SHOP_PORT) as server:
        yield server.url


@pytest.fixture
def paypal(fake_paypal: FakePayPal) -> Control:
    """Return what steers PayPal: no orders, no money, no faults; notifications wait until they are delivered."""
    fake_paypal.reset()
    return fake_paypal.control


@pytest.fixture
def shop(aws: Cloud, gateway: Gateway, functions: Functions, paypal: Control, served: str) -> Shop:
    """Return the whole shop with a few things to buy, and PayPal beside it."""
    paypal.set_webhook(f"{served}/webhooks/paypal")
    paypal.automatic(False)
    shop = Shop(gateway, functions, paypal)
    if not aws.is_again("stocked"):
        shop.fill_shelves()
        aws.keep("stocked")
    return shop


@pytest.fixture
def standing_shop(request: pytest.FixtureRequest) -> Shop:
    """Return a shop as `shop` does, but not always a new one: for tests that order nothing and change no stock.

    Carts of other tests may be in it.
    """
    if Standing.shop is None or Standing.since != _cloud.resets:
        Standing.shop = request.getfixturevalue("shop")
        Standing.since = _cloud.resets
    return Standing.shop


@pytest.fixture
def setting() -> Iterator[Any]:
    """Change settings for one test: `setting(public_url="https://shop.example")`."""
    from chalicelib.config import settings

    before = dict(vars(settings))

    def change(**values: object) -> None:
        for name, value in values.items():
            object.__setattr__(settings, name, value)

    yield change
    change(**{name: value for name, value in before.items() if name in type(settings).__dataclass_fields__})


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass: `wait(11)` seconds."""
    from chalicelib import clock

    passed = timedelta()
    real = clock.now

    def move(seconds: float) -> None:
        nonlocal passed
        passed += timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "now", lambda: real() + passed)
    return move
