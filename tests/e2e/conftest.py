"""One browser for all walks, a fresh visitor with cookies of their own for each."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import browser_or_skip
from tests.e2e.shopper_browser import SECONDS, Visitor
from tests.shop import Shop

LetIn = Callable[..., Visitor]


# A package's, not the session's: while playwright runs, no other test of this process can start one of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Open the browser."""
    expect.set_options(timeout=SECONDS * 1000)
    with browser_or_skip() as browser:
        yield browser


@pytest.fixture
def let_in(chromium: Browser, shop: Shop, served: str) -> Iterator[LetIn]:
    """Let visitors in: `let_in(java_script_enabled=False)`. Nothing may go wrong in their browsers."""
    visitors: list[Visitor] = []

    def let_in(shop_url: str = served, **options: Any) -> Visitor:
        visitors.append(Visitor(chromium, shop_url, **options))
        return visitors[-1]

    yield let_in
    for visitor in visitors:
        visitor.leave()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


@pytest.fixture
def visitor(let_in: LetIn) -> Visitor:
    """Let one visitor in, at a desk."""
    return let_in()
