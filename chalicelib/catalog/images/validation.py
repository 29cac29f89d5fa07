"""The one door to the media bucket: product pictures made ready, named after their content, and put there once.

Staff's uploads and the files beside a catalog file come through here, and get the same verdict.
"""

import hashlib
from pathlib import Path

from chalicelib import aws
from chalicelib.catalog.images import processing, svg
from chalicelib.catalog.images.processing import NoPicture as NoPicture
from chalicelib.catalog.images.processing import Photo
from chalicelib.config import settings

LARGEST = 8 * 1024 * 1024
CONTENT_TYPES = {".svg": "image/svg+xml", ".webp": "image/webp"}
FOREVER = "public, max-age=31536000, immutable"


def make_ready(body: bytes) -> Photo:
    """Make a picture of a file's bytes, whatever the file's name says. Raises NoPicture, in words for staff."""
    if len(body) > LARGEST:
        raise NoPicture(f"This picture is larger than {LARGEST // 1024 // 1024} MB.")
    if not svg.is_markup(body):
        return processing.make_ready(body)
    body = svg.make_ready(body)
    key = f"pictures/{hashlib.sha256(body).hexdigest()[:16]}.svg"
    return Photo(key, {key: body})


def put(picture: Photo) -> None:
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
    """Check that a file is a picture, and return the key that it gets in the media bucket. Raises NoPicture."""
    return _ready(file).key


def upload_picture(file: Path, key: str) -> bool:
    """Put a checked picture into the media bucket unless it is there; tell whether it was put."""
    if is_stored(key):
        return False
    picture = _ready(file)
    if picture.key != key:
        raise NoPicture(f"{file.name} was changed while the catalog was loaded.")
    put(picture)
    return True


def is_stored(key: str) -> bool:
    """Tell whether a picture is in the media bucket."""
    return aws.size_of(settings.media_bucket, key) is not None


def _ready(file: Path) -> Photo:
    try:
        if file.stat().st_size > LARGEST:
            raise NoPicture(f"This picture is larger than {LARGEST // 1024 // 1024} MB.")
        return make_ready(file.read_bytes())
    except NoPicture as error:
        raise NoPicture(f"{file.name}: {error}") from error
    except FileNotFoundError as error:
        raise NoPicture(f"There is no file {file.name}.") from error
    except OSError as error:
        raise NoPicture(f"{file.name} cannot be read: {error.strerror}.") from error
