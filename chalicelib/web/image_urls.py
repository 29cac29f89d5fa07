"""Pictures in the media bucket: the name of one that was made ready tells how large it is, and which smaller ones lie beside it."""

import re
from typing import NamedTuple

from chalicelib.config import settings

WIDTHS = (480, 960)  # of the smaller ones
_READY = re.compile(r"(pictures/[0-9a-f]{16}-([0-9]{1,4})x([0-9]{1,4}))\.webp", re.ASCII)


class Sizes(NamedTuple):
    """How large a picture is, in pixels, and where browsers find it smaller: an <img>'s srcset."""

    width: int
    height: int
    srcset: str


def media_url(key: str) -> str:
    """Make the address of a picture in the media bucket."""
    return f"{settings.media_url}/{key}"


def processed_key(name: str, width: int, height: int) -> str:
    """Name a picture that was made ready; `name` is 16 hex digits of its content's hash."""
    return f"pictures/{name}-{width}x{height}.webp"


def resized_key(key: str, width: int) -> str:
    """Name the smaller one of a picture that was made ready."""
    return f"{key.removesuffix('.webp')}-{width}.webp"


def sizes_of(key: str) -> Sizes | None:
    """Read a key; None where it is not that of a picture that was made ready, such as a drawing's."""
    ready = _READY.fullmatch(key)
    if ready is None:
        return None
    width, height = int(ready[2]), int(ready[3])
    files = {each: resized_key(key, each) for each in WIDTHS if each < width} | {width: key}
    srcset = ", ".join(f"{media_url(file)} {each}w" for each, file in files.items())
    return Sizes(width, height, srcset)
