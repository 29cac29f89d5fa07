"""What the measured operations cost on AWS, from list prices; each line shows what it is made of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median

from tests.benchmarks.operations import Operation
from tests.benchmarks.timing import Sample

# US dollars, eu-central-1, as we know AWS's list of November 2026, without the free tier.
WHERE = "eu-central-1, list prices of November 2026, no free tier"
READ, WRITE = 0.1525 / 1e6, 0.7625 / 1e6  # DynamoDB on demand, a unit
CALL, GB_SECOND = 0.20 / 1e6, 0.0000133334  # Lambda on arm64
REQUEST = 3.70 / 1e6  # API Gateway, a REST API
BYTE = 0.09 / 1e9  # out of AWS
ELSEWHERE = {"SQS": 0.40 / 1e6 * 3, "SES": 0.10 / 1e3, "PayPal": 0.0}  # a message is sent, received, deleted
# Nobody measured a wait on AWS here; these milliseconds are assumed, and the CPU is this machine's.
WAITS = {"DynamoDB": 5, "SQS": 15, "SES": 50, "PayPal": 600}
CORE_GB = 1769 / 1024  # with so much memory a function has a core; with less, that share of one
PAGE_GB, WORKER_GB = CORE_GB, 512 / 1024
WORKERS = {"settle a notification, nothing new", "send a mail"}
# One order of three lines, paid at once and shipped: how often each operation happens for it. PayPal notifies of approval
# and capture; the customer is told that it is paid and that it is shipped, the merchant that it is paid.
ORDER = {
    "add to cart, the first line": 1,
    "add to cart, the third line": 2,
    "cart page": 2,
    "checkout form": 1,
    "place an order": 1,
    "return: capture and settle": 1,
    "order page": 2,
    "webhook: verify and enqueue": 2,
    "settle a notification, nothing new": 2,
    "send a mail": 3,
}
VIEWS = {"shop": 0.20, "category": 0.30, "product": 0.50}  # which pages a million views are of


@dataclass(frozen=True)
class Cost:
    """Dollars of one operation, or of many."""

    dynamodb: float = 0.0
    function: float = 0.0
    gateway: float = 0.0
    transfer: float = 0.0
    elsewhere: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __mul__(self, times: float) -> "Cost":
        return Cost(*(getattr(self, one.name) * times for one in fields(self)))

    @property
    def total(self) -> float:
        """Everything."""
        return float(sum(getattr(self, one.name) for one in fields(self)))


def cost_of(name: str, taken: Sequence[Sample]) -> Cost:
    """Price one operation by the medians of its samples."""
    sample = taken[-1]
    is_worker = name in WORKERS
    memory = WORKER_GB if is_worker else PAGE_GB
    waits = {"DynamoDB": sample.dynamodb.total(), **sample.elsewhere}
    waiting = sum(WAITS[whom] * times for whom, times in waits.items())
    working = median(one.cpu for one in taken) * CORE_GB / memory
    billed = math.ceil(working + waiting)  # whole milliseconds
    return Cost(
        dynamodb=median(one.read for one in taken) * READ + median(one.write for one in taken) * WRITE,
        function=CALL + billed / 1000 * memory * GB_SECOND,
        gateway=0.0 if is_worker else REQUEST,
        transfer=0.0 if is_worker else median(one.size for one in taken) * BYTE,
        elsewhere=sum(ELSEWHERE[whom] * times for whom, times in sample.elsewhere.items()),
    )


def print_costs(samples: Mapping[Operation, Sequence[Sample]]) -> None:
    """Print what a thousand orders and a million page views cost, if everything for them was measured."""
    costs = {operation.name: cost_of(operation.name, taken) for operation, taken in samples.items()}
    if not ORDER.keys() <= costs.keys():
        return
    order = Cost()
    for name, times in ORDER.items():
        order += costs[name] * times
    print(f"\nWhat it costs in US dollars ({WHERE})\n")
    print(f"{'':40}   DynamoDB     Lambda    API GW   transfer   SQS, SES      total")
    _print_cost("1,000 orders of three lines", order * 1000)
    for kind in ("warm", "cold"):
        views = Cost()
        for page, share in VIEWS.items():
            views += costs[f"{page} page, {kind}"] * share
        _print_cost(f"1,000,000 page views, {kind}", views * 1_000_000)
    print("\nof the thousand orders:\n")
    for name, times in ORDER.items():
        _print_cost(f"  {times} × {name}", costs[name] * (times * 1000))


def _print_cost(name: str, cost: Cost) -> None:
    parts = "".join(f"{getattr(cost, one.name):11.4f}" for one in fields(cost))
    print(f"{name:40}{parts}{cost.total:11.4f}")
