"""What tests do where there is no browser: they are left out, and counted in the last line of the run."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser

from infra.local.chromium import NoBrowser, find_usable_browser, open_browser

REASON = "without a browser: "


@contextmanager
def browser_or_skip() -> Iterator[Browser]:
    """Open a Chromium; skip the test where there is none."""
    try:
        find_usable_browser()
    except NoBrowser as error:
        pytest.skip(f"{REASON}{error}")
    with open_browser() as browser:
        yield browser


def left_out(skipped: Iterable[Any]) -> list[str]:
    """Return why each browser test was left out, from the reports of skipped tests."""
    reasons = (str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple))
    return [reason.partition(REASON)[2] for reason in reasons if REASON in reason]


def summary(reasons: list[str]) -> str:
    """Return how many browser tests were left out, and why."""
    number = len(reasons)
    tests = "1 browser test was" if number == 1 else f"{number} browser tests were"
    return f"{tests} left out{f': {reasons[0]}' if reasons else ''}"
