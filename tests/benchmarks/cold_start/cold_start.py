"""How long the first shopper of the morning waits: `python -m tests.benchmarks.cold_start.cold_start`. On Linux, whose /proc it reads.

The zip is packaged for this machine and unpacked, as Lambda does before anything runs. Each measurement is a fresh
process beneath Lambda's own runtime client, from its spawn to its first answer, beside two floors that take their turns
in the same rounds: a handler that does nothing, and one that has nothing but the package's botocore, makes a DynamoDB
client and reads one item. DynamoDB is the local cloud. Exits 1 where a goal is missed.
"""

import os
import random
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from infra.aws.package.archive import CODE, MAX_BYTES
from infra.aws.package.build import PROJECT, package
from infra.local.local_cloud import LocalCloud
from tests.benchmarks.cold_start.lambda_runtime import ColdStart, cold_start, install_client

ROUNDS = 15
MAX_RATIO = 1.0  # of botocore alone; 0.7 is wished for
CLEARLY = 1.1  # of the wall alone, which has the machine's other work in it: that is not a slow shop
MAX_MEMORY = 80_000_000
SHOP = {"TABLE_PREFIX": "bench-", "PUBLIC_URL": "https://shop.example", "TIMEZONE": "UTC"}
BARE = """
def handler(event, context):
    return {"statusCode": 200}
"""
CLIENT = """
import botocore.session

dynamodb = botocore.session.get_session().create_client("dynamodb")


def handler(event, context):
    dynamodb.get_item(TableName="bench-stock", Key={"sku": {"S": "NOTHING"}})
    return {"statusCode": 200}
"""
CALL = """
import app
from chalicelib.catalog.models import Stock
from chalicelib.database.reads import get


def handler(event, context):
    return {"statusCode": 404 if get(Stock, "NOTHING") else 200}
"""
PAGE = {
    "httpMethod": "GET",
    "path": "/",
    "headers": {"Host": "shop.example"},
    "multiValueHeaders": {"Host": ["shop.example"]},
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "body": None,
    "isBase64Encoded": False,
    "requestContext": {
        "resourcePath": "/",
        "httpMethod": "GET",
        "path": "/",
        "requestId": "1",
        "identity": {"sourceIp": "192.0.2.1"},
    },
}


@dataclass(frozen=True, eq=False)
class Start:
    """What is started cold: its name, handler, event, and its module where it is not the package's."""

    name: str
    handler: str
    event: Any
    source: str = ""


FLOOR = Start("floor: botocore's DynamoDB client, one GetItem", "floor_client.handler", {}, CLIENT)
WHOLE = Start("the shop: its first page", "app.app", PAGE)
STARTS = (
    Start("floor: a bare handler", "floor_bare.handler", {}, BARE),
    FLOOR,
    Start("the shop: its first DynamoDB call", "first_call.handler", {}, CALL),
    WHOLE,
)


