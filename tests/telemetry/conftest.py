"""The shop as on Lambda, as far as it tells of itself."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import telemetry
from tests.telemetry import emf

Counted = Callable[[], Counter[str]]


@pytest.fixture
def counted(setting: Any, capsys: pytest.CaptureFixture[str]) -> Counted:
    """Return a function that adds up the metrics told since it was called last."""
    telemetry.flush({})
    setting(function="awning-function")
    capsys.readouterr()
    return lambda: emf.sums(emf.read(capsys.readouterr().out))
