"""`make deploy`: the stack it makes, changes and leaves alone, in the local cloud's CloudFormation."""

import copy
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with Chalice; its types are a package of their own
from botocore.stub import ANY, Stubber

from infra.aws import aws_account, deploy, paypal_secret
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError
from infra.aws.checks import preflight, smoke_test
from infra.aws.checks.smoke_test import Outcome
from infra.aws.cloudformation import adopt_resources, artifacts, rollback, stack, stack_events
from infra.aws.cloudformation.stack import MASK, Stack, parameter
from infra.aws.deploy import DeployOptions
from infra.aws.package.build import PROJECT
from infra.aws.stage_config import Stage
from tests.infra.package import minimal_package
from tests.infra.package.minimal_package import STAGE

pytestmark = pytest.mark.cloudformation

WEBHOOK: dict[str, Any] = {"webhook_id": "WH-1"}
WELL, BROKEN = Outcome(), Outcome(failed=("home page",))
LIVE = "https://api-m.paypal.com"


class Operator:
    """Somebody who deploys small packages, and reads what is said."""

    def __init__(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.account = Account(STAGE.region)
        self.template = minimal_package.template(address)
        self.code = ""
        self.said: list[str] = []
        monkeypatch.setattr(
            deploy,
            "build",
            lambda arch, out: minimal_package.write(out, copy.deepcopy(self.template), self.code),
        )

    def deploys(self, stage: Stage = STAGE, **wishes: Any) -> bool:
        """Run a deployment; what it says is in `said`."""
        self.said = []
        return deploy.deploy(stage, DeployOptions(**wishes), self.said.append)

    def breaks(self) -> None:
        """Add what cannot be made: a policy that belongs to nobody."""
        self.template["Resources"]["Broken"] = {
            "Type": "AWS::IAM::Policy",
            "DependsOn": "OrdersTable",
            "Properties": {
                "PolicyName": "nobodys",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
            },
        }

    def adds_a_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be of a newer version, which has a table more."""
        added: dict[str, Any] = copy.deepcopy(self.template["Resources"]["OrdersTable"])
        added["Properties"]["TableName"] = {"Fn::Sub": "${TablePrefix}products"}
        self.template["Resources"]["ProductsTable"] = added
        tables = {**minimal_package.TABLES, "ProductsTable": "trial-products"}
        monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: tables)

    @property
    def stack(self) -> Stack:
        return Stack(STAGE.stack, self.account.client("cloudformation"), self.said.append)

    def has_an_alarm(self) -> None:
        """Be of a version whose broken pages are heard of."""
        self.template["Resources"]["PagesFail"] = {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": {"Fn::Sub": "${TablePrefix}pages-fail"},
                "Namespace": "AWS/ApiGateway",
                "MetricName": "5XXError",
                "Statistic": "Sum",
                "Period": 900,
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "Threshold": 3,
            },
        }

    def code_runs(self) -> str:
        """Return under which key the code lies that the function runs."""
        template = json.loads(json.dumps(yaml.safe_load(self.stack.template())))
        return str(template["Resources"]["ExportBooks"]["Properties"]["CodeUri"]["Key"])

    def says(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def operator(aws: object, served: str, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Return an operator with an account where PayPal's secret is kept."""
    monkeypatch.setattr(stack, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: minimal_package.TABLES)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: WELL if address == served else BROKEN)
    monkeypatch.setattr(deploy, "webhook_is_right", lambda *_: True)
    monkeypatch.setattr(rollback, "answers", lambda address: True)
    who = Operator(served, monkeypatch)
    paypal_secret.keep(who.account.client("ssm"), paypal_secret.DEFAULT, "s" * 80)
    return who


def is_kept(account: Account, name: str = "trial-orders") -> bool:
    return name in account.client("dynamodb").list_tables()["TableNames"]


# -- the way of a shop ------------------------------------------------------------------------------------


def test_a_first_deployment_creates_everything_and_sets_the_public_url(
    operator: Operator, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "smoke", smoke_test.smoke)
    assert operator.deploys(), operator.said

    assert operator.stack.parameters()["PublicUrl"] == served
    assert sum("made table OrdersTable" in line for line in operator.said) == 1
    assert operator.says(f"ShopUrl: {served}")
    assert operator.stack.described()["EnableTerminationProtection"]


def test_until_there_is_a_webhook_it_says_what_to_enter_at_paypal(operator: Operator, served: str) -> None:
    operator.deploys()

    assert operator.says(f"  {served}/webhooks/paypal")
    assert operator.says("  CHECKOUT.ORDER.APPROVED")
    assert operator.says("  make deploy STAGE=trial WEBHOOK_ID=…")

    operator.deploys(**WEBHOOK)

    assert operator.stack.parameters()["PayPalWebhookId"] == "WH-1"
    assert not operator.says("make deploy STAGE=trial WEBHOOK_ID=…")


def test_the_same_again_changes_nothing(operator: Operator) -> None:
    operator.deploys(**WEBHOOK)

    assert operator.deploys()

    assert operator.says("awning-trial is up to date: nothing to change.")
    assert operator.stack.parameters()["PayPalWebhookId"] == "WH-1"  # kept, though nobody named it


def test_other_code_is_uploaded_and_deployed_and_going_back_uploads_nothing(operator: Operator) -> None:
    operator.deploys(**WEBHOOK)
    bucket = f"awning-artifacts-{operator.account.number}-us-east-1"
    s3 = operator.account.client("s3")
    operator.code = "new"

    operator.deploys()

    assert operator.says("changed function ExportBooks")
    keys = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    operator.code = ""
    operator.deploys()
    assert operator.says("changed function ExportBooks")
    assert {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]} == keys
    assert len(keys) == 4


