"""How long the first shopper of the morning waits: `python -m tests.bench.cold`. On Linux, whose /proc it reads.

The zip is packaged for this machine and unpacked, as Lambda does before anything runs. Each measurement is a fresh
process beneath Lambda's own runtime client, from its spawn to its first answer, beside two floors that take their turns
in the same rounds: a handler that does nothing, and one that has nothing but the package's botocore, makes a DynamoDB
client and reads one item. DynamoDB is the local cloud. Exits 1 where a goal is clearly missed.
"""

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from infra.aws.package import PROJECT, package
from infra.aws.zipping import CODE, MOST_BYTES
from infra.local.cloud import LocalCloud
from tests.bench.lambda_runtime import ColdStart, cold_start, install_client

ROUNDS = 15
MOST_TIMES = 1.5  # of botocore alone
CLEARLY = 1.1  # a busy machine is not a slow shop
MOST_MEMORY = 80_000_000
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
from chalicelib.storage import get


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
        return _report(samples, (built / CODE).stat().st_size)


@contextmanager
def _stocked() -> Iterator[dict[str, str]]:
    """Run a local cloud with the demo catalog; yield the environment of a function there."""
    with LocalCloud() as cloud:
        environment = cloud.environment | SHOP
        os.environ.update(environment)
        # Imported here: chalicelib reads the environment once, when it is imported.
        from infra.local.demo.catalog import load_demo_catalog
        from infra.local.setup import make_shop_aws

        make_shop_aws()
        load_demo_catalog()
        yield environment


def _measure(code: Path, client: Path, environment: Mapping[str, str]) -> dict[Start, list[ColdStart]]:
    samples: dict[Start, list[ColdStart]] = {start: [] for start in STARTS}
    print(f"{ROUNDS} rounds of {len(STARTS)} cold starts …", file=sys.stderr, flush=True)
    for turn in range(-1, ROUNDS):  # the first finds the files on the disk, and is not counted
        for start in STARTS:
            sample = cold_start(start.handler, code, client, environment, start.event)
            if sample.answer.get("statusCode") != 200:
                raise RuntimeError(f"{start.name}: {sample.answer}")
            if turn >= 0:
                samples[start].append(sample)
    return samples


def _report(samples: Mapping[Start, list[ColdStart]], size: int) -> int:
    print("A cold start, from the spawn of a process to its first answer (medians)\n")
    print(f"{'':46}  init ms  answer ms  whole ms  × botocore  CPU ms  × botocore  peak MB")
    for start, taken in samples.items():
        print(
            f"{start.name:46}  {median(one.init for one in taken):7.0f}  {median(one.first for one in taken):9.1f}"
            f"  {median(one.whole for one in taken):8.0f}"
            f"  {_times([one.whole for one in taken], [one.whole for one in samples[FLOOR]]):10.2f}"
            f"  {median(one.cpu for one in taken):6.0f}"
            f"  {_times([one.cpu for one in taken], [one.cpu for one in samples[FLOOR]]):10.2f}"
            f"  {max(one.peak for one in taken) / 1e6:7.1f}"
        )
    times = _times([one.whole for one in samples[WHOLE]], [one.whole for one in samples[FLOOR]])
    peak = max(one.peak for one in samples[WHOLE])
    print(f"\n{CODE}: {size:,} bytes, at most {MOST_BYTES:,} are allowed")
    print(f"whole cold start: {times:.2f} times botocore's, at most {MOST_TIMES} is the goal")
    print(
        f"peak memory after the first page: {peak / 1e6:.1f} MB, at most {MOST_MEMORY / 1e6:.0f} is the goal"
    )
    return int(times > MOST_TIMES * CLEARLY or peak > MOST_MEMORY)


def _times(taken: list[float], floor: list[float]) -> float:
    """Compare within each round, so that a slow moment of the machine touches both."""
    return median(one / other for one, other in zip(taken, floor, strict=True))


if __name__ == "__main__":
    sys.exit(main())
