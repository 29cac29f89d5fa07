"""What the template asks AWS for is what the code counts on, and what the local cloud gives it."""

import json
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import boto3
import pytest

from chalicelib import config
from chalicelib.config import settings
from chalicelib.tables import all_tables
from infra.local.create_resources import CALLS, TWO_WEEKS
from infra.local.local_cloud import LocalCloud
from tests.infra.template.template_reader import Template, functions, of_type, references, resolved

FUNCTIONS = {
    "APIHandler": "app.app",
    "SettleNotifications": "app.settle_notifications",
    "SendOrderEmails": "app.send_order_emails",
    "NoteBounces": "app.note_bounces",
    "RunStaffJobs": "app.run_staff_jobs",
    "ReconcilePayments": "app.reconcile_payments",
    "ExportBooks": "app.export_books",
}
BEHIND = {
    "paypal-webhooks": "SettleNotifications",
    "order-emails": "SendOrderEmails",
}
CALLED_LATER = {"ses-feedback": "NoteBounces", "background-jobs": "RunStaffJobs"}
# On AWS the secret comes from SSM, by name, the roots are the system's, and Lambda itself tells a function its name.
NOT_ON_AWS = {"PAYPAL_CLIENT_SECRET", "AWS_LAMBDA_FUNCTION_NAME"}


# X-Ray knows no resources.
NAMELESS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


