"""The one door to the media bucket: product pictures made ready, named after their content, and put there once.

Staff's uploads and the files beside a catalog file come through here, and get the same verdict.
"""

import hashlib
from pathlib import Path

from chalicelib import aws
from chalicelib.catalog.images import processing, svg
from chalicelib.catalog.images.processing import InvalidImage as InvalidImage
from chalicelib.catalog.images.processing import ProcessedImage
from chalicelib.config import settings

MAX_SIZE = 8 * 1024 * 1024
CONTENT_TYPES = {".svg": "image/svg+xml", ".webp": "image/webp"}
FOREVER = "public, max-age=31536000, immutable"


def process_file(body: bytes) -> ProcessedImage:
    """Make a picture of a file's bytes, whatever the file's name says. Raises InvalidImage, in words for staff."""
    if len(body) > MAX_SIZE:
        raise InvalidImage(f"This image is larger than {MAX_SIZE // 1024 // 1024} MB.")
    if not svg.is_markup(body):
        return processing.process_image(body)
    body = svg.process_svg(body)
    key = f"pictures/{hashlib.sha256(body).hexdigest()[:16]}.svg"
    return ProcessedImage(key, {key: body})


def put(picture: ProcessedImage) -> None:
    """Put a picture where shoppers see it; its own key comes last, so that where that is, all sizes are."""
    for key in sorted(picture.files, key=lambda each: each == picture.key):
        aws.client("s3").put_object(
            Bucket=settings.media_bucket,
            Key=key,
            Body=picture.files[key],
            ContentType=CONTENT_TYPES[Path(key).suffix],
            CacheControl=FOREVER,
        )


def check_picture(file: Path) -> str:
    """Check that a file is a picture, and return the key that it gets in the media bucket. Raises InvalidImage."""
    return _ready(file).key


def upload_picture(file: Path, key: str) -> bool:
    """Put a checked picture into the media bucket unless it is there; tell whether it was put."""
    if is_stored(key):
        return False
    picture = _ready(file)
    if picture.key != key:
        raise InvalidImage(f"{file.name} was changed during the import.")
    put(picture)
    return True


def is_stored(key: str) -> bool:
    """Return whether a picture is in the media bucket."""
    return aws.object_size(settings.media_bucket, key) is not None


def _ready(file: Path) -> ProcessedImage:
    try:
        if file.stat().st_size > MAX_SIZE:
            raise InvalidImage(f"This image is larger than {MAX_SIZE // 1024 // 1024} MB.")
        return process_file(file.read_bytes())
    except InvalidImage as error:
        raise InvalidImage(f"{file.name}: {error}") from error
    except FileNotFoundError as error:
        raise InvalidImage(f"The file {file.name} doesn’t exist.") from error
    except OSError as error:
        raise InvalidImage(f"{file.name} can’t be read: {error.strerror}.") from error