def main() -> int:
    """Measure, print the table, return the exit status."""
    if not Path("/proc/self/status").exists():
        print("The cold start is measured on Linux alone.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="awning-cold-") as scratch:
        built, code, client = (Path(scratch, name) for name in ("built", "code", "client"))
        print("packaging for this machine …", file=sys.stderr, flush=True)
        package(PROJECT, "prod", built, "host")
        with zipfile.ZipFile(built / CODE) as archive:
            archive.extractall(code)
        install_client(client)
        for start in STARTS:
            if start.source:
                (code / start.handler).with_suffix(".py").write_text(start.source, encoding="utf-8")
        with _stocked() as environment:
            samples = _measure(code, client, environment)
        return report(samples, (built / CODE).stat().st_size)


@contextmanager
def _stocked() -> Iterator[dict[str, str]]:
    """Run a local cloud with the demo catalog; yield the environment of a function there."""
    with LocalCloud() as cloud:
        environment = cloud.environment | SHOP
        os.environ.update(environment)
        # Imported here: chalicelib reads the environment once, when it is imported.
        from infra.local.create_resources import make_shop_aws
        from infra.local.demo.catalog import load_demo_catalog

        make_shop_aws()
        load_demo_catalog()
        yield environment


def _measure(code: Path, client: Path, environment: Mapping[str, str]) -> dict[Start, list[ColdStart]]:
    samples: dict[Start, list[ColdStart]] = {start: [] for start in STARTS}
    print(f"{ROUNDS} rounds of {len(STARTS)} cold starts …", file=sys.stderr, flush=True)
    for turn in range(-1, ROUNDS):  # the first finds the files on the disk, and is not counted
        # Shuffled, so that none always comes after the same other one.
        for start in random.Random(turn).sample(STARTS, len(STARTS)):
            sample = cold_start(start.handler, code, client, environment, start.event)
            if sample.answer.get("statusCode") != 200:
                raise RuntimeError(f"{start.name}: {sample.answer}")
            if turn >= 0:
                samples[start].append(sample)
    return samples


@dataclass(frozen=True)
class Compared:
    """How many times its floor something takes: of all rounds' medians, of their lower quartiles, within a round.

    Within a round a slow moment of the machine touches both; low and high hold the middle half of the rounds.
    """

    of_medians: float
    of_quartiles: float
    of_rounds: float
    low: float
    high: float


def compared(taken: Sequence[float], floor: Sequence[float]) -> Compared:
    """Compare what was measured in the same rounds."""
    rounds = [one / other for one, other in zip(taken, floor, strict=True)]
    low, middle, high = quantiles(rounds, method="inclusive")
    return Compared(median(taken) / median(floor), _least(taken) / _least(floor), middle, low, high)


def _least(taken: Sequence[float]) -> float:
    """Return the lower quartile: what it takes where the machine has little else to do."""
    return quantiles(taken, method="inclusive")[0]


def report(samples: Mapping[Start, Sequence[ColdStart]], size: int) -> int:
    """Print what was measured; return the exit status: by CPU as the goal is, by wall a tenth later."""
    _print_starts(samples)
    _print_comparison(samples)
    wall, cpu = (compared(*pair).of_rounds for pair in _pairs(samples, WHOLE).values())
    peak = max(one.peak for one in samples[WHOLE])
    print(f"\n{CODE}: {size:,} bytes, at most {MAX_BYTES:,} are allowed")
    print(
        f"whole cold start: {cpu:.2f} times botocore's CPU and {wall:.2f} times its wall within a round,"
        f" at most {MAX_RATIO} is the goal"
    )
    print(
        f"peak memory after the first page: {peak / 1e6:.1f} MB, at most {MAX_MEMORY / 1e6:.0f} is the goal"
    )
    return int(cpu > MAX_RATIO or wall > MAX_RATIO * CLEARLY or peak > MAX_MEMORY)


def _print_starts(samples: Mapping[Start, Sequence[ColdStart]]) -> None:
    print("A cold start, from the spawn of a process to its first answer: medians (and lower quartiles)\n")
    print(f"{'':46}  init ms  answer ms  whole ms          CPU ms          peak MB")
    for start, taken in samples.items():
        whole, cpu = [one.whole for one in taken], [one.cpu for one in taken]
        print(
            f"{start.name:46}  {median(one.init for one in taken):7.0f}  {median(one.first for one in taken):9.1f}"
            f"  {median(whole):8.0f} {f'({_least(whole):.0f})':7}  {median(cpu):6.0f} {f'({_least(cpu):.0f})':7}"
            f"  {max(one.peak for one in taken) / 1e6:7.1f}"
        )


def _print_comparison(samples: Mapping[Start, Sequence[ColdStart]]) -> None:
    print("\nHow many times botocore's floor, three ways: by the columns above, and within each round\n")
    print(f"{'':46}  medians  lower quartiles  median of the rounds' ratios (their middle half)")
    for start in [start for start in samples if start is not FLOOR]:
        for what, pair in _pairs(samples, start).items():
            times = compared(*pair)
            print(
                f"{f'{start.name}, {what}':46}  {times.of_medians:7.2f}  {times.of_quartiles:15.2f}"
                f"  {times.of_rounds:.2f} ({times.low:.2f} to {times.high:.2f})"
            )


def _pairs(
    samples: Mapping[Start, Sequence[ColdStart]], start: Start
) -> dict[str, tuple[list[float], list[float]]]:
    taken, floor = samples[start], samples[FLOOR]
    return {
        "wall": ([one.whole for one in taken], [one.whole for one in floor]),
        "CPU": ([one.cpu for one in taken], [one.cpu for one in floor]),
    }


if __name__ == "__main__":
    sys.exit(main())
