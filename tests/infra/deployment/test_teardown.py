"""`make teardown`: what goes, what stays, and what must be typed before."""

import copy
import io
import sys
from dataclasses import replace
from typing import Any

import pytest

from infra.aws import data_deletion, deploy, paypal_secret, teardown
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError
from infra.aws.checks.smoke_test import Outcome
from infra.aws.cloudformation import adopt_resources, stack
from infra.aws.cloudformation.stack import Stack
from infra.aws.deploy import DeployOptions
from tests.infra.package import minimal_package
from tests.infra.package.minimal_package import STAGE

pytestmark = pytest.mark.cloudformation

LOSE = "lose 2 rows in 1 tables and 3 files in 1 buckets"


class Standing:
    """A stage that is deployed, with two orders and three versions of books."""

    def __init__(self, address: str) -> None:
        self.account = Account(STAGE.region)
        self.dynamodb, self.s3 = self.account.client("dynamodb"), self.account.client("s3")
        paypal_secret.keep(self.account.client("ssm"), paypal_secret.DEFAULT, "s" * 80)
        deploy.deploy(
            minimal_package.of_address(address), DeployOptions(), lambda _: None
        )  # named, it needs no second pass
        self.stack = Stack(STAGE.stack, self.account.client("cloudformation"), lambda _: None)
        self.bucket = self.stack.physical("BooksBucket")
        for number in "12":
            self.dynamodb.put_item(TableName="trial-orders", Item={"id": {"S": number}})
        for key in ("books/a", "books/a", "books/b"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")
        self.said: list[str] = []

    def taken_down(self, data_too: bool = False) -> str:
        """Take it down; return all that is said."""
        self.said = []
        teardown.teardown(STAGE, data_too, self.said.append)
        return "\n".join(self.said)

    @property
    def table_is_there(self) -> bool:
        return "trial-orders" in self.dynamodb.list_tables()["TableNames"]

    @property
    def bucket_is_there(self) -> bool:
        return self.bucket in {one["Name"] for one in self.s3.list_buckets()["Buckets"]}


@pytest.fixture
def standing(aws: object, monkeypatch: pytest.MonkeyPatch) -> Standing:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: minimal_package.TABLES)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: Outcome())
    whole = minimal_package.template("http://shop.test")
    monkeypatch.setattr(deploy, "build", lambda arch, out: minimal_package.write(out, copy.deepcopy(whole)))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return Standing("http://shop.test")


