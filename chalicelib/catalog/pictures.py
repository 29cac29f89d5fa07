"""Product pictures: checked, named after their content, and put into the media bucket once."""

import hashlib
import re
from pathlib import Path
from xml.parsers import expat

from chalicelib import aws
from chalicelib.config import settings

LARGEST = {".svg": 500 * 1024}
LARGEST_OTHER = 5 * 1024 * 1024
# suffix → content type, and how such a file begins; an SVG is read as a whole instead
KINDS: dict[str, tuple[str, re.Pattern[bytes] | None]] = {
    ".svg": ("image/svg+xml", None),
    ".png": ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ".jpg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ".jpeg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ".webp": ("image/webp", re.compile(rb"RIFF....WEBP", re.S)),
    ".avif": ("image/avif", re.compile(rb"....ftypavi[fs]", re.S)),
}
FOREVER = "public, max-age=31536000, immutable"
SVG = "http://www.w3.org/2000/svg"
XHTML = "http://www.w3.org/1999/xhtml"
# What runs, embeds or changes addresses. In an <img> none of it works; opened at its own address it would.
_ACTIVE = {"script", "foreignobject", "iframe", "handler", "listener", "set", "embed", "object"}
_INSIDE = re.compile(r"\s*(#|data:image/(png|jpeg|webp);base64,)", re.I)


class NoPicture(Exception):
    """Say why a file is not taken as a picture."""


def check_picture(file: Path) -> str:
    """Check that a file is a harmless picture, and return its key in the media bucket. Raises NoPicture."""
    return _key(file, _read(file))


def upload_picture(file: Path, key: str) -> bool:
    """Put a checked picture into the media bucket unless it is there; tell whether it was put."""
    if is_stored(key):
        return False
    body = _read(file)
    if _key(file, body) != key:
        raise NoPicture(f"{file.name} was changed while the catalog was loaded.")
    content_type, _ = KINDS[file.suffix.lower()]
    aws.client("s3").put_object(
        Bucket=settings.media_bucket, Key=key, Body=body, ContentType=content_type, CacheControl=FOREVER
    )
    return True


def is_stored(key: str) -> bool:
    """Tell whether a picture is in the media bucket."""
    return aws.size_of(settings.media_bucket, key) is not None


def _read(file: Path) -> bytes:
    suffix = file.suffix.lower()
    if suffix not in KINDS:
        raise NoPicture(f"{file.name} is no picture; pictures end in {', '.join(KINDS)}.")
    largest = LARGEST.get(suffix, LARGEST_OTHER)
    try:
        if file.stat().st_size > largest:
            raise NoPicture(f"{file.name} is larger than {largest // 1024} KB.")
        body = file.read_bytes()
    except FileNotFoundError as error:
        raise NoPicture(f"There is no file {file.name}.") from error
    except OSError as error:
        raise NoPicture(f"{file.name} cannot be read: {error.strerror}.") from error
    beginning = KINDS[suffix][1]
    if beginning is None:
        _check_svg(file.name, body)
    elif not beginning.match(body):
        raise NoPicture(f"{file.name} is not what its name says: it does not begin as {suffix} files do.")
    return body


def _key(file: Path, body: bytes) -> str:
    return f"pictures/{hashlib.sha256(body).hexdigest()[:16]}{file.suffix.lower()}"


def _check_svg(name: str, body: bytes) -> None:
    """Refuse an SVG that could run scripts, needs other files or blows up when it is read."""
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = 0

    def refuse(what: str) -> None:
        raise NoPicture(f"{name} is not taken: it has {what}. Please save it as a plain SVG.")

    def start(element: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        namespace, _, local = element.rpartition(" ")
        if depth == 0 and (namespace, local) != (SVG, "svg"):
            raise NoPicture(f"{name} is no SVG.")
        if namespace == XHTML or local.lower() in _ACTIVE or local.lower().startswith("animate"):
            refuse(f"<{local}>")
        for attribute, value in attributes.items():
            plain = attribute.rpartition(" ")[2].lower()
            if plain.startswith("on"):
                refuse(f"the attribute {plain}")
            if plain in ("href", "src") and not _INSIDE.match(value):
                refuse(f"an address outside itself, {value[:60]!r}")
        depth += 1

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = lambda *_: refuse("a DOCTYPE")
    parser.ProcessingInstructionHandler = lambda *_: refuse("a processing instruction")
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise NoPicture(f"{name} is no SVG: {error}.") from error
