"""Measure the shop's pages with Lighthouse: `python -m infra.commands.lighthouse`. Needs Node.

`make lighthouse` runs it. Starts a separate shop of `make run` with its own state, adds a product to a cart, and
prints the scores of each page on a phone and a desktop: the median of RUNS runs (default 5). If a page misses a goal,
the reasons are listed, and the exit status is 1. Lighthouse comes from npm, in one pinned version, kept in .cache.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from infra.local.app_server import ROOT
from infra.local.chromium import FLAGS, NoBrowser, find_browser
from infra.screenshots.__main__ import running_shop

VERSION = "12.8.2"
PLACE = ROOT / ".cache" / f"lighthouse-{VERSION}"
PROGRAM = PLACE / "node_modules" / ".bin" / "lighthouse"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PRODUCT = "/products/four-linen-napkins"
PAGES = {
    "shop": "/",
    "category": "/categories/table-and-kitchen",
    "product": "/products/pebble-mug",
    "cart": "/cart",
    "checkout": "/checkout",
}
FOR_SEARCH_ENGINES = ("shop", "category", "product")
DEVICES: dict[str, tuple[str, ...]] = {"mobile": (), "desktop": ("--preset=desktop",)}
RUN_SECONDS = 180


class Failed(Exception):
    """Raised with one line: what is missing."""


@dataclass(frozen=True)
class Judged:
    """The median scores of a page on a device, and the findings of the last run."""

    page: str
    device: str
    scores: dict[str, int]
    findings: tuple[str, ...]

    @property
    def missed(self) -> list[str]:
        """List the categories below their goals."""
        goals = goals_of(self.page)
        return [name for name, goal in goals.items() if self.scores[name] < goal]


def goals_of(page: str) -> dict[str, int]:
    """Return the minimum score of each category for a page."""
    goals = {"performance": 95, "accessibility": 100, "best-practices": 100}
    return {**goals, "seo": 100} if page in FOR_SEARCH_ENGINES else goals


def judge(reports: Sequence[dict[str, Any]], page: str, device: str) -> Judged:
    """Return the median of several Lighthouse reports, and the findings of the last one."""
    scores = {
        name: round(statistics.median(report["categories"][name]["score"] or 0 for report in reports) * 100)
        for name in CATEGORIES
    }
    last = reports[-1]
    findings = tuple(
        f"{name}: {audit['title']}"
        for name in CATEGORIES
        for reference in last["categories"][name]["auditRefs"]
        if reference["weight"] and (audit := last["audits"][reference["id"]])["score"] not in (1, None)
    )
    return Judged(page, device, scores, findings)


def table(judged: Sequence[Judged]) -> str:
    """Return the scores as text, one line per page and device; below, what kept a page from its goals."""
    lines = [f"{'page':10}{'device':10}" + "".join(f"{name:>16}" for name in CATEGORIES)]
    for each in judged:
        goals = goals_of(each.page)
        marks = [
            f"{each.scores[name]}{'' if each.scores[name] >= goals.get(name, 0) else ' !'}"
            for name in CATEGORIES
        ]
        lines.append(f"{each.page:10}{each.device:10}" + "".join(f"{mark:>16}" for mark in marks))
    for each in judged:
        missed = each.missed
        lines += [
            f"{each.page}, {each.device}: {finding}"
            for finding in each.findings
            if finding.partition(":")[0] in missed
        ]
    return "\n".join(lines)


def install() -> None:
    """Install Lighthouse, once. Raises Failed without Node or if npm does not answer."""
    if PROGRAM.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Failed("make lighthouse needs Node ≥ 18 with npm (Debian: apt-get install nodejs npm).")
    PLACE.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--silent",
        f"--prefix={PLACE}",
        f"lighthouse@{VERSION}",
    ]
    if subprocess.run(command, check=False).returncode != 0 or not PROGRAM.exists():
        raise Failed(f"npm could not install lighthouse@{VERSION}.")


def filled_cart(shop: str) -> str:
    """Add a product to a new cart; return the cart's Cookie header."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(shop + PRODUCT, timeout=30) as answer:
        sku = re.search(r'name="sku" value="([^"]+)"', answer.read().decode())
    if sku is None:
        raise Failed(f"{PRODUCT} of the demo no longer has exactly one variant.")
    form = urlencode({"sku": sku[1], "quantity": "1"}).encode()
    opener.open(f"{shop}/cart/lines", form, timeout=30).close()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def look(address: str, options: Sequence[str], cookie: str, chrome: Path) -> dict[str, Any]:
    """Run Lighthouse on a page once; return its report. Raises Failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [
            str(PROGRAM),
            address,
            "--quiet",
            "--output=json",
            f"--output-path={file}",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags={' '.join(['--headless=new', *FLAGS])}",
            *options,
        ]
        if cookie:
            command.append(f"--extra-headers={json.dumps({'Cookie': cookie})}")
        environment = {**os.environ, "CHROME_PATH": str(chrome)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        if done.returncode != 0 or not file.exists():
            raise Failed(f"Lighthouse could not check {address}: {done.stderr.strip()[-300:]}")
        report: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return report


def browser() -> Path:
    """Return a full Chromium: Lighthouse does not work with the headless shell. Raises Failed, NoBrowser."""
    chosen = os.environ.get("CHROME_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
    return find_browser({**os.environ, "CHROME_PATH": chosen} if chosen else os.environ)


def main() -> int:
    """Measure all pages; return the exit status."""
    runs = int(os.environ.get("RUNS") or 5)
    try:
        chrome = browser()
        install()
        judged = []
        with tempfile.TemporaryDirectory() as folder, running_shop(Path(folder)) as addresses:
            cookie = filled_cart(addresses["shop"])
            for device, options in DEVICES.items():
                for page, path in PAGES.items():
                    own = cookie if page in ("cart", "checkout") else ""
                    address = addresses["shop"] + path
                    reports = [look(address, options, own, chrome) for _ in range(runs)]
                    judged.append(judge(reports, page, device))
                    print(f"{page}, {device}: {judged[-1].scores}", file=sys.stderr, flush=True)
    except (Failed, NoBrowser, subprocess.TimeoutExpired) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(judged))
    return 1 if any(each.missed for each in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
