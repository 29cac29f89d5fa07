"""Wait for something that another thread or process does."""

import time
from collections.abc import Callable


def eventually(happened: Callable[[], object], seconds: float = 10) -> None:
    """Return as soon as it has happened; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"It did not happen within {seconds:g} s."
        time.sleep(0.02)