def test_the_bucket_of_packages_is_private_versioned_and_over_tls_only(operator: Operator) -> None:
    operator.deploys()
    s3, bucket = operator.account.client("s3"), f"awning-artifacts-{operator.account.number}-us-east-1"
    closed = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_a_bucket_of_packages_that_was_half_made_is_finished(operator: Operator) -> None:
    s3, bucket = operator.account.client("s3"), f"awning-artifacts-{operator.account.number}-us-east-1"
    s3.create_bucket(Bucket=bucket)
    operator.deploys()
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_an_address_in_the_stages_file_is_left_alone(operator: Operator) -> None:
    assert not operator.deploys(
        minimal_package.of_address("https://shop.example")
    )  # which is tried, and is another shop
    assert operator.stack.parameters()["PublicUrl"] == "https://shop.example"
    assert not operator.says("Setting the shop's own URL")


# -- what must not be lost --------------------------------------------------------------------------------


HARMS: list[tuple[str, Callable[[Any], object]]] = [
    (
        "table OrdersTable would be replaced",
        lambda found: found["OrdersTable"]["Properties"].update(TableName={"Fn::Sub": "${TablePrefix}x"}),
    ),
    (
        "queue OrderEmailsQueue would be replaced",
        lambda found: found["OrderEmailsQueue"]["Properties"].update(QueueName="other"),
    ),
    ("bucket BooksBucket would be removed from the stack", lambda found: found.pop("BooksBucket")),
]


def test_resources_with_data_are_not_replaced_or_removed_without_confirmation(operator: Operator) -> None:
    operator.deploys(**WEBHOOK)
    whole = copy.deepcopy(operator.template)
    for fate, harm in HARMS:
        operator.template = copy.deepcopy(whole)
        if "BooksBucket" in fate:
            del operator.template["Resources"]["ExportBooks"]["Properties"]["Environment"]
        harm(operator.template["Resources"])
        with pytest.raises(DeployError, match=fate):
            operator.deploys()

    assert operator.stack.status() == "UPDATE_COMPLETE"
    assert operator.deploys(replace=True)
    assert operator.says("removed bucket BooksBucket") or operator.says("kept bucket BooksBucket")


@pytest.mark.parametrize("said", ["0", "no", "", "1", "yes"])
def test_only_a_yes_lets_data_be_lost(said: str) -> None:
    command = ["make", "-n", "deploy", "STAGE=trial", f"REPLACE={said}", f"ADOPT={said}"]
    shown = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    told = {flag for flag in ("--replace", "--adopt") if flag in shown}
    assert told == ({"--replace", "--adopt"} if said in ("1", "yes") else set())


def test_another_prefix_by_mistake_is_refused(operator: Operator) -> None:
    operator.deploys()
    with pytest.raises(DeployError, match="table OrdersTable would be replaced"):
        operator.deploys(minimal_package.of_prefix("trail-"))


def test_a_new_index_is_no_danger() -> None:
    target = {
        "Attribute": "Properties",
        "Name": "AttributeDefinitions",
        "RequiresRecreation": "Conditionally",
    }
    change = {"Action": "Modify", "ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "OrdersTable"}
    indexed = change | {"Replacement": "Conditional", "Details": [{"Target": target}]}
    assert stack.ChangeSet("arn", [indexed]).dangers() == []
    renamed = change | {
        "Replacement": "Conditional",
        "Details": [{"Target": {**target, "Name": "TableName"}}],
    }
    assert stack.ChangeSet("arn", [renamed]).dangers() == [
        "table OrdersTable would be perhaps replaced by an empty one"
    ]


def test_data_of_an_earlier_stack_is_adopted_only_on_request(operator: Operator) -> None:
    operator.deploys()
    s3, dynamodb = operator.account.client("s3"), operator.account.client("dynamodb")
    bucket = operator.stack.physical("BooksBucket")
    s3.put_object(Bucket=bucket, Key="books/a", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=minimal_package.deny_deleting(bucket))
    dynamodb.put_item(TableName="trial-orders", Item={"id": {"S": "1"}})
    operator.stack.delete()

    with pytest.raises(DeployError, match=r"There are already tables with data: trial-orders[\s\S]*ADOPT=1"):
        operator.deploys()
    assert operator.deploys(adopt=True)
    assert operator.deploys(**WEBHOOK)  # which names the bucket no more

    assert operator.stack.physical("BooksBucket") == bucket
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)  # CloudFormation makes the template's, only where there is none
    assert s3.head_object(Bucket=bucket, Key="books/a")["ContentLength"] == 1
    assert dynamodb.scan(TableName="trial-orders")["Items"] == [{"id": {"S": "1"}}]