def typing(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_confirmed_teardown_deletes_the_shop_and_keeps_its_data(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, "awning-trial")
    said = standing.taken_down()

    assert standing.stack.status() == ""
    assert (standing.table_is_there, standing.bucket_is_there) == (True, True)
    assert "stays: table trial-orders, 2 rows" in said
    assert f"stays: bucket {standing.bucket}, 3 files and older versions" in said
    assert "USD per GB and month" in said
    assert "make deploy STAGE=trial ADOPT=1" in said
    assert "The role awning-trial-ApiGatewayLogRole-… is kept" in said


def test_without_its_name_nothing_happens(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in ([], ["yes"], ["awning-prod"]):
        typing(monkeypatch, *typed)
        with pytest.raises(DeployError, match="Nothing was changed"):
            standing.taken_down()
    assert standing.stack.status() == "CREATE_COMPLETE"
    assert standing.stack.described()["EnableTerminationProtection"]


def test_finances_policy_must_be_detached_before(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    iam = standing.account.client("iam")
    arn = iam.create_policy(PolicyName="finance", PolicyDocument=minimal_package.deny_deleting("b"))[
        "Policy"
    ]["Arn"]
    iam.create_group(GroupName="accounting")
    iam.attach_group_policy(GroupName="accounting", PolicyArn=arn)
    policy = {"ResourceType": "AWS::IAM::ManagedPolicy", "LogicalResourceId": "FinancePolicy"}
    there = [{**policy, "PhysicalResourceId": arn, "ResourceStatus": "CREATE_COMPLETE"}]
    monkeypatch.setattr(Stack, "resources", lambda self: there)
    typing(monkeypatch, "awning-trial")

    with pytest.raises(DeployError, match=rf"{arn} is attached to group accounting\. Nothing was changed"):
        standing.taken_down()

    assert sys.stdin.readline() == "awning-trial\n"  # nobody was asked
    assert standing.stack.status() == "CREATE_COMPLETE"


def test_told_once_it_does_not_delete_data(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    for second in ("", "yes", "awning-trial", LOSE.replace("2 rows", "1 rows")):
        typing(monkeypatch, "awning-trial", second)
        with pytest.raises(DeployError, match="Nothing was changed"):
            standing.taken_down(data_too=True)
    assert standing.stack.status() == "CREATE_COMPLETE"
    assert (standing.table_is_there, standing.bucket_is_there) == (True, True)


def test_told_twice_it_deletes_everything_though_it_is_protected(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the template's: nobody may delete a book.
    deny = minimal_package.deny_deleting(standing.bucket)
    standing.s3.put_bucket_policy(Bucket=standing.bucket, Policy=deny)
    standing.s3.create_multipart_upload(Bucket=standing.bucket, Key="half")
    typing(monkeypatch, "awning-trial", LOSE)

    said = standing.taken_down(data_too=True)

    assert "WILL BE DELETED: table trial-orders, 2 rows" in said
    assert standing.stack.status() == ""
    assert (standing.table_is_there, standing.bucket_is_there) == (False, False)


def test_data_that_an_earlier_teardown_left_can_be_deleted_later(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, "awning-trial")
    standing.taken_down()

    assert standing.taken_down() == "There is no stack awning-trial in us-east-1."
    typing(monkeypatch, "awning-trial", LOSE)
    standing.taken_down(data_too=True)

    assert (standing.table_is_there, standing.bucket_is_there) == (False, False)
    assert standing.taken_down(data_too=True) == "There is no stack awning-trial in us-east-1."


def test_two_stages_with_one_prefix_do_not_delete_each_others_data(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimal_package.knows_owners(monkeypatch)
    typing(monkeypatch, "awning-other", LOSE)

    with pytest.raises(
        DeployError, match=r"trial-orders belongs to the stack awning-trial\. Nothing was changed"
    ):
        teardown.teardown(replace(STAGE, name="other", stack="awning-other"), True, standing.said.append)

    assert standing.said == []
    assert standing.dynamodb.describe_table(TableName="trial-orders")["Table"]["DeletionProtectionEnabled"]
    assert sys.stdin.readline() == "awning-other\n"  # nobody was asked


def test_a_stack_that_is_gone_owns_nothing(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    client = standing.account.client("cloudformation")
    there = {"StackName": "awning-trial", "PhysicalResourceId": "trial-orders"}
    for status in ("DELETE_SKIPPED", "DELETE_COMPLETE"):
        told = {"StackResources": [{**there, "ResourceStatus": status}]}
        monkeypatch.setattr(client, "describe_stack_resources", lambda told=told, **_: told)
        adopt_resources.must_be_nobodys(standing.account, ["trial-orders"])


def test_what_could_not_be_made_has_no_name() -> None:
    table = {"ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "OrdersTable"}
    assert teardown.names_of([table, {**table, "PhysicalResourceId": "t"}])["AWS::DynamoDB::Table"] == ["t"]


def test_more_files_than_one_call_deletes_are_deleted_in_several(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_deletion, "MAX_KEYS_PER_DELETE", 2)
    s3: Any = Account("us-east-1").client("s3")
    s3.create_bucket(Bucket="full")
    for number in range(5):
        s3.put_object(Bucket="full", Key=str(number), Body=b"x")
    data_deletion.delete_bucket(s3, "full")
    assert "full" not in {one["Name"] for one in s3.list_buckets()["Buckets"]}


class Refusing:
    """An S3 that refuses to delete a book, some times."""

    def __init__(self, code: str, times: int) -> None:
        self.left, self.code, self.asked = times, code, list[list[str]]()

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        versions = Delete["Objects"]
        self.asked.append([one["Key"] for one in versions])
        self.left -= 1
        refused = [{**one, "Code": self.code} for one in versions if one["Key"] == "books/a"]
        return {"Errors": refused} if self.left >= 0 else {}


BATCH = [{"Key": "books/a", "VersionId": "1"}, {"Key": "exports/b", "VersionId": "2"}]


def test_what_the_old_policy_still_forbids_is_deleted_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_deletion, "PAUSE_SECONDS", 0)
    s3 = Refusing("AccessDenied", times=2)
    data_deletion._delete(s3, "books", BATCH, {})
    assert s3.asked == [["books/a", "exports/b"], ["books/a"], ["books/a"]]


@pytest.mark.parametrize(("code", "seconds"), [("InternalError", 60), ("AccessDenied", 0)])
def test_resources_that_cannot_be_deleted_are_listed(
    monkeypatch: pytest.MonkeyPatch, code: str, seconds: float
) -> None:
    monkeypatch.setattr(data_deletion, "DENIED_SECONDS", seconds)
    with pytest.raises(DeployError, match=f"books/a in books could not be deleted: {code}"):
        data_deletion._delete(Refusing(code, times=2), "books", BATCH, {})


def test_messages_that_a_teardown_would_delete_are_reported(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = standing.account.client("sqs")
    sqs.send_message(QueueUrl=standing.stack.physical("OrderEmailsQueue"), MessageBody="{}")
    typing(monkeypatch, "awning-trial")
    assert "About 1 messages are waiting in queues and will be deleted" in standing.taken_down()
