"""Alarms and the dashboard look for metrics as they are told: CloudWatch takes other dimensions for another metric."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.config import settings
from chalicelib.telemetry import NAMESPACE, Metric
from infra.aws.package.build import PROJECT, merged
from tests.infra.template.template_reader import Template, resolved, values
from tests.infra.template.test_alarms import dashboard, watched
from tests.telemetry import emf
from tests.telemetry.conftest import Counted

Dimensions = dict[str, str]
PREFIXES = ("awning-", "tea-shop-", "awning")


@pytest.fixture(scope="module")
def template() -> Template:
    """Read our parts of the template."""
    return merged(PROJECT)


@pytest.fixture(params=PREFIXES)
def prefix(request: pytest.FixtureRequest, setting: Any) -> str:
    """Name the shop's tables."""
    setting(table_prefix=request.param)
    return str(request.param)


@pytest.fixture
def told(prefix: str, counted: Counted, capsys: pytest.CaptureFixture[str]) -> dict[str, list[Dimensions]]:
    """Emit every metric once; return under which dimensions each was emitted."""
    for metric in set(Metric) - {Metric.MONEY_SETTLED}:
        telemetry.count(metric)
    telemetry.count_money(100, settings.currency)
    telemetry.flush({})

    dimensions: dict[str, list[Dimensions]] = defaultdict(list)
    for line in emf.read(capsys.readouterr().out):
        for group in line["_aws"]["CloudWatchMetrics"]:
            for metric in group["Metrics"]:
                dimensions[metric["Name"]] += [_named(line, names) for names in group["Dimensions"]]
    return dimensions


def _named(line: dict[str, Any], names: list[str]) -> Dimensions:
    return {name: line[name] for name in names}


def test_every_metric_is_emitted(told: dict[str, list[Dimensions]]) -> None:
    assert told.keys() == set(Metric) - telemetry.LOGGED_METRICS


def test_every_alarm_watches_an_emitted_metric(
    template: Template, prefix: str, told: dict[str, list[Dimensions]]
) -> None:
    given = values(template, {"TablePrefix": prefix})
    parts = {name: resource.get("Properties", {}) for name, resource in template["Resources"].items()}
    metrics = [
        (name, one) for name, part in parts.items() for one in watched(part) if one["Namespace"] == NAMESPACE
    ]
    assert len(metrics) >= 3
    for name, metric in metrics:
        looked_for = resolved(metric["Dimensions"], given, {})
        assert {one["Name"]: one["Value"] for one in looked_for} in told[metric["MetricName"]], name


def test_the_dashboard_shows_emitted_metrics(
    template: Template, prefix: str, told: dict[str, list[Dimensions]]
) -> None:
    shown = list(_shown(dashboard(template, {"TablePrefix": prefix, "Currency": settings.currency})))
    assert {Metric.ORDERS_PLACED, Metric.PAYMENT_ERRORS, Metric.MONEY_SETTLED} <= {name for name, _ in shown}
    for name, dimensions in shown:
        assert dimensions in told[name], name


def _shown(board: str) -> Iterator[tuple[str, Dimensions]]:
    """List the shop's own metrics on a dashboard: ["Awning", "EmailsSent", "shop", "awning", {"label": …}]."""
    for widget in json.loads(board)["widgets"]:
        before: list[str] = []
        for metric in widget["properties"].get("metrics", ()):
            words = [word for word in metric if isinstance(word, str)]
            if words[0] == "...":
                words = [*before[: len(before) + 1 - len(words)], *words[1:]]
            # A dot repeats what the metric before has in its place.
            before = [before[place] if word == "." else word for place, word in enumerate(words)]
            namespace, name, *dimensions = before
            if namespace == NAMESPACE:
                yield name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))
