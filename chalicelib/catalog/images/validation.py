"""The only way into the media bucket: product images are processed, named by their content, and stored once.

Staff's uploads and the files beside a catalog file use it, so both follow the same rules.
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
    """Process a file's bytes, whatever the file's name. Raises InvalidImage, with a message for staff."""
    if len(body) > MAX_SIZE:
        raise InvalidImage(f"This image is larger than {MAX_SIZE // 1024 // 1024} MB.")
    if not svg.is_markup(body):
        return processing.process_image(body)
    body = svg.process_svg(body)
    key = f"pictures/{hashlib.sha256(body).hexdigest()[:16]}.svg"
    return ProcessedImage(key, {key: body})


def put(picture: ProcessedImage) -> None:
    """Store an image for shoppers; its own key comes last, so that if it exists, all sizes do."""
    for key in sorted(picture.files, key=lambda each: each == picture.key):
        aws.client("s3").put_object(
            Bucket=settings.media_bucket,
            Key=key,
            Body=picture.files[key],
            ContentType=CONTENT_TYPES[Path(key).suffix],
            CacheControl=FOREVER,
        )


def check_picture(file: Path) -> str:
    """Check that a file is an image, and return its key in the media bucket. Raises InvalidImage."""
    return _ready(file).key


def upload_picture(file: Path, key: str) -> bool:
    """Store a checked image in the media bucket unless it exists; return whether it was stored."""
    if is_stored(key):
        return False
    picture = _ready(file)
    if picture.key != key:
        raise InvalidImage(f"{file.name} was changed during the import.")
    put(picture)
    return True


def is_stored(key: str) -> bool:
    """Return whether an image is in the media bucket."""
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