class Asked(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_tables_are_those_of_the_models(template: Template, aws: LocalCloud) -> None:
    dynamodb = boto3.client("dynamodb")
    described = {}
    for model in all_tables():
        name = model.Meta.table_name
        table: dict[str, Any] = {**dynamodb.describe_table(TableName=name)["Table"]}
        described[template_name(name)] = shape(table, model.TTL)
    asked = {
        table["TableName"]["Fn::Sub"]: shape(
            table, table.get("TimeToLiveSpecification", {}).get("AttributeName")
        )
        for table in of_type(template, "AWS::DynamoDB::Table").values()
    }
    assert asked == described


def test_these_indexes_and_these_expiries_are_special(template: Template) -> None:
    """Guards the test above: where models and template both lost these, it would not notice."""
    tables = of_type(template, "AWS::DynamoDB::Table")
    indexes = {
        name: {index["IndexName"] for index in table["GlobalSecondaryIndexes"]}
        for name, table in tables.items()
        if "GlobalSecondaryIndexes" in table
    }
    assert indexes == {
        "OrdersTable": {"due", "by-placed", "by-state", "open-issues"},
        "StockTable": {"by-stock-level"},
    }
    expiring = {name for name, table in tables.items() if "TimeToLiveSpecification" in table}
    assert expiring == {"CartsTable", "RateLimitsTable", "StaffSessionsTable", "BackgroundJobsTable"}
    for name in expiring:
        assert tables[name]["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}, name


def test_resources_with_data_outlive_the_stack_and_tables_can_be_restored(template: Template) -> None:
    # A bucket's policy, too: closed books stay closed.
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::S3::BucketPolicy"):
        for name in of_type(template, kind):
            resource = template["Resources"][name]
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert table["DeletionProtectionEnabled"] is True, name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["SSESpecification"] == {"SSEEnabled": True}, name


@pytest.mark.parametrize("name", BEHIND)
def test_queues_behave_as_in_the_local_cloud(template: Template, aws: LocalCloud, name: str) -> None:
    queues = {queue["QueueName"]["Fn::Sub"]: queue for queue in of_type(template, "AWS::SQS::Queue").values()}
    queue, dead = queues[f"${{TablePrefix}}{name}"], queues[f"${{TablePrefix}}{name}-dlq"]
    local, local_dead = attributes_here(name), attributes_here(f"{name}-dlq")
    assert str(queue["VisibilityTimeout"]) == local["VisibilityTimeout"]
    for there, here in ((queue, local), (dead, local_dead)):
        assert str(there["MessageRetentionPeriod"]) == here["MessageRetentionPeriod"] == str(TWO_WEEKS)
    tries = json.loads(local["RedrivePolicy"])["maxReceiveCount"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == int(tries)
    target, attribute = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
    assert (template["Resources"][target]["Properties"], attribute) == (dead, "Arn")
    assert queue["VisibilityTimeout"] >= 6 * functions(template)[BEHIND[name]]["Timeout"]


@pytest.mark.parametrize("name", CALLED_LATER)
def test_what_is_called_later_is_called_as_often_as_in_the_local_cloud(
    template: Template, aws: LocalCloud, name: str
) -> None:
    function = functions(template)[CALLED_LATER[name]]
    assert function["FunctionName"] == {"Fn::Sub": f"${{TablePrefix}}{name}"}
    tries = json.loads(attributes_here(name)["RedrivePolicy"])["maxReceiveCount"]
    assert function["EventInvokeConfig"]["MaximumRetryAttempts"] == int(tries) - 1 == CALLS - 1
    dead = template["Resources"][function["DeadLetterQueue"]["TargetArn"]["Fn::GetAtt"][0]]["Properties"]
    assert dead["QueueName"] == {"Fn::Sub": f"${{TablePrefix}}{name}-dlq"}
    assert str(dead["MessageRetentionPeriod"]) == attributes_here(f"{name}-dlq")["MessageRetentionPeriod"]
    assert {"Fn::GetAtt": function["DeadLetterQueue"]["TargetArn"]["Fn::GetAtt"]} in allowed(
        template, function["Role"]["Fn::GetAtt"][0]
    )


def test_events_of_ses_call_their_function_and_no_others_may(template: Template) -> None:
    rules = {
        name: rule
        for name, rule in of_type(template, "AWS::Events::Rule").items()
        if rule["EventPattern"]["source"] == ["aws.ses"]
    }
    assert {target["Arn"]["Fn::GetAtt"][0] for rule in rules.values() for target in rule["Targets"]} == {
        "NoteBounces"
    }
    every = of_type(template, "AWS::Lambda::Permission").values()
    permissions = [one for one in every if one["Principal"] == "events.amazonaws.com"]
    assert sorted(one["SourceArn"]["Fn::GetAtt"][0] for one in permissions) == sorted(rules)
    assert {one["FunctionName"]["Ref"] for one in permissions} == {"NoteBounces"}


@pytest.mark.parametrize("name", BEHIND)
def test_functions_behind_queues_report_which_messages_failed(template: Template, name: str) -> None:
    (event,) = functions(template)[BEHIND[name]]["Events"].values()
    source = event["Properties"]["Queue"]["Fn::Sub"].removeprefix("${").removesuffix(".Arn}")
    assert template["Resources"][source]["Properties"]["QueueName"] == {"Fn::Sub": f"${{TablePrefix}}{name}"}
    assert list(event["Properties"]["Queue"]) == ["Fn::Sub"]
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_each_function_runs_with_a_role_and_a_log_of_its_own(template: Template) -> None:
    found = functions(template)
    assert {name: function["Handler"] for name, function in found.items()} == FUNCTIONS
    roles = {name: function["Role"]["Fn::GetAtt"][0] for name, function in found.items()}
    logs = {name: function["LoggingConfig"]["LogGroup"]["Ref"] for name, function in found.items()}
    assert len(set(roles.values())) == len(set(logs.values())) == len(FUNCTIONS)
    for name in found:
        assert {"Fn::GetAtt": [logs[name], "Arn"]} in allowed(template, roles[name]), name
        assert template["Resources"][logs[name]]["Type"] == "AWS::Logs::LogGroup"


def test_no_policy_allows_everything(template: Template) -> None:
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions(template).values()]
    for role in roles:
        for statement in statements(template["Resources"][role]["Properties"]):
            assert statement["Resource"], statement["Sid"]
            assert not [action for action in statement["Action"] if "*" in action], statement["Sid"]
            if not NAMELESS.issuperset(statement["Action"]):
                assert "*" not in statement["Resource"], statement["Sid"]


@pytest.mark.parametrize(("wanted", "how"), [("yes", "Active"), ("no", "PassThrough")])
def test_functions_are_traced_where_it_is_asked_for(template: Template, wanted: str, how: str) -> None:
    for name, function in functions(template).items():
        assert resolved(function["Tracing"], {"Traces": wanted}, template["Conditions"]) == how, name
        role = template["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert [part for part in statements(role) if set(part["Action"]) == NAMELESS], name
    assert template["Parameters"]["Traces"]["Default"] == "no"


def test_no_trace_keeps_an_address_that_opens_an_order_or_an_account(template: Template) -> None:
    """API Gateway's segments in X-Ray hold whole addresses, `?token=…` too, and where a visitor is; functions' do not."""
    assert template["Resources"]["RestAPI"]["Properties"]["TracingEnabled"] is False


def test_the_template_is_ascii_which_cloudformation_hands_on_unharmed(template: Template) -> None:
    assert json.dumps(template, ensure_ascii=False).isascii()


def test_scheduled_functions_are_not_retried(template: Template) -> None:
    for name, seconds in {"ReconcilePayments": 300, "ExportBooks": 3600}.items():
        function = functions(template)[name]
        assert function["EventInvokeConfig"] == {
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": seconds,
        }
        for reserved, runs in {"yes": 1, "no": "AWS::NoValue"}.items():
            given = resolved(
                function["ReservedConcurrentExecutions"],
                {"ReserveConcurrency": reserved},
                template["Conditions"],
            )
            assert given == runs


def test_a_heap_of_messages_leaves_room_for_pages(template: Template) -> None:
    """A new account may run ten functions at once; one that may run more keeps staff's long work in bounds, too."""
    most = {
        name: next(iter(functions(template)[name]["Events"].values()))["Properties"]["ScalingConfig"]
        for name in BEHIND.values()
    }
    assert sum(scaling["MaximumConcurrency"] for scaling in most.values()) < 10
    reserved = functions(template)["RunStaffJobs"]["ReservedConcurrentExecutions"]
    assert resolved(reserved, {"ReserveConcurrency": "yes"}, template["Conditions"]) == 2


def test_a_request_ends_before_api_gateway_gives_up(template: Template) -> None:
    timeouts = {name: function["Timeout"] for name, function in functions(template).items()}
    assert timeouts.pop("APIHandler") == 29
    assert timeouts.pop("ExportBooks") == timeouts.pop("RunStaffJobs") == 900
    assert timeouts.pop("ReconcilePayments") == 280, "less than its round of five minutes"
    assert set(timeouts.values()) == {60}


def test_every_setting_reaches_the_functions(template: Template) -> None:
    filters = Asked()
    config.load_settings(filters)
    for name, function in functions(template).items():
        own = function.get("Environment", {}).get("Variables", {})
        assert {**template["Globals"]["Function"]["Environment"]["Variables"], **own}.keys() == (
            filters.names - NOT_ON_AWS
        ), name


def test_no_resource_waits_for_itself(template: Template) -> None:
    """cfn-lint does not see a circle that is closed by Globals, such as the API's own address in its function."""
    everywhere = template["Globals"]["Function"]
    waits = {
        name: set(references([resource, everywhere if name in functions(template) else {}]))
        & template["Resources"].keys()
        for name, resource in template["Resources"].items()
    }
    order = list(TopologicalSorter(waits).static_order())  # raises CycleError
    assert order.index("APIHandler") < order.index("RestAPI") < order.index("SendOrderEmails")


def test_settings_left_out_get_the_defaults_of_the_code(template: Template) -> None:
    defaults = config.load_settings({})
    parameters = {name: facts.get("Default") for name, facts in template["Parameters"].items()}
    assert parameters["Currency"] == defaults.currency
    assert parameters["Timezone"] == defaults.timezone.key
    assert parameters["DynamoDBClient"] == defaults.dynamodb_client
    assert parameters["PayPalApiUrl"] == defaults.paypal_api_url


def attributes_here(name: str) -> Any:
    """Ask the local cloud what a queue is like."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=settings.table_prefix + name)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def statements(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [part for policy in role["Policies"] for part in policy["PolicyDocument"]["Statement"]]


def allowed(template: Template, role: str) -> list[Any]:
    """List every resource that a role may touch."""
    return [
        resource
        for statement in statements(template["Resources"][role]["Properties"])
        for resource in statement["Resource"]
    ]


def template_name(name: str) -> str:
    return "${TablePrefix}" + name.removeprefix(settings.table_prefix)


def shape(table: Mapping[str, Any], expiry: str | None) -> dict[str, Any]:
    """Reduce a table, asked for or described, to its keys, indexes and expiry."""
    return {
        "attributes": {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]},
        "key": keys(table["KeySchema"]),
        "indexes": {
            index["IndexName"]: (keys(index["KeySchema"]), index["Projection"])
            for index in table.get("GlobalSecondaryIndexes", [])
        },
        "expiry": expiry,
    }


def keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {one["KeyType"]: one["AttributeName"] for one in schema}