def test_a_bucket_that_was_not_taken_over_keeps_its_policy(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys()
    s3, dynamodb = operator.account.client("s3"), operator.account.client("dynamodb")
    bucket = operator.stack.physical("BooksBucket")
    s3.put_object(Bucket=bucket, Key="books/a", Body=b"x")
    dynamodb.put_item(TableName="trial-orders", Item={"id": {"S": "1"}})
    operator.stack.delete()
    s3.put_bucket_policy(Bucket=bucket, Policy=minimal_package.deny_deleting(bucket))

    operator.breaks()
    with pytest.raises(DeployError, match="could not be deployed"):
        operator.deploys(adopt=True)

    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == minimal_package.deny_deleting(bucket)
    assert is_kept(operator.account)


def test_of_several_buckets_the_one_to_adopt_must_be_named(operator: Operator) -> None:
    s3, dynamodb = operator.account.client("s3"), operator.account.client("dynamodb")
    for name in (
        "awning-trial-booksbucket-1",
        "awning-trial-booksbucket-2",
        "awning-trial-booksbucket-empty",
    ):
        s3.create_bucket(Bucket=name)
        if not name.endswith("empty"):
            s3.put_object(Bucket=name, Key="books/a", Body=b"x")
    properties = minimal_package.TEMPLATE["Resources"]["OrdersTable"]["Properties"]
    dynamodb.create_table(**{**properties, "TableName": "trial-orders"})
    dynamodb.put_item(TableName="trial-orders", Item={"id": {"S": "1"}})

    with pytest.raises(
        DeployError, match=r'booksbucket-1, awning-trial-booksbucket-2[\s\S]*KeptBooksBucket = "…"'
    ):
        operator.deploys(adopt=True)

    named = {**STAGE.parameters, "KeptBooksBucket": "awning-trial-booksbucket-2"}
    operator.deploys(dataclasses.replace(STAGE, parameters=named), adopt=True)
    assert operator.stack.physical("BooksBucket") == "awning-trial-booksbucket-2"


# -- what goes wrong --------------------------------------------------------------------------------------


def test_a_creation_that_fails_says_why_and_the_next_try_goes_on(operator: Operator) -> None:
    whole = copy.deepcopy(operator.template)
    operator.breaks()
    with pytest.raises(DeployError) as stopped:
        operator.deploys()

    assert "policy Broken: " in str(stopped.value)
    assert "run the command again" in str(stopped.value)
    assert operator.says("FAILED policy Broken")

    operator.template = whole
    assert operator.deploys()
    assert operator.says("An earlier creation of awning-trial failed.")


def test_what_cloudformation_sees_before_it_begins_is_named(operator: Operator) -> None:
    operator.account.client("s3").create_bucket(Bucket="taken-already")
    operator.template["Resources"]["Broken"] = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": "taken-already"},
    }
    with pytest.raises(
        DeployError,
        match=r"bucket Broken: [\s\S]*already exists[\s\S]*Does TablePrefix belong to another shop",
    ):
        operator.deploys()


def test_a_change_that_fails_leaves_the_shop_as_it_was(operator: Operator) -> None:
    operator.deploys(**WEBHOOK)
    operator.breaks()
    with pytest.raises(DeployError, match="rolled everything back: the shop runs as before"):
        operator.deploys()
    assert operator.stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    del operator.template["Resources"]["Broken"]
    assert operator.deploys()


