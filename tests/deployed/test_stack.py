"""What CloudFormation makes of the template: the tables, queues, rules and functions that the code counts on."""

import json
from typing import Any

import boto3
import pytest

from chalicelib.config import settings
from chalicelib.tables import all_tables
from infra.local.create_resources import QUEUES, TRIES, TWO_WEEKS
from infra.local.local_cloud import LocalCloud
from tests.client import Answer
from tests.deployed.conftest import SECRET
from tests.deployed.stack import NAME, Stack

BEHIND = {
    "paypal-webhooks": ("SettleNotifications", 1),
    "order-emails": ("SendOrderEmails", 4),
}
CALLED_LATER = {"ses-feedback": "NoteBounces", "background-jobs": "RunStaffJobs"}
SCHEDULES = {"ReconcilePayments": "rate(5 minutes)", "ExportBooks": "rate(1 hour)"}


def test_everything_in_the_template_is_made(stack: Stack) -> None:
    made = {row["ResourceStatus"] for row in stack.resources.values()}
    assert made <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, stack.failures()
    assert stack.resources.keys() == stack.wanted
    assert {"APIHandler", "OrdersTable", "OrderEmailsQueue", "NeedsAttention"} <= stack.wanted


def test_without_a_webhook_id_notifications_are_answered_with_503(unnotified: Answer) -> None:
    assert unnotified.status == 503


def test_the_tables_are_those_of_the_models(stack: Stack, aws: LocalCloud) -> None:
    deployed, local = stack.region.client("dynamodb"), boto3.client("dynamodb")
    names = [table.Meta.table_name.removeprefix(settings.table_prefix) for table in all_tables()]
    made = [
        row["PhysicalResourceId"] for row in stack.resources.values() if "DynamoDB" in row["ResourceType"]
    ]
    assert sorted(made) == sorted(f"{NAME}-{name}" for name in names)
    for name in names:
        assert _shape(deployed, f"{NAME}-{name}") == _shape(local, f"{settings.table_prefix}{name}"), name


def _shape(client: Any, table: str) -> dict[str, Any]:
    described = client.describe_table(TableName=table)["Table"]
    indexes = {
        index["IndexName"]: (index["KeySchema"], index["Projection"])
        for index in described.get("GlobalSecondaryIndexes", [])
    }
    attributes = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    billing = described["BillingModeSummary"]["BillingMode"]
    return {"keys": described["KeySchema"], "attributes": attributes, "indexes": indexes, "billing": billing}


@pytest.mark.parametrize("name", BEHIND)
def test_a_queue_waits_for_its_function_five_times_and_then_keeps_the_message(
    stack: Stack, name: str
) -> None:
    queue, dead = _queue(stack, name), _queue(stack, f"{name}-dlq")
    assert int(queue["VisibilityTimeout"]) == QUEUES[name]
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": TRIES}
    assert int(dead["MessageRetentionPeriod"]) == TWO_WEEKS


def _queue(stack: Stack, name: str) -> dict[str, str]:
    sqs = stack.region.client("sqs")
    address = sqs.get_queue_url(QueueName=f"{NAME}-{name}")["QueueUrl"]
    attributes: dict[str, str] = sqs.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes


@pytest.mark.parametrize("name", BEHIND)
def test_behind_each_queue_is_its_function_which_may_fail_in_parts(stack: Stack, name: str) -> None:
    arn = _queue(stack, name)["QueueArn"]
    (mapping,) = stack.region.client("lambda").list_event_source_mappings(EventSourceArn=arn)[
        "EventSourceMappings"
    ]
    function, batch = BEHIND[name]
    assert mapping["FunctionArn"].endswith(f":{stack.name_of(function)}")
    assert (mapping["State"], mapping["BatchSize"]) == ("Enabled", batch)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("name", CALLED_LATER)
def test_what_is_called_later_has_a_queue_for_what_failed(stack: Stack, name: str) -> None:
    # How often it is called, and that its failures go there, is held by the template: the local cloud keeps neither.
    assert stack.function(CALLED_LATER[name])["FunctionName"] == f"{NAME}-{name}"
    assert int(_queue(stack, f"{name}-dlq")["MessageRetentionPeriod"]) == TWO_WEEKS


@pytest.mark.parametrize("function", SCHEDULES)
def test_a_schedule_calls_its_function(stack: Stack, function: str) -> None:
    rule = stack.schedules[stack.rule_of(function)]
    assert (rule["State"], rule["ScheduleExpression"]) == ("ENABLED", SCHEDULES[function])


def test_each_function_has_a_role_of_its_own_and_no_secret(stack: Stack) -> None:
    functions = [
        stack.function(name)
        for name, row in stack.resources.items()
        if row["ResourceType"] == "AWS::Lambda::Function"
    ]
    assert len({function["Role"] for function in functions}) == len(functions)
    told = {value for function in functions for value in function["Environment"]["Variables"].values()}
    names = {name for function in functions for name in function["Environment"]["Variables"]}
    assert "PAYPAL_CLIENT_SECRET" not in names
    assert SECRET not in told


def test_the_outputs_contain_the_shops_urls(stack: Stack) -> None:
    shop = f"https://{stack.name_of('RestAPI')}.execute-api.us-east-1.amazonaws.com/api"
    assert stack.outputs["ShopUrl"] == stack.environment["PUBLIC_URL"] == shop
    assert stack.outputs["WebhookUrl"] == f"{shop}/webhooks/paypal"
