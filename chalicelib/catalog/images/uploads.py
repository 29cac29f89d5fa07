"""Pictures on their way into the shop: sent by browsers straight to the media bucket, made ready, and put where shoppers see them."""

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

SECONDS = 60 * 60  # that a form to send a picture with may lie open
# Nobody but the shop reads an upload. What it is, its content tells; it is never sent out under a type that somebody chose.
UPLOAD_TYPE = "application/octet-stream"
UPLOAD = re.compile(r"uploads/[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Upload:
    """A form to send one picture with: the bucket's address, and the fields that come before the file."""

    key: str
    address: str
    fields: Mapping[str, str]


def new_upload() -> str:
    """Make the key of a picture to come."""
    return f"uploads/{ids.new_id()}"


def sign_upload(key: str, come_back: str | None = None) -> Upload:
    """Sign a form that S3 takes a picture by: this key, this type, these sizes.

    S3 sends the browser to `paypal_return`, an absolute address, with the key in it; without one it answers 201.
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
    """Make an upload ready and put it where shoppers see it; return the picture's key. Raises InvalidImage."""
    picture = process_file(_read(key))
    put(picture)
    return picture.key


def delete_upload(key: str) -> None:
    """Delete an upload; one that is gone is fine."""
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
    # Closing, since the body's own `with` hands out the raw stream, which tells nobody that it was cut off.
    with closing(answer["Body"]) as stream:
        if answer["ContentLength"] > MAX_SIZE:
            raise InvalidImage(f"This image is larger than {MAX_SIZE // 1024 // 1024} MB.")
        return stream.read()