def test_an_upgrade_that_added_a_table_and_failed_can_be_run_again(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    operator.adds_a_table(monkeypatch)
    operator.breaks()
    operator.template["Resources"]["Broken"]["DependsOn"] = "ProductsTable"
    with pytest.raises(DeployError, match="rolled everything back"):
        operator.deploys()
    assert is_kept(operator.account, "trial-products")

    del operator.template["Resources"]["Broken"]
    assert operator.deploys()

    assert operator.stack.physical("ProductsTable") == "trial-products"
    assert operator.says("takes over 1 table without data")


def test_after_a_downgrade_an_upgrade_adopts_a_newer_table_on_request(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = copy.deepcopy(operator.template)
    operator.adds_a_table(monkeypatch)
    newer = copy.deepcopy(operator.template)
    operator.deploys(**WEBHOOK)
    dynamodb = operator.account.client("dynamodb")
    dynamodb.put_item(TableName="trial-products", Item={"id": {"S": "tea"}})

    operator.template = older
    with pytest.raises(DeployError, match="table ProductsTable would be removed from the stack"):
        operator.deploys()
    assert operator.deploys(replace=True)
    operator.template = newer
    with pytest.raises(DeployError, match=r"already tables with data: trial-products\.[\s\S]*ADOPT=1"):
        operator.deploys()
    assert operator.deploys(adopt=True)

    assert operator.stack.physical("ProductsTable") == "trial-products"
    assert dynamodb.scan(TableName="trial-products")["Items"] == [{"id": {"S": "tea"}}]
    assert operator.deploys()


def test_what_the_reconciler_wrote_before_a_first_deployment_failed_is_no_data(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: {"ScheduledRunsTable": "trial-runs"})
    dynamodb = operator.account.client("dynamodb")
    properties = minimal_package.TEMPLATE["Resources"]["OrdersTable"]["Properties"]
    dynamodb.create_table(**{**properties, "TableName": "trial-runs"})
    dynamodb.put_item(TableName="trial-runs", Item={"id": {"S": "reconciled"}})

    found = adopt_resources.to_adopt(operator.account, STAGE, False, operator.said.append)

    assert found == {"ScheduledRunsTable": "trial-runs"}


def began(token: str) -> dict[str, Any]:
    return {
        "EventId": token,
        "StackId": "s",
        "StackName": "s",
        "Timestamp": 0,
        "ResourceStatus": "UPDATE_IN_PROGRESS",
        "ResourceType": "AWS::CloudFormation::Stack",
        "LogicalResourceId": "s",
        "ClientRequestToken": token,
    }


def test_how_it_stood_before_is_not_taken_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    monkeypatch.setattr(stack, "new_token", lambda: "ours")
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")

    def stands(stub: Stubber, status: str, *events: dict[str, Any]) -> None:
        there = {"StackName": "s", "CreationTime": 0, "StackStatus": status}
        stub.add_response("describe_stacks", {"Stacks": [there]})
        stub.add_response("describe_stack_events", {"StackEvents": [*events]})

    with Stubber(client) as stub:
        stands(stub, "UPDATE_COMPLETE", began("before"))
        stub.add_response("execute_change_set", {})
        stands(stub, "UPDATE_COMPLETE", began("before"))  # it has not begun
        stands(
            stub, "UPDATE_COMPLETE", began("ours"), began("before")
        )  # it began after it was asked how it stands
        stands(stub, "UPDATE_ROLLBACK_COMPLETE", began("ours"))
        with pytest.raises(DeployError, match="rolled everything back"):
            Stack("s", client, print).execute(stack.ChangeSet("arn", []))
        stub.assert_no_pending_responses()


def test_a_creation_that_takes_over_data_does_not_ask_to_delete_what_is_retained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    monkeypatch.setattr(stack, "new_token", lambda: "t")
    for action, takes_back in (("Add", True), ("Import", False)):
        change = {
            "Action": action,
            "ResourceType": "AWS::DynamoDB::Table",
            "LogicalResourceId": "OrdersTable",
        }
        client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
        there = {"StackName": "s", "CreationTime": 0}
        with Stubber(client) as stub:
            stub.add_response("describe_stacks", {"Stacks": [{**there, "StackStatus": "REVIEW_IN_PROGRESS"}]})
            stub.add_response("describe_stack_events", {"StackEvents": []})
            how = {"ChangeSetName": "arn", "RetainExceptOnCreate": takes_back, "ClientRequestToken": "t"}
            stub.add_response("execute_change_set", {}, how)
            for _ in range(2):
                stub.add_response(
                    "describe_stacks", {"Stacks": [{**there, "StackStatus": "IMPORT_COMPLETE"}]}
                )
                stub.add_response("describe_stack_events", {"StackEvents": [began("t")]})
            Stack("s", client, print).execute(stack.ChangeSet("arn", [change]))
            stub.assert_no_pending_responses()


def test_a_template_refused_by_cloudformation_is_reported_with_its_message(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.template["Resources"]["Broken"] = {"Type": "AWS::Nothing::Such"}
    monkeypatch.setattr(deploy, "read_stage", lambda name: STAGE)
    assert deploy.main(["trial"]) == 1
    assert "AWS::Nothing::Such" in capsys.readouterr().err


def test_a_shop_that_does_not_answer_as_it_should_is_no_success(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: BROKEN)
    monkeypatch.setattr(deploy, "read_stage", lambda name: STAGE)
    assert deploy.main(["trial"]) == 1
    assert "check out the previous commit" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"])
def test_a_stack_that_is_stuck_is_not_touched(status: str) -> None:
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    with Stubber(client) as stub:
        for _ in range(2):
            there = {"StackName": "s", "CreationTime": 0, "StackStatus": status}
            stub.add_response("describe_stacks", {"Stacks": [there]}, {"StackName": "s"})
        with pytest.raises(DeployError, match=r"continue-update-rollback|make teardown"):
            Stack("s", client, print).ready()


def test_a_change_by_another_deployment_is_reported() -> None:
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    there = {"StackName": "s", "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
    said = "ChangeSet [arn] cannot be executed in its current status of [OBSOLETE]"
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [there]})
        stub.add_response("describe_stack_events", {"StackEvents": []})
        stub.add_client_error("execute_change_set", "InvalidChangeSetStatus", said)
        with pytest.raises(DeployError, match=r"Someone else has changed s\. Run the command again."):
            Stack("s", client, print).execute(stack.ChangeSet("arn", []))


def test_a_running_change_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    # A client of its own, since a stub stays in its client.
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    made = {
        "EventId": "2",
        "StackId": "s",
        "StackName": "s",
        "Timestamp": 0,
        "ResourceStatus": "UPDATE_COMPLETE",
        "ResourceType": "AWS::Lambda::Function",
        "LogicalResourceId": "ExportBooks",
    }
    said: list[str] = []
    with Stubber(client) as stub:
        for status, events in (
            ("UPDATE_IN_PROGRESS", [[]]),
            ("UPDATE_IN_PROGRESS", [[]]),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", [[made]]),
            ("UPDATE_COMPLETE", [[made]]),
        ):
            there = {"StackName": "s", "StackId": "s", "CreationTime": 0, "StackStatus": status}
            stub.add_response("describe_stacks", {"Stacks": [there]})
            for page in events:
                stub.add_response("describe_stack_events", {"StackEvents": page})
        Stack("s", client, said.append).wait()
        stub.assert_no_pending_responses()
    assert said[0] == "s is being changed. Waiting for that to finish:"
    assert [line.split("  ")[-1] for line in said[1:]] == ["changed function ExportBooks"]


def test_a_deletion_under_way_is_waited_for_by_the_stacks_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    there = {"StackName": "s", "StackId": "the-id", "CreationTime": 0}
    going, gone = ({**there, "StackStatus": f"DELETE_{how}"} for how in ("IN_PROGRESS", "COMPLETE"))
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [going]}, {"StackName": "s"})
        stub.add_response("describe_stack_events", {"StackEvents": []}, {"StackName": "the-id"})
        stub.add_response("describe_stacks", {"Stacks": [gone]}, {"StackName": "the-id"})
        stub.add_response("describe_stack_events", {"StackEvents": []}, {"StackName": "the-id"})
        Stack("s", client, print).wait()
        stub.assert_no_pending_responses()


