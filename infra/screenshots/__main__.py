"""Take the documents' screenshots: `python -m infra.screenshots`, which `make screenshots` runs.

Starts a separate shop of `make run` with its own state, buys something from the demo catalog, uses the staff pages,
and writes docs/screenshots/NAME.png for the desktop and NAME-phone.png for the phone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.app_server import ROOT
from infra.local.chromium import open_browser
from infra.local.processes import free_port
from infra.local.state_dir import State
from infra.screenshots.capture import FOLDER
from infra.screenshots.shop_pages import Shopper
from infra.screenshots.staff_pages import Merchant


@contextmanager
def running_shop(folder: Path) -> Iterator[dict[str, str]]:
    """Run the shop on free ports; yield its addresses by name. Raises RuntimeError if it does not start."""
    ports = ("PORT", "PAYPAL_PORT", "MAILBOX_PORT", "AWS_PORT", "SMTP_PORT")
    log = folder / "shop.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.supervisor", f"--state={folder / 'state'}"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]} | {port: str(free_port()) for port in ports},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:  # waits for its end
        try:
            yield _addresses(process, log)
        finally:
            process.terminate()


def _addresses(process: "subprocess.Popen[str]", log: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in process.stdout or ():
        if line.strip() == "ready":
            return found
        name, _, address = line.strip().partition(": ")
        found[name] = address.rstrip("/")
    raise RuntimeError(f"The shop did not start: {log.read_text('utf-8')}")


def main() -> None:
    """Take all screenshots."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_shop(Path(folder)) as addresses,
        open_browser() as browser,
    ):
        Shopper(browser, addresses).take_all()
        Merchant(browser, addresses["staff"], State(Path(folder, "state")).password()).take_all()


if __name__ == "__main__":
    main()
