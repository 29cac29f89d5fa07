"""What wakes somebody: each alarm has a topic, words that say what to do, and something that it watches."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.queues import dead_letters
from chalicelib.telemetry import Metric
from infra.aws.package.build import PROJECT
from infra.local.create_resources import QUEUES
from infra.local.event_functions import CALLED_LATER
from tests.infra.template.template_reader import Template, functions, of_type, references, resolved, values

# Of what CloudWatch has, by its namespace; the shop's own metrics are in chalicelib/telemetry.py.
KNOWN = {
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/Lambda": {"Errors", "Invocations", "Duration", "Throttles"},
    "AWS/ApiGateway": {"5XXError"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents", "TransactionConflict"},
    "AWS/SES": {"Reputation.BounceRate", "Reputation.ComplaintRate"},
}
OWN = "Awning"


@pytest.fixture
def alarms(template: Template) -> dict[str, Any]:
    return of_type(template, "AWS::CloudWatch::Alarm")


def test_every_alarm_notifies_when_it_begins_and_ends(alarms: dict[str, Any]) -> None:
    assert len(alarms) > 8
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}], name


def test_every_alarm_says_what_to_do_in_a_few_plain_sentences(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        sentences = re.findall(r"[.!?](?:\s|$)", alarm["AlarmDescription"])
        assert 2 <= len(sentences) <= 4, name
        assert len(alarm["AlarmDescription"]) <= 400, name


def test_every_alarm_is_explained_to_operators_under_its_name(alarms: dict[str, Any]) -> None:
    text = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")
    section = text.partition("## Alarms")[2].partition("\n## ")[0]
    first = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    explained = {name for cell in first for name in re.findall(r"`([a-z-]+)`", cell)}
    assert explained == {plain_name(alarm) for alarm in alarms.values()}


def test_every_alarm_watches_a_metric_that_there_is(template: Template, alarms: dict[str, Any]) -> None:
    told = (PROJECT / "chalicelib" / "telemetry.py").read_text(encoding="utf-8")
    for name, alarm in alarms.items():
        assert list(watched(alarm)), name
        for watching in watched(alarm):
            metric, namespace = watching["MetricName"], watching["Namespace"]
            if namespace == OWN:
                assert re.search(rf'"{metric}"', told), name
            else:
                assert metric in KNOWN[namespace], name


@pytest.mark.parametrize(
    ("prefix", "shop"), [("awning-", "awning"), ("tea-shop-", "tea-shop"), ("awning", "awning")]
)
def test_the_shop_is_named_as_its_functions_name_it(
    template: Template, alarms: dict[str, Any], prefix: str, shop: str
) -> None:
    given = values(template, {"TablePrefix": prefix})
    own = [one for alarm in alarms.values() for one in watched(alarm) if one["Namespace"] == OWN]
    assert own
    for metric in own:
        assert resolved(metric["Dimensions"], given, {}) == [{"Name": "shop", "Value": shop}]
    board = dashboard(template, {"TablePrefix": prefix})
    assert f'"shop", "{shop}"' in board


def test_messages_in_any_dead_letter_queue_raise_an_alarm(template: Template) -> None:
    """They are counted each hour by a function whose own failures and silence are heard of."""
    resting = {
        queue["QueueName"]["Fn::Sub"].removeprefix("${TablePrefix}").removesuffix("-dlq")
        for queue in of_type(template, "AWS::SQS::Queue").values()
        if queue["QueueName"]["Fn::Sub"].endswith("-dlq")
    }
    assert resting == set(QUEUES) == set(dead_letters.QUEUES)
    assert Metric.DEAD_LETTERS in telemetry.ALERT_IMMEDIATELY


def test_the_combined_metrics_have_alarms(alarms: dict[str, Any]) -> None:
    names = {one["MetricName"] for alarm in alarms.values() for one in watched(alarm)}
    assert {Metric.NEEDS_ATTENTION, Metric.DEGRADED} <= names
    assert not names & (
        telemetry.ALERT_IMMEDIATELY | telemetry.ALERT_WHEN_REPEATED | telemetry.LOGGED_METRICS
    )
    assert alarms["NeedsAttention"]["Threshold"] == 1


def test_no_function_fails_unheard(template: Template, alarms: dict[str, Any]) -> None:
    """By its errors, by what rests where it gives up, or, for pages, by what API Gateway answers."""
    seen = {
        name
        for alarm in alarms.values()
        for metric in watched(alarm)
        if metric["MetricName"] == "Errors"
        for name in references(metric["Dimensions"])
    }
    queues = of_type(template, "AWS::SQS::Queue")
    redriven = {name for name, queue in queues.items() if "RedrivePolicy" in queue}
    for name, function in functions(template).items():
        rests = set(references(function.get("Events", {}))) & redriven or "DeadLetterQueue" in function
        if name == "APIHandler":
            assert "5XXError" in {one["MetricName"] for alarm in alarms.values() for one in watched(alarm)}
        else:
            assert name in seen or rests, name


def test_what_paypal_is_to_send_again_breaks_no_page(alarms: dict[str, Any]) -> None:
    watching = {one["Id"]: one for one in alarms["PagesFail"]["Metrics"]}
    assert {one["MetricName"] for one in watched(alarms["PagesFail"])} == {
        "5XXError",
        "NotificationsPostponed",
    }
    assert watching["pages"]["Expression"] == "FILL(answers, 0) - FILL(notifications, 0)"
    assert [name for name, one in watching.items() if one["ReturnData"]] == ["pages"]
    spans = {one["MetricStat"]["Period"] for one in watching.values() if "MetricStat" in one}
    assert spans == {900}


def test_missing_scheduled_runs_raise_an_alarm(alarms: dict[str, Any]) -> None:
    silent = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert silent == {"ReconcilerFails", "BooksFail"}
    assert {alarm["TreatMissingData"] for alarm in alarms.values()} == {"breaching", "notBreaching"}


def test_nobody_is_written_to_unless_an_address_is_given(template: Template) -> None:
    subscription = template["Resources"]["AlarmSubscription"]
    condition = template["Conditions"][subscription["Condition"]]
    for address, wanted in {"": False, "operator@shop.example": True}.items():
        given = values(template, {"AlarmEmail": address})
        assert resolved(condition, given, template["Conditions"]) is wanted


def test_the_dashboard_can_be_read_and_shows_every_queue(template: Template) -> None:
    board = json.loads(dashboard(template, {}))
    assert len(board["widgets"]) >= 9
    text = json.dumps(board)
    for name in QUEUES:
        assert f'"awning-{name}-dlq"' in text
    for name in QUEUES.keys() - CALLED_LATER.values():
        assert f'"awning-{name}"' in text
    assert "${" not in text


def dashboard(template: Template, given: dict[str, str]) -> str:
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    text: str = resolved(body, values(template, given), template["Conditions"])
    return text


def watched(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List the metrics that an alarm watches: one, or those of its expression."""
    if "MetricName" in alarm:
        yield alarm
    for one in alarm.get("Metrics", ()):
        if "MetricStat" in one:
            yield one["MetricStat"]["Metric"]


def plain_name(alarm: dict[str, Any]) -> str:
    name: str = alarm["AlarmName"]["Fn::Sub"]
    return name.removeprefix("${TablePrefix}")