def test_what_a_change_let_go_of_is_not_the_stacks() -> None:
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    table = {"ResourceType": "AWS::DynamoDB::Table", "LastUpdatedTimestamp": 0}
    states = {"Orders": "CREATE_COMPLETE", "Kept": "DELETE_SKIPPED", "Gone": "DELETE_COMPLETE"}
    listed = [{**table, "LogicalResourceId": name, "ResourceStatus": state} for name, state in states.items()]
    with Stubber(client) as stub:
        stub.add_response("list_stack_resources", {"StackResourceSummaries": listed})
        assert Stack("s", client, print).logical_ids() == {"Orders"}


def test_without_permission_it_says_which_and_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = "User: arn:aws:iam::1:user/ann is not authorized to perform: cloudformation:CreateChangeSet on resource: *"
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    with Stubber(client) as stub:
        stub.add_client_error("describe_stacks", "AccessDenied", denied, expected_params={"StackName": ANY})
        monkeypatch.setattr(deploy, "read_stage", lambda name: STAGE)
        monkeypatch.setattr(deploy, "deploy", lambda *_: Stack("s", client, print).status())
        assert deploy.main(["trial"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("These credentials lack the permission cloudformation:CreateChangeSet on *.")
    assert "docs/deploy.md" in said


# -- PayPal's webhook -------------------------------------------------------------------------------------


def test_a_webhook_that_is_not_right_fails_the_deployment_and_takes_nothing_back(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    operator.code = "other"
    ran = operator.code_runs()
    monkeypatch.setattr(deploy, "webhook_is_right", lambda *_: False)
    assert not operator.deploys()
    assert operator.code_runs() != ran


# -- a bad release ----------------------------------------------------------------------------------------


def test_a_release_whose_pages_fail_is_taken_back_with_its_settings(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    ran, told = operator.code_runs(), operator.stack.parameters()
    operator.code = "broken"
    operator.template["Parameters"]["Proxies"] = {"Type": "String", "Default": "0"}
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: BROKEN)

    with pytest.raises(DeployError, match="The release was rolled back because its pages failed"):
        operator.deploys(webhook_id="WH-2")

    assert operator.code_runs() == ran
    assert operator.stack.parameters() == told
    assert operator.stack.status() == "UPDATE_COMPLETE"


def test_a_release_that_added_a_table_is_taken_back_and_the_next_takes_the_table_over(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    ran = operator.code_runs()
    operator.code = "broken"
    operator.adds_a_table(monkeypatch)
    with monkeypatch.context() as broken:
        broken.setattr(deploy, "smoke", lambda address, echo: BROKEN)
        with pytest.raises(DeployError, match="rolled back"):
            operator.deploys()
    assert operator.code_runs() == ran
    assert is_kept(operator.account, "trial-products")

    operator.code = "mended"
    assert operator.deploys()
    assert operator.says("takes over 1 table without data")


@pytest.mark.parametrize(
    ("before", "outcome", "wishes"),
    [
        (False, BROKEN, {}),  # the version before was no better
        (True, Outcome(failed=("it answers",), nameless=True), {}),  # the domain's record is still to be set
        (True, BROKEN, {"keep": True}),
    ],
)
def test_what_going_back_would_not_mend_stays(
    operator: Operator,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    outcome: Outcome,
    wishes: dict[str, Any],
) -> None:
    operator.deploys(**WEBHOOK)
    ran = operator.code_runs()
    monkeypatch.setattr(rollback, "answers", lambda address: before)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: outcome)
    operator.code = "other"
    assert not operator.deploys(**wishes)
    assert operator.code_runs() != ran


def test_where_nothing_was_changed_nothing_is_taken_back(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: BROKEN)
    assert not operator.deploys()


def test_a_package_missing_from_the_bucket_cannot_be_restored(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploys(**WEBHOOK)
    ran = operator.code_runs()
    operator.account.client("s3").delete_object(Bucket=artifacts.bucket_of(operator.account), Key=ran)
    operator.code = "broken"
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: BROKEN)
    with pytest.raises(DeployError, match=f"cannot be restored: {ran} is no longer in the bucket"):
        operator.deploys()


def test_a_change_is_watched_by_the_alarm_of_broken_pages_unless_that_is_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    client = operator.account.client("cloudformation")
    make = client.create_change_set

    def noted(**given: Any) -> Any:
        asked.append(given["RollbackConfiguration"])
        return make(**given)

    monkeypatch.setattr(client, "create_change_set", noted)
    nothing = {"RollbackTriggers": [], "MonitoringTimeInMinutes": 0}
    operator.has_an_alarm()
    operator.deploys(**WEBHOOK)
    assert asked == [nothing] * len(asked), "at first there is no alarm, and nothing to go back to"

    asked.clear()
    operator.code = "new"
    operator.deploys()
    (watched,) = asked
    (trigger,) = watched["RollbackTriggers"]
    assert trigger["Type"] == "AWS::CloudWatch::Alarm"
    assert trigger["Arn"].endswith(":alarm:trial-pages-fail")
    assert watched["MonitoringTimeInMinutes"] == stack.WATCHED_MINUTES
    assert operator.says("trial-pages-fail would roll it back")

    asked.clear()
    operator.account.client("cloudwatch").set_alarm_state(
        AlarmName="trial-pages-fail", StateValue="ALARM", StateReason="broken"
    )
    operator.code = "mended"
    operator.deploys()
    assert asked == [nothing]
    assert operator.says("trial-pages-fail is already on")


def test_a_change_that_an_alarm_took_back_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Rollback triggers [trial-pages-fail] went into ALARM state"
    event = began("ours") | {"ResourceStatus": "UPDATE_ROLLBACK_IN_PROGRESS", "ResourceStatusReason": said}
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    monkeypatch.setattr(stack, "new_token", lambda: "ours")
    client = aws_account._client.__wrapped__("us-east-1", "cloudformation")
    there = {"StackName": "s", "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [there]})
        stub.add_response("describe_stack_events", {"StackEvents": []})
        stub.add_response("execute_change_set", {})
        for _ in range(2):
            ended = {**there, "StackStatus": "UPDATE_ROLLBACK_COMPLETE"}
            stub.add_response("describe_stacks", {"Stacks": [ended]})
            stub.add_response("describe_stack_events", {"StackEvents": [event]})
        with pytest.raises(
            DeployError,
            match=r"ALARM state[\s\S]*the API function's log says why[\s\S]*rolled everything back",
        ):
            Stack("s", client, print).execute(stack.ChangeSet("arn", []))


# -- settings that stay -----------------------------------------------------------------------------------

OTHERS = {"Currency": "JPY", "Timezone": "Asia/Tokyo", "PayPalApiUrl": LIVE}


@pytest.fixture
def settled(operator: Operator) -> Operator:
    """Return an operator whose shop knows currency and calendar."""
    for name, value in {"Currency": "EUR", "Timezone": "UTC", "AlarmEmail": ""}.items():
        operator.template["Parameters"][name] = {"Type": "String", "Default": value}
    told = operator.template["Resources"]["ExportBooks"]["Properties"]["Environment"]["Variables"]
    told |= {name.upper(): {"Ref": name} for name in OTHERS}
    return operator


@pytest.mark.parametrize("name", OTHERS)
def test_what_orders_were_written_by_stays_unless_it_is_named(settled: Operator, name: str) -> None:
    settled.deploys(**WEBHOOK)
    changed = of_parameters(**{name: OTHERS[name]})
    settled.account.client("dynamodb").put_item(TableName="trial-orders", Item={"id": {"S": "1"}})

    with pytest.raises(DeployError, match=rf'{name} is [\s\S]*Nothing was changed|CHANGE="{name}"'):
        settled.deploys(changed)
    assert settled.stack.parameters()[name] != OTHERS[name]

    assert settled.deploys(changed, change=(name,))
    assert settled.stack.parameters()[name] == OTHERS[name]


@pytest.mark.parametrize("name", OTHERS)
def test_until_there_are_orders_they_may_change(settled: Operator, name: str) -> None:
    settled.deploys(**WEBHOOK)
    assert settled.deploys(of_parameters(**{name: OTHERS[name]}))
    assert settled.stack.parameters()[name] == OTHERS[name]


def test_another_name_of_the_same_paypal_is_no_change(settled: Operator) -> None:
    settled.deploys(**WEBHOOK)
    settled.account.client("dynamodb").put_item(TableName="trial-orders", Item={"id": {"S": "1"}})
    assert settled.deploys(of_parameters(PayPalApiUrl="https://api.sandbox.paypal.com"))


def test_prices_alone_keep_the_currency(settled: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.adds_a_table(monkeypatch)
    settled.deploys(**WEBHOOK)
    settled.account.client("dynamodb").put_item(TableName="trial-products", Item={"id": {"S": "tea"}})
    with pytest.raises(DeployError, match="Currency is EUR and would become JPY"):
        settled.deploys(of_parameters(Currency="JPY"))
    assert settled.deploys(of_parameters(Timezone="Asia/Tokyo"))


def test_orders_that_an_earlier_stack_left_keep_their_currency(settled: Operator) -> None:
    settled.deploys(**WEBHOOK)
    row = {"id": {"S": "1"}, "currency": {"S": "EUR"}}
    settled.account.client("dynamodb").put_item(TableName="trial-orders", Item=row)
    settled.stack.delete()
    with pytest.raises(DeployError, match="Currency is EUR and would become JPY"):
        settled.deploys(of_parameters(Currency="JPY"), adopt=True)
    assert settled.deploys(adopt=True)


def of_parameters(**given: str) -> Stage:
    """Return the stage with other parameters, and somebody who is told of alarms."""
    own = {**STAGE.parameters, "AlarmEmail": "ann@awning.de", **given}
    return dataclasses.replace(STAGE, parameters=own)


# -- the alarms' recipient ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [LIVE, "https://api.paypal.com", "https://API-M.PayPal.com:443"])
def test_a_live_shop_needs_an_alarm_address(operator: Operator, address: str) -> None:
    with pytest.raises(DeployError, match=r'nobody would be notified[\s\S]*AlarmEmail = "…"'):
        operator.deploys(minimal_package.of_parameter("PayPalApiUrl", address))
    assert operator.stack.status() == ""


@pytest.mark.parametrize("alarmed", ["you@example.com", "ann@Mail.Example.org", "ann@tea.test"])
def test_an_example_address_is_refused_for_alarms(operator: Operator, alarmed: str) -> None:
    with pytest.raises(DeployError, match=rf'{alarmed} is an example[\s\S]*AlarmEmail = "…"'):
        operator.deploys(of_parameters(AlarmEmail=alarmed, PayPalApiUrl=LIVE))
    assert operator.stack.status() == ""


@pytest.mark.parametrize("name", ["email", "merchant_email"])
def test_a_shop_that_takes_real_money_writes_to_no_reserved_domain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(
        "".join(
            f'{key} = "{value}"\n' for key, value in {"email": "ann@awning.de", name: "ann@tea.test"}.items()
        )
    )
    monkeypatch.setattr(preflight, "SHOP_FILE", file)
    assert preflight.sender(live=False)
    with pytest.raises(
        DeployError, match=f"{name}: This shop takes real money, and no mail can arrive at ann@tea.test"
    ):
        preflight.sender(live=True)


def test_each_deployment_warns_of_a_missing_alarm_address(settled: Operator) -> None:
    settled.template["Resources"]["AlarmTopic"] = {"Type": "AWS::SNS::Topic"}
    settled.template["Outputs"]["AlarmTopicArn"] = {"Value": {"Ref": "AlarmTopic"}}
    settled.deploys(**WEBHOOK)
    assert settled.says("Alarms: nobody is notified")
    for _ in range(2):
        settled.deploys(of_parameters())
        assert settled.says("Alarms: ann@awning.de has unsubscribed")
    settled.account.client("sns").subscribe(
        TopicArn=settled.stack.outputs()["AlarmTopicArn"], Protocol="email", Endpoint="Ann@awning.de"
    )
    settled.deploys(of_parameters())
    assert not settled.says("Alarms: ")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("PendingConfirmation", "has not confirmed yet"),
        ("arn:aws:sns:us-east-1:123456789012:alarms:1", None),
        ("", "has unsubscribed"),
    ],
)
def test_an_unconfirmed_alarm_address_is_reported(
    monkeypatch: pytest.MonkeyPatch, state: str, said: str | None
) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:alarms"
    client = aws_account._client.__wrapped__("us-east-1", "sns")
    monkeypatch.setattr(Account, "client", lambda self, service: client)
    there = [{"SubscriptionArn": state, "Protocol": "email", "Endpoint": "ann@awning.de"}] if state else []
    with Stubber(client) as stub:
        stub.add_response("list_subscriptions_by_topic", {"Subscriptions": there}, {"TopicArn": topic})
        doubts = preflight.doubts_of_alarms(Account("us-east-1"), of_parameters(), {"AlarmTopicArn": topic})
    assert [said in doubt for doubt in doubts if said] == ([True] if said else [])
    assert bool(doubts) == (said is not None)


@pytest.mark.parametrize(("most", "doubtful"), [(10, True), (99, True), (1000, False)])
def test_it_says_how_few_functions_a_new_account_may_run_at_once(
    monkeypatch: pytest.MonkeyPatch, most: int, doubtful: bool
) -> None:
    doubts = functions_of_an_account(monkeypatch, most, "no")
    assert [f"can run {most} concurrently" in doubt for doubt in doubts] == ([True] if doubtful else [])


def test_it_does_not_begin_to_reserve_what_the_account_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=r"can run 103 functions concurrently[\s\S]*Service Quotas"):
        functions_of_an_account(monkeypatch, 103, "yes")
    assert functions_of_an_account(monkeypatch, 104, "yes") == []


def functions_of_an_account(monkeypatch: pytest.MonkeyPatch, most: int, reserve: str) -> list[str]:
    client = aws_account._client.__wrapped__("us-east-1", "lambda")
    monkeypatch.setattr(Account, "client", lambda self, service: client)
    with Stubber(client) as stub:
        stub.add_response("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": most}})
        return preflight.doubts_of_functions(Account("us-east-1"), of_parameters(ReserveConcurrency=reserve))


