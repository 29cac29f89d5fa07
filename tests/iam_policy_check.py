"""What AWS would refuse: the local cloud knows no policies, so tests hold each call against the function's own file.

Within `watched()`, whatever pages and event functions ask of DynamoDB, S3, SQS, SES and SSM is compared with their
policies in .chalice; what is not allowed there is listed. What a test does itself is not looked at. What is allowed and
asked for is remembered, so that at the end of all tests `spare` can tell what no function needs.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from botocore.signers import RequestSigner, S3PostPresigner

from infra.aws.package import build
from infra.aws.policies import operator_policy
from infra.local import api_gateway, event_functions
from tests.fault_injection.aws_calls import AwsCall, Send, intercepted

ROOT = Path(__file__).parents[1]
API = "api_handler"
OPERATOR = "operator"
WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
# S3 names some actions after something else than the operation.
S3_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListObjectsV2": "ListBucket",
}
# What others ask for in a function's name: its own log, X-Ray, and Lambda, which takes messages for it.
NOT_ASKED_BY_CODE = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}
TAKES_MESSAGES = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
_FINDS_THE_STAGE = re.compile(r"\*|arn:")
Need = tuple[str, str]  # an action, and the resource as the policies name it: OrdersTable/index/by-placed
Line = tuple[str, str, str]  # a function, an action, and the resource as its policy names it, with its stars
refused: list[str] = []  # what was asked for within `watched()`, and is not allowed
used: set[Line] = set()  # what was asked for, and is
_actor: ContextVar[str | None] = ContextVar("actor", default=None)


class Policies:
    """What each function may ask for, read from .chalice and the template that the policies refer to."""

    def __init__(self) -> None:
        config = json.loads((ROOT / ".chalice/config.json").read_text("utf-8"))
        self._allowed = {
            function: list(statements(ROOT / ".chalice" / settings["iam_policy_file"]))
            for function, settings in config["lambda_functions"].items()
        }
        # How its commands find the stage is no part of them.
        self._allowed[OPERATOR] = [
            one for one in statements(operator_policy.FILE) if not _FINDS_THE_STAGE.match(one[1])
        ]
        self._names: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        for resource, facts in build.merged(ROOT)["Resources"].items():
            properties = facts.get("Properties", {})
            name = properties.get("TableName") or properties.get("QueueName")
            if name:
                self._names[name["Fn::Sub"].removeprefix("${TablePrefix}")] = resource
            elif function := properties.get("FunctionName", {}).get("Fn::Sub"):  # by which it is called
                self._functions[resource] = f"function/{function.removeprefix('${TablePrefix}')}"
        for actor, lines in self._allowed.items():
            self._allowed[actor] = [(actions, self._functions.get(name, name)) for actions, name in lines]

    def refusals(self, actor: str, service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[str]:
        """Return what of a call a function's policy does not allow."""
        allowed = self._allowed.get(actor)
        if allowed is None:
            return  # a function of a test's own app
        for action, resource in self._needs(service, operation, asked):
            lines = {name for actions, name in allowed if action in actions and _fits(name, resource)}
            used.update((actor, action, name) for name in lines)
            if not lines:
                yield f"{actor} may not {action} on {resource}"

    def spare(self) -> list[Line]:
        """List what functions may ask for and never did; where nothing ran, that is nearly everything."""
        lines = {
            (function, action, name)
            for function, allowed in self._allowed.items()
            for actions, name in allowed
            for action in actions - NOT_ASKED_BY_CODE - self._taken_by_lambda(actions, name)
        }
        return sorted(lines - used)

    def _taken_by_lambda(self, actions: set[str], name: str) -> set[str]:
        if name.endswith("DeadLetters") and actions == {"sqs:SendMessage"}:
            return actions  # it keeps what an asynchronous invocation failed at
        queues = {resource for plain, resource in self._names.items() if f"{plain}-dlq" in self._names}
        return TAKES_MESSAGES if name in queues and actions >= TAKES_MESSAGES else set()

    def _needs(self, service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[Need]:
        if service == "dynamodb":
            yield from self._needs_of_tables(operation, asked)
        elif service == "s3":
            bucket = "MediaBucket" if asked["Bucket"].endswith("media") else "BooksBucket"
            action = S3_ACTIONS.get(operation, operation)
            yield f"s3:{action}", bucket if action == "ListBucket" else f"{bucket}/{asked['Key']}"
        elif service == "sqs":
            name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
            plain = name.removeprefix(os.environ.get("TABLE_PREFIX", ""))
            if plain in event_functions.CALLED_LATER.values():  # which stands in for Lambda's own queue
                yield "lambda:InvokeFunction", f"function/{plain}"
                return
            # The address is asked for once a process, which in tests is that of other functions, too.
            for action in {operation.removesuffix("Batch"), "GetQueueUrl"}:
                yield f"sqs:{action}", self._resource(name)
        elif service == "ssm":
            yield f"ssm:{operation}", "PayPalClientSecretParameter"
        elif service == "sesv2":
            yield "ses:SendEmail", "identity"
            yield "ses:SendEmail", "configuration-set"  # which on AWS each mail names

    def _needs_of_tables(self, operation: str, asked: Mapping[str, Any]) -> Iterator[Need]:
        if operation == "TransactWriteItems":
            for item in asked["TransactItems"]:
                ((kind, write),) = item.items()
                yield f"dynamodb:{WRITES[kind]}", self._resource(write["TableName"])
        elif "RequestItems" in asked:
            for table in asked["RequestItems"]:
                yield f"dynamodb:{operation}", self._resource(table)
        else:
            index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
            yield f"dynamodb:{operation}", self._resource(asked["TableName"]) + index

    def _resource(self, name: str) -> str:
        plain = name.removeprefix(os.environ.get("TABLE_PREFIX", ""))
        return self._names.get(plain, plain)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Compare the calls of pages and functions with their policies; yield the list of what AWS would refuse."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.aws import NOT_FOUND_CODES
    from chalicelib.payments.paypal import api_client

    policies = Policies()
    refused.clear()
    sign = RequestSigner.generate_presigned_url
    post, pay = S3PostPresigner.generate_presigned_post, api_client.Client.send
    submit = ThreadPoolExecutor.submit
    invoke, fire, handle = (
        event_functions._Queue._call,
        event_functions.Functions.fire,
        api_gateway.Gateway.handle,
    )

    def note(service: str, operation: str, asked: Mapping[str, Any]) -> None:
        actor = _actor.get()
        if actor is not None:
            refused.extend(policies.refusals(actor, service, operation, asked))

    def called(call: AwsCall, send: Send) -> Any:
        note(*call)
        try:
            return send(call.arguments)
        except ClientError as error:
            if call.service == "s3" and error.response["Error"]["Code"] in NOT_FOUND_CODES:
                note(
                    "s3", "ListObjectsV2", call.arguments
                )  # who may not list is told 403 of what is not there
            raise

    def paid(client: Any, *given: Any) -> Any:
        note("ssm", "GetParameter", {})  # the secret: asked for once a process, and in tests known
        return pay(client, *given)

    def signed(signer: Any, request_dict: dict[str, Any], operation_name: str, **more: Any) -> Any:
        _, bucket, key = urlsplit(request_dict["url"]).path.split("/", 2)
        note("s3", operation_name, {"Bucket": bucket, "Key": key})
        return sign(signer, request_dict=request_dict, operation_name=operation_name, **more)

    def signed_form(signer: Any, request_dict: dict[str, Any], fields: dict[str, Any], **more: Any) -> Any:
        bucket = urlsplit(request_dict["url"]).path.strip("/")
        note("s3", "PutObject", {"Bucket": bucket, "Key": fields["key"]})
        return post(signer, request_dict=request_dict, fields=fields, **more)

    def begun(pool: ThreadPoolExecutor, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
        return submit(pool, copy_context().run, work, *given, **more)  # a page's threads are the page

    def as_function(queue: Any, *given: Any) -> Any:
        with _as(queue._function_name):
            return invoke(queue, *given)

    def as_scheduled(functions: Any, name: str) -> Any:
        with _as(name):
            return fire(functions, name)

    def as_api(gateway: Any, *given: Any, **more: Any) -> Any:
        with _as(API):
            return handle(gateway, *given, **more)

    with (
        intercepted(called),
        mock.patch.object(RequestSigner, "generate_presigned_url", signed),
        mock.patch.object(S3PostPresigner, "generate_presigned_post", signed_form),
        mock.patch.object(ThreadPoolExecutor, "submit", begun),
        mock.patch.object(api_client.Client, "send", paid),
        mock.patch.object(event_functions._Queue, "_call", as_function),
        mock.patch.object(event_functions.Functions, "fire", as_scheduled),
        mock.patch.object(api_gateway.Gateway, "handle", as_api),
    ):
        yield refused


@contextmanager
def by_the_test() -> Iterator[None]:
    """Do in the midst of a request what the test does, not the page."""
    with _as(None):
        yield


@contextmanager
def by_the_operator() -> Iterator[None]:
    """Do what an operator does, with rights of their own."""
    with _as(OPERATOR):
        yield


@contextmanager
def _as(actor: str | None) -> Iterator[None]:
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def statements(file: Path) -> Iterator[tuple[set[str], str]]:
    """List what a policy allows, each with its resource; refuse what these tests would misread."""
    for statement in json.loads(file.read_text("utf-8"))["Statement"]:
        assert _is_plain(statement), f"{file.name}: {statement}"
        for resource in statement["Resource"]:
            yield set(statement["Action"]), _name(resource)


def _is_plain(statement: dict[str, Any]) -> bool:
    actions, resources = statement.get("Action"), statement.get("Resource")
    return (
        statement.keys() == {"Sid", "Effect", "Action", "Resource"}
        and statement["Effect"] == "Allow"
        and isinstance(actions, list)
        and isinstance(resources, list)
        and not any("*" in action for action in actions)
    )


def _name(resource: dict[str, Any] | str) -> str:
    """Turn `${BooksBucket.Arn}/books/*` into BooksBucket/books/*."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    text: str = resource["Fn::Sub"]
    if kind := re.search(r":(identity|configuration-set)/", text):
        return kind[1]
    if ":function:$" in text:
        return f"function/{text.partition('${TablePrefix}')[2]}"
    if ":parameter$" in text:
        return text.partition(":parameter${")[2].removesuffix("}")
    return re.sub(r"\$\{(\w+)\.Arn\}", r"\1", text)


def _fits(name: str, resource: str) -> bool:
    return re.fullmatch(re.escape(name).replace(r"\*", ".*"), resource) is not None
