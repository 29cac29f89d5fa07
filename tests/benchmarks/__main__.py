"""How fast the shop is: `python -m tests.benchmarks`. docs/performance.md tells how it measures and what the numbers mean."""

import argparse
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from infra.local.local_cloud import ProcessFailed
from tests.benchmarks import instructions
from tests.benchmarks.environment import surroundings

if TYPE_CHECKING:
    from infra.local.fake_paypal import Control

APART = (
    ("tests.benchmarks.volume.report_memory",),
    ("tests.benchmarks.volume.exports", "small"),
    ("tests.benchmarks.volume.catalog_size",),
    ("tests.benchmarks.cold_start.cold_start",),
)
WARM_UP = 3  # rounds that are not counted: clients, templates, tokens and certificates are made in them


def main() -> int:
    """Run the command line; return 1 where a promise about calls or memory is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=_count, default=30, help="how often each operation is measured")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORDS", help="measure operations named so"
    )
    parser.add_argument(
        "--books",
        action=argparse.BooleanOptionalAction,
        help="measure books, exports, a large catalog and cold starts too; default: unless --only is given",
    )
    parser.add_argument(
        "--exports", action="store_true", help="measure nothing but exports of 100,000 orders: some minutes"
    )
    parser.add_argument("--cold", action="store_true", help="measure nothing but cold starts of the package")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions instead of times; needs valgrind"
    )
    choice = parser.parse_args()
    if choice.instructions:
        return instructions.main()
    if choice.exports:
        return _measure_apart("tests.benchmarks.volume.exports")
    if choice.cold:
        return _measure_apart("tests.benchmarks.cold_start.cold_start")
    books = not choice.only if choice.books is None else choice.books
    try:
        with surroundings() as paypal:
            broken = _measure(paypal, choice.rounds, choice.only, parser.error)
    except ProcessFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for promise in broken:
        print(f"broken: {promise}")
    if not books:
        return bool(broken)
    apart = 0
    for module, *arguments in APART:
        print(flush=True)
        apart |= _measure_apart(module, *arguments)
    return apart or bool(broken)


def _measure(
    paypal: "Control", rounds: int, only: Sequence[str], refuse: Callable[[str], object]
) -> list[str]:
    # Imported here: chalicelib reads the environment once, when it is imported.
    from infra.commands.import_catalog import progress_bar
    from tests.benchmarks.costs import print_costs
    from tests.benchmarks.operations import FLOOR, OPERATIONS, Bench, Operation
    from tests.benchmarks.table import broken_promises, print_table
    from tests.benchmarks.timing import Sample, stopwatch

    chosen = [op for op in OPERATIONS if not only or op is FLOOR or any(word in op.name for word in only)]
    if len(chosen) == 1 and only:
        refuse("there is no such operation; there are: " + "; ".join(op.name for op in OPERATIONS))
    samples: dict[Operation, list[Sample]] = {operation: [] for operation in chosen}
    draw = progress_bar(sys.stderr)
    with stopwatch() as watch:
        bench = Bench.opened(paypal, watch)
        print(f"measuring {len(chosen)} operations, {rounds} rounds …", file=sys.stderr, flush=True)
        for turn in range(-WARM_UP, rounds):
            paypal.reset()
            # Shuffled, so that none always comes after the same other one.
            for operation in random.Random(turn).sample(chosen, len(chosen)):
                operation.tell(bench)
                if turn >= 0 and watch.last is not None:
                    samples[operation].append(watch.last)
            if draw:
                draw(turn + WARM_UP + 1, rounds + WARM_UP)
    print_table(samples)
    print_costs(samples)
    return broken_promises(samples)


def _measure_apart(module: str, *arguments: str) -> int:
    # A process of its own: its children's peak of memory begins with their parent's, and this one has grown.
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
