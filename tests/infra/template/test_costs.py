"""What a shop costs in a month in which nobody comes, by AWS's list prices, without what is free."""

import re
from typing import Any

from chalicelib import telemetry
from infra.aws.package.build import PROJECT
from tests.infra.template.template_reader import Template, functions, of_type, resolved, values
from tests.infra.template.test_alarms import watched

MAX_DOLLARS = 2.00  # dollars
HOURS = 720
# Of us-east-1, in November 2026.
A_CALL, A_GB_SECOND = (
    0.20e-6,
    13.3334e-6,
)  # of Lambda on arm64; since August 2025 a cold start's seconds are billed, too
AN_SQS_REQUEST = 0.40e-6
AN_ALARMS_METRIC, A_DASHBOARD = 0.10, 3.00
A_TRACE = 5.00e-6
READ, WRITTEN, A_KMS_REQUEST = 0.125e-6, 0.625e-6, 3.00e-6
A_GB_OF_LOGS = 0.50
POLLS_PER_MINUTE = 15  # five pollers of Lambda's, each of which waits twenty seconds
# function: runs an hour, seconds of one, seconds of a cold start, and how many begin so
BY_THE_CLOCK = {"ReconcilePayments": (12, 0.3, 1.0, 1.0), "ExportBooks": (1, 1.0, 1.0, 1.0)}


def idle_month(template: Template, **given: str) -> dict[str, float]:
    """Reckon the bill, an item each; cold starts by the dearest case, in which each run is one."""
    parameters, conditions = values(template, given), template["Conditions"]
    made = functions(template)
    runs = {name: HOURS * often for name, (often, *_) in BY_THE_CLOCK.items()}
    seconds = {
        name: runs[name] * (busy + cold * share) for name, (_, busy, cold, share) in BY_THE_CLOCK.items()
    }
    polled = [
        event
        for function in made.values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]
    traced = {name for name in runs if resolved(made[name]["Tracing"], parameters, conditions) == "Active"}
    boards = [
        one
        for one in template["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Dashboard"
        and ("Condition" not in one or resolved(conditions[one["Condition"]], parameters, conditions))
    ]
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    return {
        "Lambda": sum(runs.values()) * A_CALL
        + sum(seconds[name] * made[name]["MemorySize"] / 1024 for name in runs) * A_GB_SECOND,
        "SQS": len(polled) * POLLS_PER_MINUTE * 60 * HOURS * AN_SQS_REQUEST + 4 * HOURS * AN_SQS_REQUEST,
        "alarms": AN_ALARMS_METRIC * sum(len(list(watched(alarm))) for alarm in alarms),
        "dashboards": A_DASHBOARD * len(boards),
        "X-Ray": A_TRACE * sum(runs[name] for name in traced),
        "DynamoDB": 24_000 * READ + 10_200 * WRITTEN,
        "KMS": 20_000 * A_KMS_REQUEST,
        "logs": 0.02 * A_GB_OF_LOGS,
    }


def test_an_idle_shop_costs_at_most_two_dollars_a_month(template: Template) -> None:
    bill = idle_month(template)
    assert sum(bill.values()) <= MAX_DOLLARS, bill


def test_what_costs_more_is_asked_for(template: Template) -> None:
    """Guards the test above: it sees what would be dear."""
    assert idle_month(template, Dashboards="yes")["dashboards"] == 3.00
    assert idle_month(template, Traces="yes")["X-Ray"] > 0.04
    assert idle_month(template)["dashboards"] == idle_month(template)["X-Ray"] == 0
    assert idle_month(template)["SQS"] > 0.5
    assert idle_month(template)["alarms"] >= 1


def test_what_occurs_in_each_idle_hour_is_no_metric() -> None:
    """A metric costs thirty cents where it is told in each hour of a month."""
    assert {"ColdStarts", "DynamoDBCalls"} <= telemetry.LOGGED_METRICS


def test_the_page_about_costs_says_the_same(template: Template) -> None:
    page = (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")
    told = re.search(r"^\| \*\*together\*\* \| \| \*\*([0-9.]+)\*\*", page, re.MULTILINE)
    assert told, "the table's last line but one"
    assert abs(float(told[1]) - sum(idle_month(template).values())) < 0.12, "an alarm more or less"


def test_every_function_that_runs_by_the_clock_is_in_the_bill(template: Template) -> None:
    def clocked(function: dict[str, Any]) -> bool:
        return any(event["Type"] == "Schedule" for event in function.get("Events", {}).values())

    assert {name for name, one in functions(template).items() if clocked(one)} == BY_THE_CLOCK.keys()
