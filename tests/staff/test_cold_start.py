"""What a shopper's first request does not wait for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAFF_ALONE = {
    "argon2",
    "PIL",
    "markdown_it",
    "chalicelib.staff.orders.order_list",
    "chalicelib.staff.dashboard.sales",
}


def test_no_staff_page_and_nothing_that_it_needs_is_imported_at_the_start() -> None:
    asked = f"import app, sys; print(*(set({STAFF_ALONE}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
