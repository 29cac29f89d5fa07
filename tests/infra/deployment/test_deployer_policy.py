"""What who deploys may do: as much as the tools ask AWS for, on the stage's own names."""

import copy
import fnmatch
import io
import json
import re
import sys
from typing import Any

import pytest

from infra.aws import deploy, paypal_secret, run_on_stage, stage_config, teardown
from infra.aws.aws_account import Account
from infra.aws.checks.smoke_test import Outcome
from infra.aws.cloudformation import adopt_resources, stack
from infra.aws.deploy import DeployOptions
from infra.aws.policies import deployer_policy, operator_policy
from tests.infra.package import minimal_package
from tests.infra.package.minimal_package import STAGE

pytestmark = pytest.mark.cloudformation

ACCOUNT = "123456789012"
PREFIXES = {"sesv2": "ses", "s3control": "s3"}
# S3 names its actions after something else than its operations.
S3 = {
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObjectVersion",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetPublicAccessBlock": "GetAccountPublicAccessBlock",
}
# What SAM makes of the template's functions.
OF_SAM = (
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
)
# What CloudFormation would ask for to make what this template does not have.
NOT_OURS = re.compile(
    r"(kms|ec2|elasticfilesystem|s3files|s3tables|kinesis|firehose):.*"  # keys and networks of one's own, streams
    r"|lambda:(GetCodeSigningConfig|PassCapacityProvider)|iam:CreateServiceLinkedRole|dynamodb:DescribeImport"
    r"|s3:(REST.*|GetObject(Version|Metadata)|PutObject(Acl|LockConfiguration)|DeleteBucket\w+|\w+Metadata\w*Table\w*)"
    r"|s3:Put(Analytics|Inventory|Metrics|Accelerate|Replication|IntelligentTiering)Configuration"
    r"|dynamodb:(Batch|Get|Put|Update|Delete)\w*Item|dynamodb:\w*(Replica|Kinesis|ResourcePolicy|Insights)\w*"
    r"|dynamodb:(ImportTable|Query)"
    r"|iam:(At|De)tach(Group|User)Policy|iam:UpdateRoleDescription|iam:\w+RolePermissionsBoundary"
)
# Actions that know no resource, by AWS's service authorization reference: nothing but * allows them.
NAMELESS = {
    *("acm:ListCertificates", "cloudfront:CreateCachePolicy", "cloudfront:CreateConnectionGroup"),
    *("cloudfront:CreateDistribution", "lambda:CreateEventSourceMapping", "lambda:GetAccountSettings"),
    *(
        "logs:CreateLogDelivery",
        "logs:DeleteIndexPolicy",
        "logs:DeleteResourcePolicy",
        "logs:DescribeIndexPolicies",
    ),
    *(
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:PutIndexPolicy",
        "logs:PutResourcePolicy",
    ),
    *("route53:ListHostedZones", "s3:GetAccountPublicAccessBlock", "s3:ListAllMyBuckets"),
    *("ses:GetAccount", "sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"),
    "sts:GetCallerIdentity",
}
HERE = f"us-east-1:{ACCOUNT}"
# What the stage's own are called at AWS, by the beginning of the actions upon them; the longest beginning that fits holds.
NAMED = {
    "acm:": [f"arn:aws:acm:{HERE}:certificate/1"],
    "apigateway:": ["arn:aws:apigateway:us-east-1::/restapis/a1b2c3"],
    "cloudformation:": [f"arn:aws:cloudformation:{HERE}:stack/awning-trial/1"],
    "cloudfront:": [f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"],
    "cloudwatch:": [f"arn:aws:cloudwatch:{HERE}:alarm:trial-pages-fail"],
    "cloudwatch:PutDashboard": [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/trial-shop"],
    "cloudwatch:GetDashboard": [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/trial-shop"],
    "cloudwatch:DeleteDashboards": [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/trial-shop"],
    "dynamodb:": [f"arn:aws:dynamodb:{HERE}:table/trial-orders"],
    "events:": [f"arn:aws:events:{HERE}:rule/awning-trial-MailReturnedRule-A1"],
    "iam:": [f"arn:aws:iam::{ACCOUNT}:role/awning-trial-ApiRole-A1"],
    "lambda:": [f"arn:aws:lambda:{HERE}:function:awning-trial-APIHandler-A1"],
    "logs:": [f"arn:aws:logs:{HERE}:log-group:awning-trial-ApiLog-A1:*"],
    "route53:": ["arn:aws:route53:::hostedzone/Z1"],
    "s3:": ["arn:aws:s3:::awning-trial-booksbucket-a1"],
    "ses:": [f"arn:aws:ses:{HERE}:configuration-set/trial-mail"],
    "sns:": [f"arn:aws:sns:{HERE}:awning-trial-AlarmTopic-A1"],
    "sqs:": [f"arn:aws:sqs:{HERE}:trial-order-emails"],
    "ssm:": [f"arn:aws:ssm:{HERE}:parameter/awning/paypal-client-secret"],
    **{
        f"iam:{action}": [f"arn:aws:iam::{ACCOUNT}:policy/awning-trial-FinancePolicy-A1"]
        for action in (
            *("CreatePolicy", "DeletePolicy", "GetPolicy", "ListPolicyVersions", "ListEntitiesForPolicy"),
            *("CreatePolicyVersion", "DeletePolicyVersion", "GetPolicyVersion"),
        )
    },
    **{
        f"lambda:{action}": [f"arn:aws:lambda:{HERE}:layer:PicturesLayer0123456789:1"]
        for action in ("PublishLayerVersion", "GetLayerVersion", "DeleteLayerVersion")
    },
    **{
        f"lambda:{action}": [f"arn:aws:lambda:{HERE}:event-source-mapping:1"]
        for action in ("GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping")
    },
    **{
        f"lambda:{action}": [
            f"arn:aws:lambda:{HERE}:function:awning-trial-APIHandler-A1",
            f"arn:aws:lambda:{HERE}:event-source-mapping:1",
        ]
        for action in ("ListTags", "TagResource", "UntagResource")
    },
    **{
        f"s3:{action}": [f"arn:aws:s3:::awning-artifacts-{ACCOUNT}-us-east-1/ab/sam.yaml"]
        for action in (
            "GetObject",
            "PutObject",
            "DeleteObject",
            "DeleteObjectVersion",
            "AbortMultipartUpload",
        )
    },
}
Statement = dict[str, Any]


def statements() -> list[Statement]:
    found: list[Statement] = json.loads(deployer_policy.policy(STAGE, ACCOUNT))["Statement"]
    return found


def allows(action: str) -> bool:
    """Return whether an action is allowed on all of the stage's own that AWS asks about, or on * where it knows none."""
    given = [
        resource
        for statement in statements()
        if any(fnmatch.fnmatchcase(action, one) for one in statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    if action in NAMELESS:
        return "*" in given
    wanted = NAMED[max((one for one in NAMED if action.startswith(one)), key=len)]
    return all(any(fnmatch.fnmatchcase(name, one) for one in given) for name in wanted)


def listed(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


@pytest.fixture
def asked(aws: object, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what the tools ask for, as IAM names it, from now on."""
    found: set[str] = set()
    make = Account.client

    def client(self: Account, service: str) -> Any:
        made = make(self, service)

        def note(model: Any, **_: object) -> None:
            name = S3.get(model.name, model.name) if service.startswith("s3") else model.name
            found.add(f"{PREFIXES.get(service, service)}:{name}")

        made.meta.events.register("before-call.*.*", note)
        return made

    monkeypatch.setattr(Account, "client", client)
    return found


def test_the_tools_ask_for_nothing_that_the_policy_does_not_allow(
    asked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(adopt_resources, "tables_of", lambda stage: minimal_package.TABLES)
    monkeypatch.setattr(deploy, "smoke", lambda address, echo: Outcome())
    whole = minimal_package.template("http://shop.test")
    monkeypatch.setattr(deploy, "build", lambda arch, out: minimal_package.write(out, copy.deepcopy(whole)))
    account = Account(STAGE.region)
    paypal_secret.keep(account.client("ssm"), paypal_secret.DEFAULT, "s" * 80)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    deploy.deploy(STAGE, DeployOptions(), lambda _: None)
    asked_before = asked.copy()
    asked.clear()
    run_on_stage.environment_of(minimal_package.of_account(account.number))
    finds = operator_policy.policy(STAGE, ACCOUNT)["Statement"][:3]
    assert asked == {action for statement in finds for action in statement["Action"]}
    asked |= asked_before
    monkeypatch.setattr(sys, "stdin", io.StringIO("awning-trial\n"))
    teardown.teardown(STAGE, False, lambda _: None)
    deploy.deploy(STAGE, DeployOptions(), lambda _: None)  # takes over the empty table
    adopt_resources.must_be_nobodys(account, ["trial-orders"])
    lose = "lose 0 rows in 1 tables and 0 files in 1 buckets"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"awning-trial\n{lose}\n"))
    teardown.teardown(STAGE, True, lambda _: None)

    assert {"cloudformation:ExecuteChangeSet", "dynamodb:DeleteTable", "ssm:PutParameter"} <= asked
    assert {action for action in asked if not allows(action)} == set()


def test_what_cloudformation_asks_for_in_its_name_is_allowed() -> None:
    # Imported here: it takes a second, and each of pytest's workers imports every test.
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it has none

    declared = {one["Type"] for one in stage_config.declared()["Resources"].values() if "Type" in one}
    kinds = {kind for kind in declared if "::Serverless::" not in kind} | {*OF_SAM}
    for kind in sorted(kinds):
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers", {})
        needed = {
            action for one in ("create", "update") for action in handlers.get(one, {}).get("permissions", ())
        }
        needed = {action for action in needed if not NOT_OURS.fullmatch(action)}
        # It reads all there is to know, and not only what the template says.
        for one in ("read", "delete"):
            asks = handlers.get(one, {}).get("permissions", ())
            needed |= {action for action in asks if not re.match(r"kms:|ec2:|iam:Detach(Group|User)", action)}
        assert {action for action in needed if not allows(action)} == set(), kind


def test_what_knows_no_resource_is_allowed_on_all_and_what_knows_one_not_elsewhere() -> None:
    """Guards `allows`, which else could not say no."""
    assert allows("logs:PutIndexPolicy")
    assert allows("sns:Unsubscribe")
    assert allows("lambda:UpdateFunctionCode")
    assert not allows("s3:PutObjectAcl")
    for name, action in (("lambda:", "lambda:UpdateFunctionCode"), ("sqs:", "sqs:DeleteQueue")):
        others = [arn.replace("trial", "other") for arn in NAMED[name]]
        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.setitem(NAMED, name, others)
            assert not allows(action)


def test_the_first_domain_of_an_account_may_make_api_gateways_own_role() -> None:
    made = next(one for one in statements() if "iam:CreateServiceLinkedRole" in one["Action"])
    assert made["Resource"].endswith(":role/aws-service-role/ops.apigateway.amazonaws.com/*")
    assert made["Condition"] == {"StringEquals": {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}}


def test_it_is_about_this_stage_alone_where_aws_knows_names() -> None:
    for statement in statements():
        for resource in listed(statement["Resource"]):
            if statement["Sid"] not in ("LookAround", "WithoutNamesOfTheirOwn"):
                assert re.search(rf"{STAGE.stack}|trial-|{ACCOUNT}|aws:transform", resource), resource


def test_it_fits_into_one_policy_of_iams() -> None:
    text = deployer_policy.policy(STAGE, ACCOUNT)
    assert len(re.sub(r"\s", "", text)) <= 6144
    assert not re.search(r"ACCOUNT|REGION|STACK|PREFIX|SECRET", text)


def test_it_is_printed_for_a_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deployer_policy, "read_stage", lambda name: minimal_package.of_account(ACCOUNT))
    assert deployer_policy.main(["trial"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(deployer_policy.policy(STAGE, ACCOUNT))
