"""The stack that CloudFormation makes of the package, and what there is in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from infra.aws.package import build
from infra.local.api_gateway import Response
from infra.local.local_cloud import REGION
from tests.deployed.region import Region
from tests.infra.template.template_reader import resolved, values
from tests.local.wait_until import eventually

NAME = "awning"
CODE = "code"  # the bucket that the deployment's files are sent to
SECONDS = 60.0


def expanded(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Write SAM's short forms out, as CloudFormation does with what `aws cloudformation package` makes."""
    # Imported here: it takes most of a second, and each of pytest's workers imports every test.
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    for properties, name in build.zips(template):
        properties[name] = f"s3://{CODE}/{Path(properties[name]).name}"
    defaults = {name: facts.get("Default", "") for name, facts in template["Parameters"].items()}
    with mock.patch.dict("os.environ", AWS_DEFAULT_REGION=REGION):
        plain: dict[str, Any] = Translator({}, Parser()).translate(template, defaults | parameters)
    return plain


def _wanted(template: dict[str, Any], parameters: dict[str, str]) -> set[str]:
    """List the resources that a template with these parameters is to make."""
    given, conditions = values(template, parameters), template["Conditions"]
    return {
        name
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or resolved(conditions[resource["Condition"]], given, conditions)
    }


class Stack:
    """One shop's stack in a region. As `gateway` of a tests' visitor it sends requests through its API Gateway."""

    def __init__(self, region: Region, built: Path, name: str = NAME) -> None:
        self.region = region
        self._built = built
        self._name = name
        self._formation = region.client("cloudformation")
        self.wanted: set[str] = set()  # the template's resources whose conditions hold
        # The rules as they were made, by their names in the region.
        self.schedules: dict[str, dict[str, Any]] = {}

    def create(self, parameters: dict[str, str]) -> None:
        """Send the code, create everything; what is scheduled waits until a test wants it."""
        s3 = self.region.client("s3")
        s3.create_bucket(Bucket=CODE)  # as often as one likes, in this region
        for file in self._built.glob("*.zip"):
            s3.upload_file(str(file), CODE, file.name)
        self._change(self._formation.create_stack, parameters)
        self._stop_the_clocks()

    def update(self, parameters: dict[str, str]) -> None:
        """Change parameters, as the second pass of a deployment does."""
        self._change(self._formation.update_stack, parameters)

    def _change(self, change: Any, parameters: dict[str, str]) -> None:
        template = expanded(build.read_template(self._built / "sam.yaml"), parameters)
        # By its address: in a request itself, AWS takes 51,200 bytes.
        s3 = self.region.client("s3")
        s3.put_object(Bucket=CODE, Key="template.json", Body=json.dumps(template).encode())
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        address = f"{self.region.endpoint_url}/{CODE}/template.json"
        allowed = ["CAPABILITY_IAM"]  # for roles, which have no names of their own
        change(StackName=self._name, TemplateURL=address, Parameters=given, Capabilities=allowed)
        status = self._settled()
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), (status, self.failures())
        self.wanted = _wanted(template, parameters)
        for known in ("outputs", "resources"):
            self.__dict__.pop(known, None)

    def _settled(self) -> str:
        deadline = time.monotonic() + SECONDS
        while (status := self._described()["StackStatus"]).endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"The stack is still {status}."
            time.sleep(0.05)
        return str(status)

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = self._formation.describe_stacks(StackName=self._name)["Stacks"][0]
        return described

    def failures(self) -> list[str]:
        """List what could not be made, and why."""
        events = self._formation.describe_stack_events(StackName=self._name)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed]

    # -- what there is ------------------------------------------------------------------------------------

    @cached_property
    def outputs(self) -> dict[str, str]:
        """What the stack tells its operator."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._described()["Outputs"]}

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """All resources by their names in the template."""
        pages = self._formation.get_paginator("list_stack_resources").paginate(StackName=self._name)
        return {row["LogicalResourceId"]: row for page in pages for row in page["StackResourceSummaries"]}

    def name_of(self, resource: str) -> str:
        """Return what a resource of the template is called in the region."""
        return str(self.resources[resource]["PhysicalResourceId"])

    def function(self, resource: str) -> dict[str, Any]:
        """Describe a function."""
        answer = self.region.client("lambda").get_function_configuration(FunctionName=self.name_of(resource))
        return dict(answer)

    def said(self) -> list[str]:
        """Read what functions wrote into their logs."""
        logs = self.region.client("logs")
        groups = [
            row["PhysicalResourceId"]
            for row in self.resources.values()
            if row["ResourceType"] == "AWS::Logs::LogGroup"
        ]
        return [
            event["message"]
            for name in groups
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)
            for event in page["events"]
        ]

    def errors(self) -> str:
        """Read the errors among it, for whoever looks why a test failed."""
        wrong = [line for line in self.said() if "ERROR" in line or "Traceback" in line]
        return "\n".join(wrong).replace("\\n", "\n")

    def eventually(self, happened: Callable[[], object]) -> None:
        """Wait until functions have done something; fail after the deadline with what they wrote."""
        try:
            eventually(happened, SECONDS / 2)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.errors()}") from None

    @property
    def environment(self) -> dict[str, str]:
        """What a function's environment says of the shop, and what leads an operator's command there."""
        told: dict[str, str] = self.function("RunStaffJobs")["Environment"]["Variables"]
        return told | self.region.environment

    # -- what happens in it -------------------------------------------------------------------------------

    def here(self, address: str) -> str:
        """Return where an address of the shop on AWS is answered on this machine."""
        inside = address.removeprefix(self.outputs["ShopUrl"].removesuffix("/api"))
        assert inside.startswith("/api/"), address
        return f"{self.region.endpoint_url}/_aws/execute-api/{self.name_of('RestAPI')}{inside}"

    def handle(self, method: str, target: str, headers: Message, body: bytes) -> Response:
        """Send a request to the API, stage included; its address on AWS is that of the output, without the host."""
        return self.region.send(method, f"/_aws/execute-api/{self.name_of('RestAPI')}{target}", headers, body)

    def operate(self, *command: str, typed: str = "") -> None:
        """Run one of the operator's commands on the shop."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            input=typed,
            env={"PATH": os.environ["PATH"], **self.environment},
            cwd=build.PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def invoke(self, function: str, event: Any) -> tuple[Any, str | None]:
        """Call a function by its name in the region; return its answer, and the kind of error if it is one."""
        answer = self.region.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        return json.load(answer["Payload"]), answer.get("FunctionError")

    def _stop_the_clocks(self) -> None:
        events = self.region.client("events")
        for name, row in self.resources.items():
            if row["ResourceType"] == "AWS::Events::Rule":
                rule = events.describe_rule(Name=self.name_of(name))
                if "ScheduleExpression" in rule:
                    self.schedules[rule["Name"]] = rule
                    events.disable_rule(Name=rule["Name"])

    @contextmanager
    def on_schedule(self, function: str) -> Iterator[None]:
        """Let a function's schedule run, with five minutes between its runs; a minute lasts a second here."""
        events = self.region.client("events")
        rule = self.rule_of(function)
        events.put_rule(Name=rule, ScheduleExpression="rate(5 minutes)", State="ENABLED")
        try:
            yield
        finally:
            events.disable_rule(Name=rule)

    def rule_of(self, function: str) -> str:
        """Return the name of the rule that calls a function."""
        (rule,) = (name for name in self.schedules if self._targets(name) == [self.name_of(function)])
        return rule

    def _targets(self, rule: str) -> list[str]:
        targets = self.region.client("events").list_targets_by_rule(Rule=rule)["Targets"]
        return [target["Arn"].rpartition(":")[2] for target in targets]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Read a whole table, in DynamoDB's own form."""
        rows: list[dict[str, Any]] = self.region.client("dynamodb").scan(TableName=f"{NAME}-{table}")["Items"]
        return rows
