"""A CloudFormation stack: its resources, how it is changed, followed and deleted."""

import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.aws_errors import DeployError, code_of, explain
from infra.aws.cloudformation.stack_events import KINDS, Event, Progress, name_of, remedies, why

POLL_SECONDS = 3.0
CHANGE_SET_SECONDS = 300.0
OPERATION_SECONDS = 3600.0
WATCHED_MINUTES = 5  # how long CloudFormation watches the alarms after a change; the operator waits for it
TABLE, BUCKET, QUEUE = KEEPS_DATA = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue")
# Properties whose change replaces a resource. Not AttributeDefinitions, which every new index changes: CloudFormation
# calls that conditional, and refuses to replace resources with fixed names, such as tables and queues.
IDENTITY = {"TableName", "KeySchema", "BucketName", "QueueName", "FifoQueue"}
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# A failed creation leaves a stack that can only be deleted.
STILLBORN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
LET_GO = ("DELETE_COMPLETE", "DELETE_SKIPPED")
WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
NOT_YET = ("", "REVIEW_IN_PROGRESS")
MASK = "****"  # CloudFormation's placeholder for a parameter with NoEcho
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation would do."""

    arn: str
    changes: list[dict[str, Any]]

    def dangers(self, new: Collection[str] = ()) -> list[str]:
        """List the tables, buckets and queues that would be replaced or leave the stack, except for `new` ones."""
        return [
            f"{name_of(change)} would be {fate}"
            for change in self.changes
            if change["ResourceType"] in KEEPS_DATA
            and (fate := _fate(change))
            and change["LogicalResourceId"] not in new
        ]

    def adds(self) -> set[str]:
        """Return the resources that would be created."""
        return {change["LogicalResourceId"] for change in self.changes if change["Action"] == "Add"}

    def imports(self) -> set[str]:
        """Return the existing resources that would be taken over."""
        return {change["LogicalResourceId"] for change in self.changes if change["Action"] == "Import"}

    def summary(self) -> str:
        """Return how many resources are created, changed and removed, in one line."""
        words = {"Add": "to create", "Modify": "to change", "Remove": "to remove", "Import": "to take over"}
        counts = {action: sum(change["Action"] == action for change in self.changes) for action in words}
        return ", ".join(f"{count} {words[action]}" for action, count in counts.items() if count)


def _fate(change: Mapping[str, Any]) -> str:
    if change["Action"] == "Remove":
        return "removed from the stack"
    if change.get("Replacement") == "True":
        return "replaced by an empty one"
    details = change.get("Details") or []
    perhaps = {detail["Target"].get("Name") for detail in details} & IDENTITY
    return (
        "perhaps replaced by an empty one" if change.get("Replacement") == "Conditional" and perhaps else ""
    )


def parameter(key: str, value: str) -> dict[str, Any]:
    """Return a parameter in CloudFormation's format."""
    kept = value == MASK  # a secret that CloudFormation has and does not show
    return {"ParameterKey": key, **({"UsePreviousValue": True} if kept else {"ParameterValue": value})}


def new_token() -> str:
    """Return a token that CloudFormation adds to an operation's events."""
    return uuid.uuid4().hex


