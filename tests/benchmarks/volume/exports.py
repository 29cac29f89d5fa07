"""How long exports of orders take, and how much memory: `python -m tests.benchmarks.volume.exports`. It takes some minutes;
with `small`, one.

One local cloud is stocked with each size of shop in turn, more orders coming to those that are there. Of each, finance
asks for the file on the page, in one process, and the function behind the queue makes it, in another: as on AWS, and so
that what hashing a password takes is not counted as the job's. Every file is read again and must have exactly the
orders that were asked for. Beside the job is its floor, of the same run: the same pages parsed by json, the same rows
written by csv (tests/benchmarks/volume/floor.py). Exits 1 where a file is wrong, or a promise below is broken.

The local cloud holds the orders and everything else. Only the pages of the two indexes that an export walks are answered
by tests/benchmarks/volume/index_emulation.py: the local cloud looks at each row of a partition for every page of it, some seconds at this
size, where DynamoDB begins at the key it is given.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from infra.local.local_cloud import LocalCloud
from tests.benchmarks.server import served

SIZES = (10_000, 100_000)  # orders in the state and days that are asked for
SMALL_SIZES = (2_000, 10_000)
MAX_MEMORY = 1.3  # times, of the larger shop as of the smaller
MAX_SECONDS = 900  # Lambda ends a function then
MAX_PAGE_CALLS = 8
MIN_OF_FLOOR = 0.15  # half of it is the goal
SHOP = {"TABLE_PREFIX": "bench-", "TIMEZONE": "UTC", "PUBLIC_URL": "http://127.0.0.1:8000"}
BEGINNING = 2 * 24 * 60  # the minute, of one order each, that the asked days begin with
EVERY = 4  # one minute in four has a paid order
ANNS = 10  # one paid order in ten is Ann Lee's
TEXT = {"q": "lee ann"}
HEAD = "orders  asked for           page calls  page ms     job s   CPU s    rows  file MB  parts  peak MB  above start MB  rows a CPU s  the floor's  of the floor  DynamoDB"


def main(sizes: Sequence[int] = SIZES) -> int:
    """Measure all sizes and print a table; return the exit status."""
    print("Exports of orders: the page that is asked, and the job that makes the file\n")
    print(HEAD)
    taken: dict[str, list[dict[str, Any]]] = {"state, days": [], "state, days, text": []}
    with (
        LocalCloud() as cloud,
        served("tests.benchmarks.volume.index_emulation", cloud.endpoint_url) as address,
    ):
        environment = os.environ | cloud.environment | SHOP | {"AWS_ENDPOINT_URL_DYNAMODB": address}
        for before, size in zip((0, *sizes), sizes, strict=False):
            _child(environment, "stock", before, size)
            for name, samples in taken.items():
                text = name.endswith("text")
                page = _child(environment, "ask", size, text)
                samples.append(page | _child(environment, "work", size, text, page["job"]))
                _print_row(size, name, samples[-1])
    print()
    broken = [
        promise
        for name, samples in taken.items()
        for promise in _broken(name, samples, sizes[-1] // sizes[0])
    ]
    for promise in broken:
        print(f"broken: {promise}")
    return bool(broken)


def _child(environment: Mapping[str, str], *arguments: object) -> dict[str, Any]:
    # A child's peak of memory begins with its parent's: this process imports nothing of the shop and stays small.
    command = [sys.executable, "-m", "tests.benchmarks.volume.exports", *map(str, map(_number, arguments))]
    answer: dict[str, Any] = json.loads(subprocess.check_output(command, env=environment))
    return answer


def _number(argument: object) -> object:
    return int(argument) if isinstance(argument, bool) else argument


def _print_row(size: int, name: str, taken: Mapping[str, Any]) -> None:
    calls = ", ".join(f"{count:,} {operation}" for operation, count in sorted(taken["calls"].items()))
    print(
        f"{size:7,} {name:18} {taken['page_calls']:12} {taken['page_ms']:8.0f} {taken['wall']:9.1f}"
        f" {taken['cpu']:7.1f} {taken['rows']:7,} {taken['bytes'] / 1e6:8.1f} {taken['parts']:6}"
        f" {taken['peak'] / 1e6:8.1f} {(taken['peak'] - taken['start']) / 1e6:15.1f}"
        f" {size / taken['cpu']:13,.0f} {size / taken['floor']:12,.0f} {taken['floor'] / taken['cpu']:13.2f}  {calls}",
        flush=True,
    )


def _broken(name: str, samples: list[dict[str, Any]], growth: int) -> Iterator[str]:
    """Print how the largest compares with the smallest; tell which promises do not hold."""
    small, large = samples[0], samples[-1]
    times = {key: large[key] / small[key] for key in ("wall", "cpu", "peak")}
    calls = sum(large["calls"].values()) / sum(small["calls"].values())
    print(
        f"{name}: {growth} times the orders are {times['cpu']:.1f} times the CPU,"
        f" {times['wall']:.1f} times the time, {calls:.1f} times the calls, {times['peak']:.2f} times the memory"
    )
    if not all(sample["right"] for sample in samples):
        yield f"{name}: a file has other orders than were asked for"
    if times["peak"] > MAX_MEMORY:
        yield f"{name}: {times['peak']:.2f} times the memory, at most {MAX_MEMORY} is allowed"
    if large["wall"] > MAX_SECONDS:
        yield f"{name}: the job took {large['wall']:.0f} s, and has {MAX_SECONDS}"
    # Of what the larger takes more: each process begins with some tenths of a second that no order makes longer.
    share = (large["floor"] - small["floor"]) / (large["cpu"] - small["cpu"])
    print(f"{name}: each order more is {share:.2f} as fast as its floor, at least {MIN_OF_FLOOR} is promised")
    if share < MIN_OF_FLOOR:
        yield f"{name}: {share:.2f} of the floor, at least {MIN_OF_FLOOR} is promised"
    if calls > growth:
        yield f"{name}: calls grow faster than orders"
    if any(sample["page_calls"] > MAX_PAGE_CALLS for sample in samples):
        yield f"{name}: the page makes more than {MAX_PAGE_CALLS} calls"
    if any("Scan" in sample["calls"] or sample["page_scans"] for sample in samples):
        yield f"{name}: a Scan"


# -- in processes of their own ----------------------------------------------------------------------------


def stock(first: int, last: int) -> dict[str, Any]:
    """Write the paid orders from one to another, and beside them some that no export must have."""
    from infra.local.create_resources import make_shop_aws
    from tests.orders.bulk_orders import stock_orders
    from tests.staff.staff_client import member

    if first == 0:
        make_shop_aws()
        member("finance")
        stock_orders(range(0, BEGINNING, EVERY), name="Ann Lee")  # paid on days before
    anns = set(_paid(first, last)[::ANNS])
    stock_orders(anns, name="Ann Lee", email="ann@shop.example")
    # The job reads no words of what it compares: these would only take time.
    stock_orders((number for number in _paid(first, last) if number not in anns), found_every=10**9)
    stock_orders((number + 1 for number in anns), name="Ann Lee", found_every=10**9)  # of another state
    return {}


def ask(size: int, text: int) -> dict[str, Any]:
    """Ask for the file as finance does; tell which job makes it, and what the page took."""
    from app import app
    from infra.local.api_gateway import Gateway
    from tests.call_counter import counted_calls
    from tests.orders.bulk_orders import placed_moment
    from tests.staff.staff_client import logged_in

    visitor = logged_in(Gateway(app), "finance")
    days = {name: placed_moment(_paid(0, size)[index]).date() for name, index in (("day", 0), ("until", -1))}
    question: dict[str, str | date] = {"state": "paid", **days, **(TEXT if text else {})}
    with counted_calls() as calls:
        begun = time.perf_counter()
        answer = visitor.get("/staff/orders/csv?" + urlencode(question))
        took = time.perf_counter() - begun
    folder, _, job = answer.location.rpartition("/")
    if folder != "/staff/jobs":
        raise RuntimeError(f"the page leads to {answer.location}")
    return {"job": job, "page_ms": took * 1000, "page_calls": calls.total(), "page_scans": calls["Scan"]}


def work(size: int, text: int, job_id: str) -> dict[str, Any]:
    """Run the function behind the queue; tell what it took, in bytes and seconds, and what it made."""
    from app import app
    from chalicelib.aws import client
    from chalicelib.staff.models import Job
    from infra.local.event_functions import Functions
    from tests.call_counter import counted_calls

    functions, parts = Functions(app, client("sqs"), prefix=SHOP["TABLE_PREFIX"]), Counter[str]()
    client("s3").meta.events.register("before-call.s3.UploadPart", lambda **_: parts.update(["part"]))
    with counted_calls() as calls:
        start, cpu, wall = _peak_bytes(), time.process_time(), time.perf_counter()
        functions.drain("background-jobs")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        result: dict[str, Any] = {"start": start, "peak": _peak_bytes(), "cpu": cpu, "wall": wall}
    short = {name.removesuffix("Item"): count for name, count in calls.items()}
    result |= {"calls": short, "parts": parts["part"], "floor": _floor(size, text)}
    return result | _file_of(Job.get(job_id), _paid(0, size)[:: ANNS if text else 1])


def _floor(size: int, text: int) -> float:
    """Return the CPU seconds of the job's floor."""
    from chalicelib.database.reads import batch_get_items
    from chalicelib.orders.models import Order
    from chalicelib.orders.views.order_record import OrderRecord
    from chalicelib.staff.orders.csv_export import row_of
    from tests.benchmarks.volume.floor import Floor
    from tests.orders.bulk_orders import order_id

    floor, numbers = Floor(), _paid(0, size)
    for start in range(0, size, 100):
        orders = batch_get_items(Order, map(order_id, numbers[start : start + 100]))
        floor.parse({"Responses": {"orders": list(orders.values())}})
        records = list(map(OrderRecord, orders.values()))
        floor.write(map(row_of, records[:: ANNS if text else 1]))
    return floor.cpu


def _file_of(job: Any, wanted: Iterable[int]) -> dict[str, Any]:
    """Read the file that a job made, and hold its orders against those that were wanted: newest first, each once."""
    import csv

    from chalicelib.aws import client
    from chalicelib.config import settings

    body = client("s3").get_object(Bucket=settings.books_bucket, Key=job.result_key)["Body"].read()
    numbers = [row["order_number"] for row in csv.DictReader(body.decode("utf-8-sig").splitlines())]
    expected = [f"00000-{number:05d}" for number in reversed(list(wanted))]
    return {"bytes": len(body), "rows": len(numbers), "right": numbers == expected}


def _paid(first: int, last: int) -> range:
    """Return the numbers of the paid orders, from one to another."""
    return range(BEGINNING + EVERY * first, BEGINNING + EVERY * last, EVERY)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes


if __name__ == "__main__":
    if sys.argv[1:] == ["small"]:
        sys.exit(main(SMALL_SIZES))
    elif sys.argv[1:]:
        name, first, second, *rest = sys.argv[1:]
        chosen: Any = {"stock": stock, "ask": ask, "work": work}[name]
        print(json.dumps(chosen(int(first), int(second), *rest)))
    else:
        sys.exit(main())
