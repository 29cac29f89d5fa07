"""What the bench measures in: a local cloud and the fake PayPal, each in a process of its own, and the demo shop."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.local.app_server import ROOT
from infra.local.demo.catalog import load_demo_catalog
from infra.local.fake_paypal import Control
from infra.local.local_cloud import LocalCloud
from infra.local.processes import ChildProcess, answers, free_port
from infra.local.state_dir import PUBLISHED, State
from infra.local.supervisor import Ports, shop_environment

PORTS = ("PORT", "PAYPAL_PORT", "MAILBOX_PORT", "AWS_PORT", "SMTP_PORT")
SHOP = {"TABLE_PREFIX": "bench-", "CURRENCY": "EUR", "TIMEZONE": "UTC"}
START_SECONDS = 20.0


@contextmanager
def surroundings() -> Iterator[Control]:
    """Start everything, open the shop in this process, and yield what steers PayPal; raise ProcessFailed."""
    with ExitStack() as stack:
        state = State(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awning-bench-"))))
        stack.enter_context(state.held())
        ports = Ports({name: str(free_port()) for name in PORTS}, shop_runs=False)
        cloud = stack.enter_context(LocalCloud(port=ports.aws))
        environment = shop_environment(_given(), ports, cloud)
        _start_fake_paypal(stack, ports, state, environment)
        # This process is the shop: chalicelib reads the environment once, when it is imported.
        os.environ.clear()
        os.environ.update(environment)
        _open_shop()
        yield Control(environment["PAYPAL_API_URL"])


def _given() -> dict[str, str]:
    """Return the caller's environment without their shop: the bench measures the same one everywhere."""
    foreign = {
        name: value
        for name, value in os.environ.items()
        if name not in PUBLISHED and not name.startswith("PAYPAL_")
    }
    return foreign | SHOP


def _start_fake_paypal(stack: ExitStack, ports: Ports, state: State, environment: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-m",
        "infra.local.fake_paypal",
        f"--port={ports.paypal}",
        f"--state={state.paypal}",
        f"--client-id={environment['PAYPAL_CLIENT_ID']}",
        f"--client-secret={environment['PAYPAL_CLIENT_SECRET']}",
        f"--webhook-id={environment['PAYPAL_WEBHOOK_ID']}",
    ]
    fake_paypal = ChildProcess(
        "the fake PayPal", command, environment, log=state.logs / "paypal.log", folder=ROOT
    )
    stack.callback(fake_paypal.stop)
    fake_paypal.start()
    fake_paypal.wait_until(lambda: answers(environment["PAYPAL_API_URL"]), START_SECONDS)


def _open_shop() -> None:
    from infra.local.create_resources import make_shop_aws

    make_shop_aws()
    load_demo_catalog()
