"""A flash sale over HTTP: `python -m tests.load`. docs/scaling.md tells what its figures mean on AWS."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.load.run import CONCURRENCY, HOLD_MS, flash_sale
from tests.load.statistics_report import report


def main() -> int:
    """Run the command line; return 1 where a unit was sold twice, somebody was not told, or the shop failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--shoppers", type=int, default=300)
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=CONCURRENCY, help="how many buy at the same moment")
    parser.add_argument(
        "--hold-ms", type=float, default=HOLD_MS, help="how long a transaction holds its items"
    )
    choice = parser.parse_args()
    print(f"opening a shop for {choice.shoppers} shoppers …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="awning-load-") as folder:
        figures = flash_sale(Path(folder), choice.shoppers, choice.units, choice.at_once, choice.hold_ms)
    print(report(figures, choice.shoppers, choice.units))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