class Stack:
    """A stack by its name, which may not exist yet."""

    def __init__(self, name: str, client: Any, echo: Callable[[str], None]) -> None:
        self.name = name
        self._client = client
        self._echo = echo

    # -- looking --------------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        """Return its description; empty if it does not exist."""
        try:
            stacks: list[dict[str, Any]] = self._client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return {}
            raise
        return stacks[0]

    def status(self) -> str:
        """Return its status, as CloudFormation names it; "" if it does not exist."""
        return str(self.described().get("StackStatus", ""))

    def parameters(self) -> dict[str, str]:
        """Return the parameters it has now."""
        there = self.described().get("Parameters", [])
        return {one["ParameterKey"]: one.get("ParameterValue", "") for one in there}

    def outputs(self) -> dict[str, str]:
        """Return its outputs."""
        return {one["OutputKey"]: one["OutputValue"] for one in self.described().get("Outputs", [])}

    def template(self) -> str:
        """Return the template it was last given, unchanged."""
        body = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body)

    def resources(self) -> list[dict[str, Any]]:
        """List its resources that exist."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = [one for page in pages for one in page["StackResourceSummaries"]]
        return [one for one in found if one["ResourceStatus"] not in LET_GO]

    def logical_ids(self) -> set[str]:
        """Return the logical IDs of its resources that exist."""
        return {one["LogicalResourceId"] for one in self.resources()}

    def physical(self, logical: str) -> str:
        """Return the real name of a resource."""
        answer = self._client.describe_stack_resource(StackName=self.name, LogicalResourceId=logical)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    # -- changing -------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Wait until no operation is in progress, and print its progress. Raises DeployError."""
        there = self.described()
        status = there.get("StackStatus", "")
        if status.endswith("_IN_PROGRESS") and status not in NOT_YET:
            self._echo(f"{self.name} is being changed. Waiting for that to finish:")
            by_id = self._by_id(there)
            by_id._follow(Progress(self._echo), seen=set(by_id._event_ids()))

    def ready(self) -> bool:
        """Bring it into a state that can be changed; return whether it exists. Raises DeployError."""
        self.wait()
        status = self.status()
        if status in STILLBORN:
            self._echo(f"An earlier creation of {self.name} failed. Deleting its remains first:")
            self.delete()
        elif status in ("UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"):
            raise DeployError(_stuck(self.name, status))
        return self.status() not in NOT_YET

    def prepare(
        self,
        parameters: Mapping[str, str],
        template_url: str = "",
        adopted: Collection[str] = (),
        alarms: Collection[str] = (),
    ) -> ChangeSet | None:
        """Create a change set; None if nothing would change. Without a URL, it uses the current template.

        `adopted` are existing resources to take over. If one of the `alarms` goes off during the change or some
        minutes later, everything is rolled back. Raises DeployError, also if something to take over would be created.
        """
        exists = self.status() not in NOT_YET
        template: dict[str, Any] = (
            {"TemplateURL": template_url} if template_url else {"UsePreviousTemplate": True}
        )
        arn = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{uuid.uuid4().hex}",
            ChangeSetType="UPDATE" if exists else "CREATE",
            Parameters=[parameter(key, value) for key, value in parameters.items()],
            Capabilities=CAPABILITIES,
            # Always given: otherwise a stack keeps the alarms of the previous change.
            RollbackConfiguration={
                "RollbackTriggers": [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in alarms],
                "MonitoringTimeInMinutes": WATCHED_MINUTES if alarms else 0,
            },
            **template,
            # Without validation, since that would report the names of the resources to take over as taken.
            **({"ImportExistingResources": True, "DisableValidation": True} if adopted else {}),
        )["Id"]
        change_set = self._made(arn)
        if change_set and (missed := set(adopted) - change_set.imports()):
            self.drop(arn)
            raise DeployError(
                f"CloudFormation would not import {', '.join(sorted(missed))}. Nothing was changed."
            )
        return change_set

    def _made(self, arn: str) -> ChangeSet | None:
        deadline = time.monotonic() + CHANGE_SET_SECONDS
        while True:
            pages = list(self._client.get_paginator("describe_change_set").paginate(ChangeSetName=arn))
            status, reason = pages[0]["Status"], pages[0].get("StatusReason") or ""
            if status == "CREATE_COMPLETE":
                return ChangeSet(arn, [one["ResourceChange"] for page in pages for one in page["Changes"]])
            if status == "FAILED" and any(words in reason for words in NO_CHANGES):
                self.drop(arn)
                return None
            if status == "FAILED":
                faults = self._faults(reason, ChangeSetName=arn)
                self.drop(arn)
                raise DeployError(
                    "\n".join([f"CloudFormation cannot do this: {reason}", *faults, *remedies(reason)])
                )
            if time.monotonic() > deadline:
                raise DeployError(
                    f"CloudFormation did not return its planned changes: {status}. Run the command again."
                )
            time.sleep(POLL_SECONDS)

    def drop(self, arn: str) -> None:
        """Delete a change set."""
        self._client.delete_change_set(ChangeSetName=arn)

    def execute(self, change_set: ChangeSet) -> None:
        """Execute it, and print its progress until it ends. Raises DeployError."""
        creates = self.status() in NOT_YET and not change_set.imports()
        seen = set(self._event_ids())
        # A failed creation removes what it created, although its deletion policy is to retain. AWS does not promise
        # to spare what was taken over.
        token = self._begin(change_set, RetainExceptOnCreate=creates)
        progress = Progress(self._echo, len(change_set.changes))
        status = self._follow(progress, seen, token)
        if status not in WELL:
            faults = self._faults(str(progress.failures), StackName=self.name)
            failures = why(progress.failures or progress.taken_back)
            raise DeployError(_what_failed(self.name, status, [*failures, *faults]))

    def _begin(self, change_set: ChangeSet, **how: Any) -> str:
        token = new_token()
        try:
            self._client.execute_change_set(ChangeSetName=change_set.arn, ClientRequestToken=token, **how)
        except ClientError as error:
            if code_of(error) in ("InvalidChangeSetStatus", "ChangeSetNotFound"):
                raise DeployError(f"Someone else has changed {self.name}. Run the command again.") from error
            raise DeployError(explain(error)) from error
        return token

    def protect(self, on: bool) -> None:
        """Switch termination protection on or off."""
        self._client.update_termination_protection(StackName=self.name, EnableTerminationProtection=on)

    def delete(self) -> None:
        """Delete it, and print the progress; what its template retains stays. Raises DeployError."""
        there = self.described()
        if not there:
            return
        by_id = self._by_id(there)
        seen = set(by_id._event_ids())
        if there.get("EnableTerminationProtection"):
            self.protect(False)
        token = new_token()
        self._client.delete_stack(StackName=there["StackId"], ClientRequestToken=token)
        progress = Progress(self._echo)
        if by_id._follow(progress, seen, token) != "DELETE_COMPLETE":
            raise DeployError(
                "\n".join([f"{self.name} could not be deleted:", *why(progress.failures), _AGAIN])
            )

    def _faults(self, reason: str, **where: str) -> list[str]:
        """Return what CloudFormation's validation found, if its reason only refers to that."""
        if "DescribeEvents" not in reason:
            return []
        try:
            pages = self._client.get_paginator("describe_events").paginate(**where)
            events = [event for page in pages for event in page["OperationEvents"]]
        except ClientError as error:  # the reason alone must do
            return [f"  ({explain(error)})"]
        latest = [event for event in events if event["OperationId"] == events[0]["OperationId"]]
        faults = [event for event in latest if event.get("ValidationStatus") == "FAILED"]
        reasons = {f"  {name_of(event)}: {event.get('ValidationStatusReason', '')}": None for event in faults}
        return [*reasons, *remedies(" ".join(reasons))]

    def _by_id(self, there: Mapping[str, Any]) -> "Stack":
        # A deleted stack is not found by its name.
        return Stack(there["StackId"], self._client, self._echo)

    # -- following ------------------------------------------------------------------------------------

    def _follow(self, progress: Progress, seen: set[str], token: str = "") -> str:
        # An operation that was just requested may not have begun: until an event has its token, the status is that of
        # the one before.
        deadline, began = time.monotonic() + OPERATION_SECONDS, not token
        while True:
            status = self.status()  # before the events, so that the last ones are printed, too
            ended = began and not status.endswith("_IN_PROGRESS")
            for event in self._news(seen):
                progress.see(event)
                began = began or event.get("ClientRequestToken") == token
            if ended:
                return status
            if time.monotonic() > deadline:
                raise DeployError(
                    f"{self.name} has been {status} for an hour. Run the command again to keep watching."
                )
            time.sleep(POLL_SECONDS)

    def _news(self, seen: set[str]) -> list[Event]:
        # Pages of events, newest first: those read before are not read again.
        news: list[Event] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self.name):
            fresh = [event for event in page["StackEvents"] if event["EventId"] not in seen]
            news += fresh
            if len(fresh) < len(page["StackEvents"]):
                break
        seen.update(event["EventId"] for event in news)
        return news[::-1]

    def _event_ids(self) -> list[str]:
        try:
            pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.name)
            return [event["EventId"] for page in pages for event in page["StackEvents"]]
        except ClientError as error:
            if "does not exist" in str(error):
                return []
            raise


_AGAIN = "Fix it and run the command again; it continues where it stopped."


def _what_failed(name: str, status: str, failures: list[str]) -> str:
    back = {
        "UPDATE_ROLLBACK_COMPLETE": "CloudFormation rolled everything back: the shop runs as before.",
        "ROLLBACK_COMPLETE": "CloudFormation removed what it had created.",
        "ROLLBACK_FAILED": "CloudFormation removed most of what it had created; the next attempt removes the rest.",
    }
    end = back.get(status, _stuck(name, status))
    return "\n".join([f"{name} could not be deployed. First failures:", *failures, end, _AGAIN])


def _stuck(name: str, status: str) -> str:
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"{name} could not be rolled back ({status}). Fix what its events report, then run\n"
            f"  aws cloudformation continue-update-rollback --stack-name {name}\n"
            "and deploy again once its status is UPDATE_ROLLBACK_COMPLETE."
        )
    if status == "DELETE_FAILED":
        return f"{name} is partly deleted ({status}). Run make teardown again first."
    return f"{name} ended with the status {status}."


__all__ = ["KINDS", "ChangeSet", "Stack"]
