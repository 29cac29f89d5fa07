"""Find and open the browser that walks the shop: CHROME_PATH, else Debian's, else playwright's own."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The first is Chromium without a window at all: the same pages for two thirds of the work.
INSTALLED = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# It must start as root and in containers, and ask nobody outside this machine anything.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowser(Exception):
    """Say in one line that there is no browser, and how to install one."""


def find_browser(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the executable of a Chromium; raise NoBrowser."""
    chosen = environment.get("CHROME_PATH")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise NoBrowser(f"CHROME_PATH names no program: {chosen}")
        return Path(chosen)
    for name in INSTALLED:
        found = shutil.which(name, path=environment.get("PATH"))
        if found:
            return Path(found)
    own = _playwrights_own()
    if own.exists():
        return own
    raise NoBrowser(
        "The browser tests need Chromium: apt-get install chromium (as root),"
        " or .venv/bin/playwright install chromium, or CHROME_PATH=/path/to/chrome"
    )


@contextmanager
def open_browser() -> "Iterator[Browser]":
    """Open a Chromium without a screen; raise NoBrowser."""
    from playwright.sync_api import sync_playwright

    executable = find_browser()
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


if __name__ == "__main__":
    try:
        print(find_browser())
    except NoBrowser as error:
        sys.exit(str(error))
