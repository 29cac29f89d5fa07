"""How many instructions the shop runs for an operation: `python -m tests.benchmarks --instructions`. Needs valgrind.

Times of a shared machine differ by a factor from minute to minute; instructions hardly differ at all. callgrind counts
those of this process alone while one function of Python's own is at work, which nothing but the measured calls uses.
What PayPal's client runs is counted apart, in rounds of its own, and subtracted.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.benchmarks.environment import surroundings

if TYPE_CHECKING:
    from tests.benchmarks.operations import Bench

WARM_UP, ROUNDS = 2, 3
MARK = "PyRun_StringFlags"  # what eval("…") calls
FLOOR = "floor: one GetItem through botocore"
PAYPAL = ", PayPal's part"
# At most so many times the floor, without the calls of PayPal; the first page's own goals are the cold start's.
GOALS = {
    "add to cart, the third line": 0.9,
    "cart page": 1.3,
    "place an order": 2.6,
    "return: capture and settle": None,
    "order page": 1.2,
}
CALLS_PAYPAL = ("place an order", "return: capture and settle")  # once, in what is measured
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)
_PART = re.compile(r"^part: (\d+)$", re.MULTILINE)


def main() -> int:
    """Run the shop under callgrind, print the table, return 1 where a goal is missed."""
    if not shutil.which("valgrind"):
        print("Instructions are counted by valgrind, which is not installed.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="awning-instructions-") as scratch:
        counted, told = Path(scratch, "counted"), Path(scratch, "told")
        callgrind = [f"--toggle-collect={MARK}", f"--dump-after={MARK}", f"--callgrind-out-file={counted}"]
        measured = [sys.executable, "-m", "tests.benchmarks.instructions", str(told)]
        command = ["valgrind", "--quiet", "--tool=callgrind", *callgrind, *measured]
        subprocess.run(command, check=True)
        calls = json.loads(told.read_text("utf-8"))
        return report(calls, _counts(counted, len(calls)))


def _counts(file: Path, number: int) -> list[int]:
    """Read the last counts, in the order of the calls: what was imported before is counted, too."""
    texts = [dump.read_text("utf-8") for dump in file.parent.glob(f"{file.name}.*")]
    parts = {}
    for text in texts:
        part, totals = _PART.search(text), _TOTALS.search(text)
        if part and totals and f"--dump-after={MARK}" in text:
            parts[int(part[1])] = int(totals[1])
    return [parts[part] for part in sorted(parts)][-number:]


def report(calls: Sequence[str | None], counts: Sequence[int]) -> int:
    """Print the medians and what they are of the floor's; return the exit status."""
    found: dict[str, list[int]] = {}
    for name, count in zip(calls, counts, strict=True):
        if name is not None:
            found.setdefault(name, []).append(count)
    floor, missed = median(found[FLOOR]), 0
    print(
        f"{'operation, without PayPal':40} {'million instructions':>20}  {'× floor':>8}  {'goal':>5}  {'PayPal, × floor':>15}"
    )
    for name, taken in found.items():
        if name.endswith(PAYPAL):
            continue
        paypal = median(found.get(name + PAYPAL, [0]))
        own = median(taken) - paypal
        times, goal = own / floor, GOALS.get(name)
        missed += goal is not None and times > goal
        beside = f"{paypal / floor:.2f}" if paypal else ""
        print(f"{name:40} {own / 1e6:20.2f}  {times:8.2f}  {goal or '':>5}  {beside:>15}")
    return int(missed > 0)


def measure(told: Path) -> None:
    """Run the stories in a shop of this process; write which operation each counted call was the last of."""
    with surroundings() as paypal:
        # Imported here: chalicelib reads the environment once, when it is imported.
        from chalicelib.config import settings
        from chalicelib.payments.paypal.api_client import Client
        from tests.benchmarks.capacity_units import Units
        from tests.benchmarks.operations import OPERATIONS, Bench, get_item
        from tests.benchmarks.timing import Stopwatch

        # callgrind is some fifty times slower: else what a process keeps for seconds would be read in each round.
        object.__setattr__(settings.shop, "page_seconds", 86_400)
        calls: list[str | None] = []

        def count(function: Callable[..., Any], *arguments: Any) -> Any:
            calls.append(None)
            return eval("function(*arguments)", {}, {"function": function, "arguments": arguments})  # noqa: S307 - the mark that callgrind counts by

        class Counted(Stopwatch):
            def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
                return count(function, *arguments)

        @contextmanager
        def only_paypal() -> Iterator[None]:
            send = Client.send

            def counted_send(client: Client, *arguments: Any) -> Any:
                return count(send, client, *arguments)

            def call(watch: Counted, function: Callable[..., Any], *arguments: Any) -> Any:
                return function(*arguments)

            with mock.patch.object(Client, "send", counted_send), mock.patch.object(Counted, "call", call):
                yield

        bench = Bench.opened(paypal, Counted(Counter(), Units(), Counter()))
        stories = {operation.name: operation.tell for operation in OPERATIONS if operation.name in GOALS}
        stories["floor: one GetItem"] = get_item
        stories[FLOOR] = _get_item_through_botocore
        for turn in range(-WARM_UP, ROUNDS):
            paypal.reset()
            for name, tell in stories.items():
                tell(bench)
                if turn >= 0:
                    calls[-1] = name
            for name in CALLS_PAYPAL:
                with only_paypal():
                    stories[name](bench)
                if turn >= 0:
                    calls[-1] = name + PAYPAL
    told.write_text(json.dumps(calls), encoding="utf-8")


def _get_item_through_botocore(bench: "Bench") -> None:
    from chalicelib.config import settings
    from chalicelib.database.connection import Table, connect
    from tests.benchmarks.operations import get_item

    global _botocore
    ours, choice = Table._shared, settings.dynamodb_client
    try:
        if _botocore is None:
            object.__setattr__(settings, "dynamodb_client", "botocore")
            _botocore = connect()
        Table._shared = _botocore
        get_item(bench)
    finally:
        object.__setattr__(settings, "dynamodb_client", choice)
        Table._shared = ours


_botocore: Any = None

if __name__ == "__main__":
    measure(Path(sys.argv[1]))
