"""The bucket that keeps packages, each under the hash of its content, for deployments and rollbacks."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # installed with Chalice; its types are in a separate package
from botocore.exceptions import ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of
from infra.aws.cloudformation.stack import BUCKET, TABLE
from infra.aws.package.build import PlainDumper, read_template, zips

NAMES = {TABLE: "TableName", BUCKET: "BucketName"}


@dataclass(frozen=True)
class Stored:
    """What was uploaded: the template's URL, and its parameters with their defaults."""

    template_url: str
    defaults: Mapping[str, str]


def bucket_of(account: Account) -> str:
    """Return the bucket's name: one bucket per account and region, for all stages."""
    return f"awning-artifacts-{account.number}-{account.region}"


def store(account: Account, built: Path, names: Mapping[str, str]) -> Stored:
    """Upload what `make package` built, unless it exists; return the template's URL. Raises DeployError.

    `names` are the names of resources to take over, written into the template, as CloudFormation requires.
    """
    s3 = account.client("s3")
    bucket = bucket_of(account)
    make_bucket(s3, account, bucket)
    template = read_template(built / "sam.yaml")
    for properties, name in zips(template):
        file = built / properties[name]
        properties[name] = {"Bucket": bucket, "Key": _keep(s3, account, bucket, file.read_bytes(), file.name)}
    for key, name in names.items():
        resource = template["Resources"][key]
        resource["Properties"][NAMES[resource["Type"]]] = name
    defaults = {name: str(facts.get("Default", "")) for name, facts in template["Parameters"].items()}
    text = yaml.dump(template, Dumper=PlainDumper, allow_unicode=True, width=110)
    return Stored(store_template(account, text), defaults)


def store_template(account: Account, text: str) -> str:
    """Upload a template, unless it exists; return its URL."""
    s3, bucket = account.client("s3"), bucket_of(account)
    key = _keep(s3, account, bucket, text.encode(), "sam.yaml")
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def missing_zips(account: Account, text: str) -> list[str]:
    """Return the zips of a deployed template that no longer exist. Raises ClientError."""
    s3 = account.client("s3")
    named = [properties[name] for properties, name in zips(yaml.safe_load(text))]
    places = {(one["Bucket"], one["Key"]) for one in named if isinstance(one, dict)}
    return [key for bucket, key in sorted(places) if not _has(s3, account, bucket, key)]


def make_bucket(s3: Any, account: Account, bucket: str) -> None:
    """Create the bucket if it is missing: private, versioned, TLS only.

    Raises DeployError if it belongs to another account.
    """
    if not _is_there(s3, account, bucket):
        place = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    elif policy_of(s3, bucket):  # it is created last: an interrupted run left none
        return
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_only_over_tls(bucket)))


def _is_there(s3: Any, account: Account, bucket: str) -> bool:
    try:
        # Its name can be guessed: whoever created it elsewhere first would receive our packages.
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account.number)
    except s3.exceptions.ClientError as error:
        if code_of(error) in ("404", "NoSuchBucket"):
            return False
        raise DeployError(
            f"The bucket {bucket} exists, but belongs to another account or is not accessible."
        ) from error
    return True


def policy_of(s3: Any, bucket: str) -> str:
    """Return a bucket's policy; "" if it has none."""
    try:
        return str(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if code_of(error) == "NoSuchBucketPolicy":
            return ""
        raise


def _only_over_tls(bucket: str) -> dict[str, Any]:
    statement = {
        "Sid": "OnlyEncryptedConnections",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _keep(s3: Any, account: Account, bucket: str, content: bytes, name: str) -> str:
    key = f"{hashlib.sha256(content).hexdigest()}/{name}"
    if not _has(s3, account, bucket, key):
        s3.put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=account.number)
    return key


def _has(s3: Any, account: Account, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=account.number)
    except s3.exceptions.ClientError as error:
        if code_of(error) not in ("404", "NoSuchKey"):
            raise
        return False
    return True
