"""Run the shop: its pages behind the local gateway, and its event functions.

`python -m infra.local.app_server --port 8000` needs the environment that `infra.local.supervisor` sets.
"""

import argparse
import importlib
import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from infra.local.api_gateway import Gateway, GatewayServer
from infra.local.create_resources import OldState, keep_settings, make_shop_aws
from infra.local.event_functions import Functions
from infra.local.processes import StartReports, stop_event

if TYPE_CHECKING:
    from chalice import Chalice

ROOT = Path(__file__).parents[2]
# Every five minutes on AWS, which is too long for trying out a shop.
RECONCILE_SECONDS = 20.0
log = logging.getLogger(__name__)
SQS = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})


def prefix_of(environment: Mapping[str, str]) -> str:
    """Return the path prefix of the shop, such as `/api`; "" if there is none."""
    return urlsplit(environment.get("PUBLIC_URL", "")).path.rstrip("/")


def intervals_of(environment: Mapping[str, str]) -> dict[str, float]:
    """Return the seconds between runs of functions whose schedule is too slow for local use."""
    return {"reconcile_payments": float(environment.get("RECONCILE_SECONDS", RECONCILE_SECONDS))}


def load_app(folder: Path) -> "Chalice":
    """Import the Chalice app of a folder's app.py."""
    sys.path.insert(0, str(folder.resolve()))
    app: Chalice = importlib.import_module("app").app
    return app


def fill_with_demo(
    functions: Functions, environment: Mapping[str, str], ending: threading.Event, reports: StartReports
) -> None:
    """Fill an empty shop with the demo catalog and orders, unless DEMO=no; report each step."""
    if environment.get("DEMO") == "no":
        return
    from infra.local.demo.catalog import load_demo_catalog
    from infra.local.demo.orders import make_demo_orders
    from infra.local.demo.staff import make_demo_staff

    load_demo_catalog(reports.write)
    if not environment.get("DEMO_PASSWORD"):
        return
    make_demo_staff(environment["DEMO_PASSWORD"])
    reports.write()
    try:
        make_demo_orders(lambda: functions.drain("order-emails"), ending.is_set, reports.write)
    except Exception:  # the shop works without
        log.exception("Creating the demo orders failed; the next start will continue.")


def serve(
    functions: Functions,
    gateway: Gateway,
    port: int,
    fd: int | None,
    ending: threading.Event,
    reports: StartReports | None,
) -> None:
    """Serve pages, queues and schedules until `ending`; report when all run, or print the address."""
    with ExitStack() as stack:
        server = stack.enter_context(GatewayServer(gateway, port, fd=fd, say=_say))
        stack.callback(functions.stop)
        functions.start()
        if reports is None:
            print(f"shop: {server.url}/", flush=True)
        else:
            reports.write(StartReports.SERVING)
        ending.wait()


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.app_server", description=__doc__)
    parser.add_argument("--app", type=Path, default=ROOT, help="the folder of app.py")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--fd", type=int, help="an inherited listening socket, instead of a port")
    parser.add_argument("--serving", type=int, help="a pipe to report each step of the start to")
    choice = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("chalicelib").setLevel(logging.INFO)
    ending = stop_event()
    reports = StartReports(choice.serving)
    app = load_app(choice.app)
    reports.write()
    try:
        make_shop_aws()
        keep_settings()
    except OldState as failure:
        _say(str(failure))
        return 1
    reports.write()
    functions = Functions(
        app, boto3.client("sqs", config=SQS), os.environ.get("TABLE_PREFIX", ""), intervals_of(os.environ)
    )
    fill_with_demo(functions, os.environ, ending, reports)
    gateway = Gateway(app, prefix_of(os.environ))
    serve(functions, gateway, choice.port, choice.fd, ending, reports if choice.serving is not None else None)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