# -- what it looks at before ------------------------------------------------------------------------------


def test_credentials_of_another_account_are_refused(operator: Operator) -> None:
    with pytest.raises(DeployError, match="the stage file names 123456789012"):
        operator.deploys(minimal_package.of_account("123456789012"))
    assert operator.stack.status() == ""


def test_without_paypals_secret_nothing_is_deployed(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.account.client("ssm").delete_parameter(Name=paypal_secret.DEFAULT)
    with pytest.raises(DeployError, match="make secret STAGE=trial"):
        operator.deploys()
    assert operator.stack.status() == ""


def test_a_secret_that_lies_open_is_refused(operator: Operator) -> None:
    ssm = operator.account.client("ssm")
    ssm.delete_parameter(Name=paypal_secret.DEFAULT)
    ssm.put_parameter(Name=paypal_secret.DEFAULT, Value="open", Type="String")
    with pytest.raises(DeployError, match="is a String, which is not encrypted"):
        operator.deploys()


def test_the_secret_is_asked_for_kept_encrypted_and_never_shown(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paypal_secret, "read_stage", lambda name: STAGE)
    typed = "EKnewsecret" * 7
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))

    assert paypal_secret.main(["trial"]) == 0

    kept = operator.account.client("ssm").get_parameter(Name=paypal_secret.DEFAULT, WithDecryption=True)[
        "Parameter"
    ]
    assert (kept["Type"], kept["Value"]) == ("SecureString", typed)
    said = capsys.readouterr()
    assert typed not in said.out + said.err
    assert "has been replaced in us-east-1" in said.out
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert paypal_secret.main(["trial"]) == 1


