"""Commands with `STAGE=`: they work on the stage's own tables, queues and buckets."""

import copy
import io
import sys

import pytest

from infra.aws import aws_account, deploy, paypal_secret, run_on_stage
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError
from infra.aws.checks.smoke_test import Outcome
from infra.aws.cloudformation import adopt_resources, stack
from infra.aws.cloudformation.stack import Stack
from infra.aws.deploy import DeployOptions
from tests.infra.package import minimal_package
from tests.infra.package.minimal_package import STAGE

# Named, the address needs no second pass.
ADDRESSED = minimal_package.of_address("https://shop.test/api")
SHOWS = (
    "import os; print(*(os.environ[n] for n in ('TABLE_PREFIX', 'BOOKS_BUCKET', 'PUBLIC_URL', 'AWS_REGION')))"
)

pytestmark = pytest.mark.cloudformation


@pytest.fixture
def _standing(aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: minimal_package.TABLES)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: Outcome())
    monkeypatch.setattr(run_on_stage, "read_stage", lambda name: STAGE)
    whole = minimal_package.template("https://shop.test/api")
    monkeypatch.setattr(deploy, "build", lambda arch, out: minimal_package.write(out, copy.deepcopy(whole)))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    paypal_secret.keep(Account(STAGE.region).client("ssm"), paypal_secret.DEFAULT, "s" * 80)


@pytest.mark.usefixtures("_standing")
def test_a_command_gets_the_environment_of_the_stages_functions(capfd: pytest.CaptureFixture[str]) -> None:
    deploy.deploy(ADDRESSED, DeployOptions(), lambda _: None)

    assert run_on_stage.main(["trial", sys.executable, "-c", SHOWS]) == 0

    there = Stack(STAGE.stack, Account(STAGE.region).client("cloudformation"), print)
    bucket = there.physical("BooksBucket")
    assert capfd.readouterr().out == f"trial- {bucket} https://shop.test/api us-east-1\n"


@pytest.mark.usefixtures("_standing")
def test_messages_of_a_stage_are_sent_round_again(capfd: pytest.CaptureFixture[str]) -> None:
    deploy.deploy(ADDRESSED, DeployOptions(), lambda _: None)
    sqs = Account(STAGE.region).client("sqs")
    dead = sqs.create_queue(QueueName="trial-order-emails-dlq")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody='{"order": "1", "entry": "order_paid#1"}')

    assert (
        run_on_stage.main(["trial", sys.executable, "-m", "infra.commands.redrive_dlq", "order-emails", "1"])
        == 0
    )

    assert "1 of 1 sent to trial-order-emails again." in capfd.readouterr().out


@pytest.mark.usefixtures("_standing")
def test_a_commands_exit_status_is_passed_on() -> None:
    deploy.deploy(ADDRESSED, DeployOptions(), lambda _: None)
    assert run_on_stage.main(["trial", sys.executable, "-c", "raise SystemExit(7)"]) == 7


@pytest.mark.usefixtures("_standing")
def test_a_stage_that_is_not_deployed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_on_stage.main(["trial", "true"]) == 1
    assert (
        "There is no stack awning-trial in us-east-1. Run first: make deploy STAGE=trial"
        in capsys.readouterr().err
    )


def test_without_credentials_it_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_on_stage, "read_stage", lambda name: STAGE)
    monkeypatch.setattr(
        aws_account, "_client", aws_account._client.__wrapped__
    )  # those of other tests have credentials
    monkeypatch.setattr(aws_account, "_session", aws_account._session.__wrapped__)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert run_on_stage.main(["trial", "true"]) == 1
    assert "No AWS credentials were found. Log in first" in capsys.readouterr().err


def test_a_stage_of_another_account_is_not_touched(aws: object) -> None:
    with pytest.raises(DeployError, match="the stage file names 123456789012"):
        run_on_stage.environment_of(minimal_package.of_account("123456789012"))
