"""Process photographs for the shop: named by their content, upright, in sRGB, in several sizes, and without metadata."""

import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.web.image_urls import WIDTHS, processed_key, resized_key

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
MAX_PIXELS = 50_000_000
# A line of one pixel takes eight bytes more in each copy, so a thin image needs more memory than its pixels
# suggest.
MAX_SOURCE_SIDE = 32_768
MAX_SIDE = 1600  # pixels; no image is enlarged
QUALITY = 82
NOT_A_PICTURE = "This file isn’t a supported image. Please upload a JPEG, PNG, WebP, AVIF or SVG file."
HEIC = "This is a HEIC image from an iPhone, which browsers can’t display. Please save it as a JPEG file."
CUT_OFF = "This image is damaged or incomplete. Please upload it again."
TOO_MANY_PIXELS = (
    f"This image has more than {MAX_PIXELS // 1_000_000} million pixels. Please make it smaller."
)
TOO_LONG = (
    f"This image is more than {MAX_SOURCE_SIDE:,} pixels wide or high. Please crop it or make it smaller."
)
_HEIC = re.compile(rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.S)
# Pillow's keys for metadata about cameras, programs and people. A colour profile is not metadata.
_METADATA = {"exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop", "mp"}


class InvalidImage(Exception):
    """Raised with a message for staff why a file is not accepted as an image."""


@dataclass(frozen=True)
class ProcessedImage:
    """A processed image: the key of its largest size, and every size's file by its key."""

    key: str
    files: Mapping[str, bytes]


def process_image(body: bytes) -> ProcessedImage:
    """Process a file's bytes; the same bytes give the same image. Raises InvalidImage, with a message for staff."""
    largest = _resize(_to_srgb(_open(body)), MAX_SIDE, MAX_SIDE)
    smaller = {width: _webp(_resize(largest, width, MAX_SIDE)) for width in WIDTHS if width < largest.width}
    whole = _webp(largest)
    name = hashlib.sha256(b"".join([whole, *smaller.values()])).hexdigest()[:16]
    key = processed_key(name, largest.width, largest.height)
    return ProcessedImage(
        key, {key: whole} | {resized_key(key, width): file for width, file in smaller.items()}
    )


def has_metadata(body: bytes) -> bool:
    """Return whether an image file contains metadata on camera, place or people. Raises InvalidImage."""
    image = _open(body)
    texts = set(getattr(image, "text", {})) - {"Software"}
    return bool(_METADATA & set(image.info) or texts or dict(image.getexif()))


def _open(body: bytes) -> "Image":
    """Decode a file, whatever its name; of an animation, the first frame. Rotate it upright."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(body), formats=FORMATS)
        # Only the header was read so far: nothing was decoded yet.
        if image.width * image.height > MAX_PIXELS:
            raise InvalidImage(TOO_MANY_PIXELS)
        if max(image.size) > MAX_SOURCE_SIDE:
            raise InvalidImage(TOO_LONG)
        image.draft(image.mode, (MAX_SIDE, MAX_SIDE))  # so that a JPEG is not decoded at full size
        return ImageOps.exif_transpose(image)
    except InvalidImage:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidImage(TOO_MANY_PIXELS) from error
    except UnidentifiedImageError as error:
        raise InvalidImage(HEIC if _HEIC.match(body) else NOT_A_PICTURE) from error
    except Exception as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error …
        raise InvalidImage(CUT_OFF) from error


def _to_srgb(image: "Image") -> "Image":
    """Convert colours to sRGB; without a profile they are assumed to be sRGB."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode.startswith("I"):  # 65,536 greys; converting would cut off all but the darkest 256
        image = image.convert("I").point(lambda grey: grey / 256).convert("L")
    if image.mode in ("P", "PA", "LA"):
        image = image.convert(mode)
    if profile:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, given, ImageCms.createProfile("sRGB"), outputMode=mode
            )
            return converted or image.convert(mode)
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile, or one for other colour spaces: the colours stay as they are
    return image.convert(mode)


def _resize(image: "Image", width: int, height: int) -> "Image":
    from PIL import Image

    scale = min(width / image.width, height / image.height, 1)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def _webp(image: "Image") -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, icc_profile=b"", exif=b"", xmp=b"")
    return file.getvalue()