def test_it_says_why_mails_may_not_arrive(operator: Operator) -> None:
    ses = operator.account.client("sesv2")

    def doubts(address: str) -> list[str]:
        return preflight.doubts_of_mail(operator.account, address)

    assert "is the demo's" in doubts("shop@example.com")[0]
    assert "is not registered at SES" in doubts("shop@tea.test")[0]
    ses.create_email_identity(EmailIdentity="shop@tea.test")
    assert doubts("shop@tea.test") == []
    ses.put_account_details(
        MailType="TRANSACTIONAL",
        WebsiteURL="https://tea.test",
        ProductionAccessEnabled=False,
        UseCaseDescription="x",
    )
    assert "is in its sandbox" in doubts("shop@tea.test")[0]


@pytest.mark.parametrize("domain", ["example.com", "myexample.com"])
def test_only_the_demos_own_domain_is_the_demos(operator: Operator, domain: str) -> None:
    said = preflight.doubts_of_mail(operator.account, f"shop@{domain}")
    assert ("is the demo's" in said[0]) == (domain == "example.com")


@pytest.mark.parametrize(
    ("blocks", "code", "said"),
    [
        ({"BlockPublicAcls": True, "IgnorePublicAcls": True}, "", None),
        ({"BlockPublicPolicy": True}, "", "this account blocks public buckets"),
        ({"RestrictPublicBuckets": True}, "", "this account blocks public buckets"),
        ({}, "NoSuchPublicAccessBlockConfiguration", None),
        ({}, "AccessDenied", "could not be read"),
    ],
)
def test_it_says_why_nobody_may_see_pictures(
    monkeypatch: pytest.MonkeyPatch, blocks: dict[str, bool], code: str, said: str | None
) -> None:
    client = aws_account._client.__wrapped__("us-east-1", "s3control")
    monkeypatch.setattr(Account, "client", lambda self, service: client)
    monkeypatch.setattr(Account, "number", "123456789012")
    with Stubber(client) as stub:
        if code:
            stub.add_client_error("get_public_access_block", code)
        else:
            stub.add_response("get_public_access_block", {"PublicAccessBlockConfiguration": blocks})
        doubts = preflight.doubts_of_pictures(Account("us-east-1"))
    assert [said in doubt for doubt in doubts if said] == ([True] if said else [])
    assert bool(doubts) == (said is not None)


