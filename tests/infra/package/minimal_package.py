"""A package that is deployed in a moment: one thing of each kind that keeps data, and one function."""

import copy
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with Chalice; its types are a package of their own
from botocore.exceptions import ClientError

from infra.aws.aws_account import Account
from infra.aws.stage_config import Stage

STAGE = Stage(
    "trial",
    region="us-east-1",
    stack="awning-trial",
    parameters={"PayPalClientId": "client", "TablePrefix": "trial-"},
)
TEMPLATE: dict[str, Any] = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {
        "TablePrefix": {"Type": "String", "Default": "awning-"},
        "PublicUrl": {"Type": "String", "Default": ""},
        "PayPalApiUrl": {"Type": "String", "Default": "https://api-m.sandbox.paypal.com"},
        "PayPalClientId": {"Type": "String"},
        "PayPalWebhookId": {"Type": "String", "Default": ""},
        "Cdn": {"Type": "String", "Default": "no"},
        "KeptBooksBucket": {"Type": "String", "Default": ""},
    },
    "Conditions": {"Keeps": {"Fn::Not": [{"Fn::Equals": [{"Ref": "KeptBooksBucket"}, ""]}]}},
    "Resources": {
        "OrdersTable": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": {"Fn::Sub": "${TablePrefix}orders"},
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
        "BooksBucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BucketName": {"Fn::If": ["Keeps", {"Ref": "KeptBooksBucket"}, {"Ref": "AWS::NoValue"}]},
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
        "OrderEmailsQueue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": {"Fn::Sub": "${TablePrefix}order-emails"}},
        },
        "ExportBooks": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "CodeUri": "./deployment.zip",
                "Handler": "app.export_books",
                "Runtime": "python3.11",
                "Environment": {
                    "Variables": {
                        "TABLE_PREFIX": {"Ref": "TablePrefix"},
                        "BOOKS_BUCKET": {"Ref": "BooksBucket"},
                        "PUBLIC_URL": {"Ref": "PublicUrl"},
                        "PAYPAL_WEBHOOK_ID": {"Ref": "PayPalWebhookId"},
                    }
                },
            },
        },
    },
}


TABLES = {"OrdersTable": "trial-orders"}


def of_account(number: str) -> Stage:
    """Return the stage, bound to an account."""
    return replace(STAGE, account=number)


def of_parameter(name: str, value: str) -> Stage:
    """Return the stage with another parameter."""
    return replace(STAGE, parameters={**STAGE.parameters, name: value})


def of_prefix(prefix: str) -> Stage:
    """Return the stage with other names of tables."""
    return of_parameter("TablePrefix", prefix)


def of_address(address: str) -> Stage:
    """Return the stage with an address of its own."""
    return of_parameter("PublicUrl", address)


def deny_deleting(bucket: str) -> str:
    """Return a bucket's policy under which nobody deletes a book."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": f"arn:aws:s3:::{bucket}/books/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def knows_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CloudFormation tell whose a resource is, as AWS does; the local cloud's looks into a named stack alone."""
    client = Account(STAGE.region).client("cloudformation")

    def described(*, PhysicalResourceId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        for stack in client.describe_stacks()["Stacks"]:
            there = client.list_stack_resources(StackName=stack["StackId"])["StackResourceSummaries"]
            if any(one["PhysicalResourceId"] == PhysicalResourceId for one in there):
                return {"StackResources": [{**one, "StackName": stack["StackName"]} for one in there]}
        said = f"Stack for {PhysicalResourceId} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": said}}, "DescribeStackResources")

    monkeypatch.setattr(client, "describe_stack_resources", described)


def template(address: str) -> dict[str, Any]:
    """Return a template of one's own, whose outputs name this address."""
    whole = copy.deepcopy(TEMPLATE)
    outputs = {"ShopUrl": address, "WebhookUrl": f"{address}/webhooks/paypal"}
    return {**whole, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}


def write(out: Path, content: dict[str, Any], code: str = "") -> None:
    """Write a package as `make package` leaves one."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "sam.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("app.py"), f"def export_books(event, context):\n    return {code!r}\n"
        )
    (out / "deployment.zip").write_bytes(packed.getvalue())
