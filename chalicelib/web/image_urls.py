"""Images in the media bucket: a processed image's name contains its size, from which its smaller versions follow."""

import re
from typing import NamedTuple

from chalicelib.config import settings

WIDTHS = (480, 960)  # of the smaller versions
_READY = re.compile(r"(pictures/[0-9a-f]{16}-([0-9]{1,4})x([0-9]{1,4}))\.webp", re.ASCII)


class Sizes(NamedTuple):
    """An image's size in pixels, and the addresses of its smaller versions: an <img>'s srcset."""

    width: int
    height: int
    srcset: str


def media_url(key: str) -> str:
    """Return the address of an image in the media bucket."""
    return f"{settings.media_url}/{key}"


def processed_key(name: str, width: int, height: int) -> str:
    """Return the key of a processed image; `name` is 16 hex digits of its content's hash."""
    return f"pictures/{name}-{width}x{height}.webp"


def resized_key(key: str, width: int) -> str:
    """Return the key of a processed image's smaller version."""
    return f"{key.removesuffix('.webp')}-{width}.webp"


def sizes_of(key: str) -> Sizes | None:
    """Return the sizes that a key contains; None if it is not that of a processed image, such as a drawing's."""
    ready = _READY.fullmatch(key)
    if ready is None:
        return None
    width, height = int(ready[2]), int(ready[3])
    files = {each: resized_key(key, each) for each in WIDTHS if each < width} | {width: key}
    srcset = ", ".join(f"{media_url(file)} {each}w" for each, file in files.items())
    return Sizes(width, height, srcset)