@pytest.mark.parametrize(
    ("kind", "logical", "reason", "remedy"),
    [
        (
            "AWS::S3::BucketPolicy",
            "MediaBucketPolicy",
            "API: s3:PutBucketPolicy Access Denied",
            "Block Public Access",
        ),
        (
            "AWS::IAM::ManagedPolicy",
            "FinancePolicy",
            "Cannot delete a policy attached to entities.",
            "detach it",
        ),
        (
            "AWS::CloudFront::Distribution",
            "Distribution",
            "Your account must be verified before",
            "a case with AWS",
        ),
    ],
)
def test_what_new_accounts_are_refused_has_a_remedy(
    kind: str, logical: str, reason: str, remedy: str
) -> None:
    event = {"ResourceType": kind, "LogicalResourceId": logical, "ResourceStatusReason": reason}
    assert any(remedy in line for line in stack_events.why([event])[1:])


# -- which parameters -------------------------------------------------------------------------------------

DEFAULTS = {
    "PublicUrl": "",
    "PayPalWebhookId": "",
    "PayPalApiUrl": "https://api-m.sandbox.paypal.com",
    "PayPalClientId": "",
    "DomainName": "",
    "Cdn": "no",
}
FOUND = DEFAULTS | {"PublicUrl": "https://api.example", "PayPalWebhookId": "WH-1", "PayPalClientId": "a"}


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({"PayPalClientId": "a"}, {"PublicUrl", "PayPalWebhookId"}),
        ({"PayPalClientId": "a", "Cdn": "yes"}, {"PayPalWebhookId"}),
        ({"PayPalClientId": "a", "PayPalApiUrl": "https://api-m.paypal.com"}, {"PublicUrl"}),
        ({"PayPalClientId": "b"}, {"PublicUrl"}),
    ],
)
def test_what_was_found_out_is_kept_as_long_as_it_holds(parameters: dict[str, str], kept: set[str]) -> None:
    stage = Stage("s", "us-east-1", "s", parameters=parameters)
    chosen = deploy.choose_parameters(stage, FOUND, "", DEFAULTS)
    assert chosen == parameters | {name: FOUND[name] for name in kept}


def test_the_origins_secret_is_made_once_and_kept_without_being_read() -> None:
    stage, defaults = Stage("s", "us-east-1", "s"), DEFAULTS | {"OriginSecret": ""}
    first, second = (deploy.choose_parameters(stage, {}, "", defaults)["OriginSecret"] for _ in range(2))
    assert len(first) >= 32
    assert first != second
    shown = FOUND | {"OriginSecret": MASK}
    assert deploy.choose_parameters(stage, shown, "", defaults)["OriginSecret"] == MASK
    renewed = deploy.choose_parameters(stage, shown, "", defaults, new_secret=True)["OriginSecret"]
    assert len(renewed) >= 32
    assert parameter("OriginSecret", MASK) == {"ParameterKey": "OriginSecret", "UsePreviousValue": True}
    assert parameter("OriginSecret", first) == {"ParameterKey": "OriginSecret", "ParameterValue": first}


def test_a_parameter_removed_from_the_file_has_its_default_again() -> None:
    stage = Stage("s", "us-east-1", "s", parameters={"PayPalClientId": "a"})
    behind_a_cdn = FOUND | {"Cdn": "yes"}
    assert deploy.choose_parameters(stage, behind_a_cdn, "", DEFAULTS) == {
        "PayPalClientId": "a",
        "PayPalWebhookId": "WH-1",
    }
