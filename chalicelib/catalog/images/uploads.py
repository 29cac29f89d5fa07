"""Uploaded images: sent by browsers directly to the media bucket, then processed and published."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from botocore.exceptions import ClientError

from chalicelib import ids
from chalicelib.aws import client
from chalicelib.catalog.images.validation import MAX_SIZE as MAX_SIZE
from chalicelib.catalog.images.validation import InvalidImage, process_file, put
from chalicelib.config import settings

SECONDS = 60 * 60  # how long an upload form is valid
# Only the shop reads an upload. Its content decides what it is; it is never served with a type that its sender
# chose.
UPLOAD_TYPE = "application/octet-stream"
UPLOAD = re.compile(r"uploads/[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Upload:
    """A form to upload one image: the bucket's address, and the fields that come before the file."""

    key: str
    address: str
    fields: Mapping[str, str]


def new_upload() -> str:
    """Return the key of a new upload."""
    return f"uploads/{ids.new_id()}"


def sign_upload(key: str, come_back: str | None = None) -> Upload:
    """Sign a form for an upload to S3: this key, this type, these sizes.

    S3 redirects the browser to `come_back`, an absolute address, with the key in it; without one it answers
    201.
    """
    then = {"success_action_redirect": come_back} if come_back else {"success_action_status": "201"}
    fields = {"Content-Type": UPLOAD_TYPE, **then}
    conditions = [{name: value} for name, value in fields.items()]
    signed = client("s3").generate_presigned_post(
        Bucket=settings.media_bucket,
        Key=key,
        Fields=dict(fields),
        Conditions=[*conditions, ["content-length-range", 1, MAX_SIZE]],
        ExpiresIn=SECONDS,
    )
    return Upload(key, signed["url"], signed["fields"])


def take_in(key: str) -> str:
    """Process an upload and publish it; return the image's key. Raises InvalidImage."""
    picture = process_file(_read(key))
    put(picture)
    return picture.key


def delete_upload(key: str) -> None:
    """Delete an upload; an unknown one is ignored."""
    client("s3").delete_object(Bucket=settings.media_bucket, Key=key)


def _read(key: str) -> bytes:
    try:
        answer = client("s3").get_object(Bucket=settings.media_bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            raise InvalidImage(
                "This image wasn’t received, or was uploaded too long ago. Please upload it again."
            ) from error
        raise
    # Closing, since the body's own `with` returns the raw stream, which does not notice that it was cut off.
    with closing(answer["Body"]) as stream:
        if answer["ContentLength"] > MAX_SIZE:
            raise InvalidImage(f"This image is larger than {MAX_SIZE // 1024 // 1024} MB.")
        return stream.read()
