"""A clock that can be moved."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib import clock


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass: `wait(11)` seconds."""
    passed = timedelta()
    real = clock.now

    def move(seconds: float) -> None:
        nonlocal passed
        passed += timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "now", lambda: real() + passed)
    return move
