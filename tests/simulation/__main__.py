"""Live many days of trouble: `python -m tests.simulation`; SEEDS= (default 20), or one again with SEED=."""

import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests import conftest  # settles the environment, which chalicelib reads once
from tests.iam_policy_check import refused, watched
from tests.shop import Shop
from tests.simulation.fixtures import opened
from tests.simulation.run import SHOPPERS, Failed, Told, live

BAR = 30


def main() -> int:
    """Live each seed's day; return 1 where one failed."""
    seeds = [os.environ["SEED"]] if os.environ.get("SEED") else _fresh(int(os.environ.get("SEEDS") or 20))
    shoppers = int(os.environ.get("SHOPPERS") or SHOPPERS)
    logging.disable(logging.CRITICAL)  # faults are expected here, and the story tells them
    days, failures = [], 0
    began = time.monotonic()
    with _shops() as open_shop:
        for done, seed in enumerate(seeds):
            _draw(done, len(seeds), time.monotonic() - began)
            try:
                days.append(live(open_shop(), seed, shoppers))
                if refused:
                    raise Failed(f"seed {seed}: AWS would refuse {refused}")
            except Failed as failed:
                failures += 1
                print(f"\r\033[K{failed}\n", file=sys.stderr)
            refused.clear()
    print(_summary(days, failures, time.monotonic() - began))
    return int(failures > 0)


def _fresh(number: int) -> list[str]:
    return [secrets.token_hex(4) for _ in range(number)]


@contextmanager
def _shops() -> Iterator[Callable[[], Shop]]:
    with conftest._cloud as cloud, conftest.new_fake_paypal() as fake_paypal, watched():
        yield lambda: opened(fake_paypal.control, cloud)


def _draw(done: int, all_: int, gone: float) -> None:
    left = f", {gone / done * (all_ - done):.0f} s left" if done else ""
    full = BAR * done // all_
    end = "" if sys.stderr.isatty() else "\n"
    start = "\r\033[K" if sys.stderr.isatty() else ""
    bar = "█" * full + "░" * (BAR - full)
    print(f"{start}{bar} {done}/{all_} days, {gone:.0f} s{left}", end=end, file=sys.stderr, flush=True)


def _summary(days: list[Told], failures: int, seconds: float) -> str:
    orders, paid = sum(day.orders for day in days), sum(day.paid for day in days)
    calls, faults = sum(day.calls for day in days), sum(day.faults for day in days)
    crowded = sum(day.crowded for day in days)
    return (
        f"\r\033[K{len(days)} days were lived and nothing was lost, {failures} failed: {orders:,} orders, {paid:,} paid,"
        f" {calls:,} calls, {faults:,} of them broken and {crowded:,} made while another process was half-way, in {seconds:.0f} s."
    )


if __name__ == "__main__":
    sys.exit(main())
