"""Count what tables, buckets and queues contain, and delete them."""

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.aws_errors import DeployError, code_of

GONE = {
    "ResourceNotFoundException",
    "NoSuchBucket",
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
}
DENIED_SECONDS = 60.0  # a bucket's policy may apply for a while after it was deleted
PAUSE_SECONDS = 2.0
MAX_KEYS_PER_DELETE = 1000  # what S3 deletes in one call


def count_rows(dynamodb: Any, table: str) -> int | None:
    """Count a table's rows; None if it does not exist.

    By reading all keys: DynamoDB's own count may be six hours old, which is too old to confirm a deletion with.
    """
    try:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT")
        return sum(int(page["Count"]) for page in pages)
    except ClientError as error:
        if code_of(error) in GONE:
            return None
        raise


def count_files(s3: Any, bucket: str) -> int | None:
    """Count a bucket's objects and their older versions; None if it does not exist."""
    try:
        return sum(1 for _ in _versions(s3, bucket))
    except ClientError as error:
        if code_of(error) in GONE:
            return None
        raise


def count_messages(sqs: Any, queue: str) -> int:
    """Return the approximate number of messages in a queue, waiting or in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    try:
        there = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    except ClientError as error:
        if code_of(error) in GONE:
            return 0
        raise
    return sum(int(there[name]) for name in names)


def delete_table(dynamodb: Any, table: str) -> None:
    """Delete a table, also a protected one."""
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.get_waiter("table_exists").wait(TableName=table)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def delete_bucket(s3: Any, bucket: str) -> None:
    """Delete a bucket with all versions of its objects, and the policy that forbids it. Raises DeployError."""
    s3.delete_bucket_policy(Bucket=bucket)
    lock = {"BypassGovernanceRetention": True} if _has_lock(s3, bucket) else {}
    batch: list[dict[str, str]] = []
    for version in _versions(s3, bucket):
        batch.append(version)
        if len(batch) == MAX_KEYS_PER_DELETE:
            _delete(s3, bucket, batch, lock)
            batch = []
    _delete(s3, bucket, batch, lock)
    for upload in _uploads(s3, bucket):
        s3.abort_multipart_upload(Bucket=bucket, **upload)
    s3.delete_bucket(Bucket=bucket)


def _has_lock(s3: Any, bucket: str) -> bool:
    try:
        return bool(s3.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration"))
    except ClientError as error:
        if code_of(error) == "ObjectLockConfigurationNotFoundError":
            return False
        raise


def _delete(s3: Any, bucket: str, batch: list[dict[str, str]], lock: dict[str, bool]) -> None:
    deadline = time.monotonic() + DENIED_SECONDS
    while batch:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True}, **lock)
        faults = answer.get("Errors", [])
        last = time.monotonic() + PAUSE_SECONDS > deadline
        if lasting := [one for one in faults if last or one["Code"] != "AccessDenied"]:
            key, code = lasting[0]["Key"], lasting[0]["Code"]
            raise DeployError(f"{key} in {bucket} could not be deleted: {code}. Run the command again.")
        batch = [{name: one[name] for name in ("Key", "VersionId")} for one in faults]
        if batch:
            time.sleep(PAUSE_SECONDS)


def _versions(s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            yield {"Key": version["Key"], "VersionId": version["VersionId"]}


def _uploads(s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            yield {"Key": upload["Key"], "UploadId": upload["UploadId"]}
