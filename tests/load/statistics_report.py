"""What a sale's answers come to: rates and times, and how they are printed."""

from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Any

from tests.load.http_connection import Sample

PLACED = ("place order", 303)
PAID = ("come back, pay", 303)


def rates(samples: Sequence[Sample]) -> dict[str, Any]:
    """Count requests, and orders placed and paid, a second: from the first request of the rush to the last answer."""
    rush = [sample for sample in samples if sample.what != "product page"]
    seconds = _span(rush)
    placed = [sample for sample in rush if (sample.what, sample.status) == PLACED]
    return {
        "requests": len(samples),
        "seconds": seconds,
        "requests_a_second": len(rush) / seconds,
        "placed_a_second": len(placed) / _span([*placed, min(rush, key=_begun)]) if placed else 0.0,
    }


def times(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Return for each kind of request how many there were, and the median and 95th percentile in milliseconds."""
    found: dict[str, dict[str, float]] = {}
    for what in sorted({sample.what for sample in samples}):
        taken = [sample.seconds * 1000 for sample in samples if sample.what == what]
        cuts = quantiles(taken, n=20, method="inclusive") if len(taken) > 1 else taken * 19
        found[what] = {"requests": len(taken), "p50": cuts[9], "p95": cuts[18], "longest": max(taken)}
    return found


def report(figures: Mapping[str, Any], shoppers: int, quantity: int) -> str:
    """Write the figures for people."""
    lines = [
        f"{shoppers} shoppers, {quantity} units: "
        + ", ".join(f"{many} {ending}" for ending, many in sorted(figures["endings"].items())),
        f"{figures['requests']} requests; the rush took {figures['seconds']:.1f} s, "
        f"{figures['requests_a_second']:.0f} requests and {figures['placed_a_second']:.1f} orders a second",
        f"{figures['orders']} orders; {figures['statuses'].get('409', 0)} refusals in words (409), "
        f"{figures['conflicts']} conflicts at the table, tried again",
        f"{'':16}{'requests':>9}{'p50 ms':>9}{'p95 ms':>9}{'longest':>9}",
        *(
            f"{what:16}{row['requests']:9.0f}{row['p50']:9.0f}{row['p95']:9.0f}{row['longest']:9.0f}"
            for what, row in figures["times"].items()
        ),
        *(f"broken: {fault}" for fault in figures["faults"]),
    ]
    return "\n".join(lines)


def _begun(sample: Sample) -> float:
    return sample.at - sample.seconds


def _span(samples: Sequence[Sample]) -> float:
    return max(sample.at for sample in samples) - min(map(_begun, samples))
