"""A shop of its own for a flash sale: a real `make run`, whose table knows conflicts as DynamoDB does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.local.app_server import ROOT
from tests.load.http_connection import ORIGIN_SECRET
from tests.local.example_app import Run

HOLD_MS = 10.0
# On AWS each request has a processor of its own; here all share one process, and more would only queue in it.
CONCURRENCY = 60
# The whole app, with the conflicts around its connection to DynamoDB.
APP = """
import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("awning_app", {app!r})
awning = importlib.util.module_from_spec(spec)
spec.loader.exec_module(awning)
app = awning.app

from tests.load.dynamodb_conflicts import contended, note_in

contention = contended({seconds}, note_in(Path({conflicts!r})))
contention.__enter__()
"""


def flash_sale(
    folder: Path,
    shoppers: int,
    quantity: int,
    at_once: int = CONCURRENCY,
    hold_ms: float = HOLD_MS,
    most_seconds: float = 150,
) -> dict[str, Any]:
    """Hold a sale and return its figures.

    `at_once` shoppers buy at the same moment; a transaction keeps its items to itself for `hold_ms`.
    """
    conflicts = folder / "conflicts"
    (folder / "app").mkdir(parents=True)
    app = APP.format(app=str(ROOT / "app.py"), seconds=hold_ms / 1000, conflicts=str(conflicts))
    (folder / "app" / "app.py").write_text(app, "utf-8")
    with Run(folder, DEMO="no", TIMEZONE="UTC", PROXIES="1", ORIGIN_SECRET=ORIGIN_SECRET) as run:
        command = [
            *(sys.executable, "-m", "infra.local.run_on_local", f"--state={folder / 'state'}"),
            *(sys.executable, "-m", "tests.load.flash_sale"),
            *(f"--{name}={run.address(name)}" for name in ("shop", "paypal", "mailbox")),
            *(f"--shoppers={shoppers}", f"--units={quantity}", f"--at-once={at_once}"),
            f"--conflicts={conflicts}",
        ]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        figures: dict[str, Any] = json.loads(_output(command, environment, most_seconds))
        figures["faults"] += [f"a bug: {line}" for line in run.errors if line.startswith("Traceback")]
    return figures


def _output(command: list[str], environment: dict[str, str], seconds: float) -> str:
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as sale:
        try:
            printed, _ = sale.communicate(timeout=seconds)
        except BaseException:
            os.killpg(sale.pid, signal.SIGKILL)  # the command, and what it runs
            raise
    if not printed:
        raise RuntimeError(f"The sale broke off with status {sale.returncode}.")
    return printed
