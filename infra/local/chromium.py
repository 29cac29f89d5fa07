"""Find, install and start the browser for the tests: CHROME_PATH, else Debian's, else playwright's own.

`python -m infra.local.chromium` prints its path, or exits with 1; `--install` installs one if there is none.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The first is Chromium's headless shell: the same pages for two thirds of the work.
INSTALLED = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# It must start as root and in containers, and contact nothing outside this machine.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SECONDS = 30  # for a browser to print its version
DRIVERS_LIBRARY = "libatomic1"  # what playwright's Node needs and a small Debian lacks


class NoBrowser(Exception):
    """Raised with one line: there is no browser, and how to install one."""


def find_browser(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the executable of a Chromium. Raises NoBrowser."""
    chosen = environment.get("CHROME_PATH")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise NoBrowser(f"CHROME_PATH is not a program: {chosen}")
        if not _starts(chosen):
            raise NoBrowser(f"CHROME_PATH is a program that does not start: {chosen}")
        return Path(chosen)
    for name in INSTALLED:
        found = shutil.which(name, path=environment.get("PATH"))
        if found and _starts(found):
            return Path(found)
    own = _playwrights_own() if driver_starts() else None
    if own and own.exists() and _starts(str(own)):
        return own
    raise NoBrowser(
        "no Chromium was found: apt-get install chromium-headless-shell (as root),"
        " or .venv/bin/playwright install chromium, or CHROME_PATH=/path/to/chrome"
    )


def find_usable_browser() -> Path:
    """Return the executable of a Chromium that playwright can drive. Raises NoBrowser."""
    executable = find_browser()
    if not driver_starts():
        raise NoBrowser(f"playwright does not start: apt-get install {DRIVERS_LIBRARY} (as root)")
    return executable


def install_browser(run: Callable[[Sequence[str]], bool], *, root: bool) -> None:
    """Install a Chromium: Debian's as root, else playwright's. `run` runs a command and returns whether it succeeded.

    find_browser reports what is still missing afterwards.
    """
    if root and shutil.which("apt-get"):
        run(("apt-get", "update", "-qq"))
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", DRIVERS_LIBRARY)
        if run((*install, "chromium-headless-shell")) or run((*install, "chromium")):
            return
    run((sys.executable, "-m", "playwright", "install", "chromium"))


@cache
def driver_starts() -> bool:
    """Return whether playwright's own Node starts: a small Debian lacks a library for it."""
    return _starts(sys.executable, "-m", "playwright")


@contextmanager
def open_browser() -> "Iterator[Browser]":
    """Start a headless Chromium. Raises NoBrowser."""
    from playwright.sync_api import sync_playwright

    executable = find_usable_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _starts(*program: str) -> bool:
    """Return whether a program runs: it may lack libraries, or only say how to install the real one."""
    try:
        done = subprocess.run((*program, "--version"), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _run(command: Sequence[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


def main(arguments: Sequence[str]) -> None:
    """Print the browser's path; exit with 1 and a reason if there is none."""
    try:
        try:
            print(find_usable_browser())
        except NoBrowser:
            if "--install" not in arguments:
                raise
            print("installing Chromium for the browser tests, which takes a minute …", file=sys.stderr)
            install_browser(_run, root=os.geteuid() == 0)
            driver_starts.cache_clear()
            print(find_usable_browser())
    except NoBrowser as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
