"""moto in MiniStack's place: the third lane, a second opinion on all four services by other authors.

What moto cannot do is left out by name, with the reason: docs/adr/0005-local-environment.md.
"""

import os
import sys
import urllib.request
from pathlib import Path

import pytest

from infra.local.processes import answers
from tests.cloud import Cloud

CHOSEN = os.environ.get("CLOUD") == "moto"
START_SECONDS = 60.0
OVERSELLS = "writes of several threads overtake each other there, whatever their conditions say"
LEFT_OUT = {
    "test_eight_tabs_adding_the_same_sku_lose_no_unit": OVERSELLS,
    "test_two_tabs_with_different_addresses_end_in_one_living_order": OVERSELLS,
    "test_eight_tills_sell_exactly_a_hundred_units": OVERSELLS,
}


class MotoCloud(Cloud):
    """moto's server in a child process; each test has its tables made anew."""

    keeps_tables = False

    def wait(self) -> None:
        """Wait until it answers; raise ProcessFailed."""
        self.child.wait_until(lambda: answers(f"{self.endpoint_url}/moto-api/"), START_SECONDS)

    def reset(self) -> None:
        """Empty it."""
        self.resets += 1
        request = urllib.request.Request(f"{self.endpoint_url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def _settings(self, scratch: Path) -> dict[str, str]:
        # Tests of files in parts make small ones; moto refuses what is below 5 MiB, as S3 does, and MiniStack does not.
        return super()._settings(scratch) | {"S3_UPLOAD_PART_MIN_SIZE": "1"}

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


def leave_out(items: list[pytest.Item]) -> None:
    """Skip what moto cannot do, visibly."""
    for item in items:
        for name, reason in LEFT_OUT.items():
            if name in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=f"not on moto: {reason}"))
