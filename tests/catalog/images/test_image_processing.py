"""What comes out when a photograph is made ready, and what is refused."""

import io
import struct
from contextlib import suppress

import pytest
from PIL import Image, ImageCms

from chalicelib.catalog.editing.product_validation import PICTURE_KEY
from chalicelib.catalog.images.processing import (
    CUT_OFF,
    NOT_A_PICTURE,
    TOO_LONG,
    TOO_MANY_PIXELS,
    InvalidImage,
    ProcessedImage,
    process_image,
)
from chalicelib.web.image_urls import sizes_of
from tests.catalog.images.image_factory import encoded, photo, png_that_claims

RED, BLUE = (200, 30, 30), (30, 30, 200)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'


def opened(photo: ProcessedImage) -> Image.Image:
    return Image.open(io.BytesIO(photo.files[photo.key]))


def looks_like(image: Image.Image, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    pixel = image.convert("RGB").getpixel(place)
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 25 for one, other in zip(pixel, colour, strict=True))


def test_a_photo_comes_in_three_sizes_that_its_key_tells() -> None:
    ready = process_image(encoded(photo(4000, 3000)))
    sizes = {key: Image.open(io.BytesIO(file)).size for key, file in ready.files.items()}
    assert sorted(sizes.values()) == [(480, 360), (960, 720), (1600, 1200)]
    assert {Image.open(io.BytesIO(file)).format for file in ready.files.values()} == {"WEBP"}
    told = sizes_of(ready.key)
    assert told is not None
    assert (told.width, told.height) == opened(ready).size
    in_page = {part.rpartition("/")[2].split(" ")[0]: part.split(" ")[1] for part in told.srcset.split(", ")}
    assert in_page == {key.removeprefix("pictures/"): f"{size[0]}w" for key, size in sizes.items()}
    assert PICTURE_KEY.fullmatch(ready.key)


def test_nothing_is_made_larger_than_it_came() -> None:
    ready = process_image(encoded(photo(300, 200)))
    assert [Image.open(io.BytesIO(file)).size for file in ready.files.values()] == [(300, 200)]


def test_a_tall_photo_fits_too() -> None:
    assert opened(process_image(encoded(photo(500, 5000)))).size == (160, 1600)


def test_the_same_file_makes_the_same_picture_and_another_another() -> None:
    first, again, other = (process_image(encoded(photo(width))) for width in (1200, 1200, 1201))
    assert first == again
    assert first.key != other.key


def test_a_photo_stands_upright_without_what_the_camera_wrote() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[1] = "N"  # where it was
    body = encoded(photo(600, 400), exif=exif, comment=b"private", icc_profile=srgb())
    assert b"A camera" in body
    ready = process_image(body)
    upright = opened(ready)
    assert looks_like(upright, (300, 50), BLUE)
    assert looks_like(upright, (300, 350), RED)
    for file in ready.files.values():
        image = Image.open(io.BytesIO(file))
        assert not dict(image.getexif())
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
        assert b"A camera" not in file
        assert b"private" not in file


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_colours_of_a_wider_screen_become_those_of_every_screen() -> None:
    # A profile with red and green exchanged: whoever ignores it shows the wrong colour.
    exchanged = bytearray(srgb())
    names = [exchanged.index(name) for name in (b"rXYZ", b"gXYZ")]
    exchanged[names[0] : names[0] + 4], exchanged[names[1] : names[1] + 4] = b"gXYZ", b"rXYZ"
    image = Image.new("RGB", (60, 60), (220, 20, 20))
    assert looks_like(
        opened(process_image(encoded(image, "PNG", icc_profile=bytes(exchanged)))), (30, 30), (20, 220, 20)
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_four_kinds_are_taken(kind: str) -> None:
    ready = opened(process_image(encoded(photo(120, 80), kind)))
    assert ready.size == (120, 80)
    assert looks_like(ready, (60, 10), RED)


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("LA", "PNG"), ("1", "PNG")]
)
def test_every_way_to_hold_colours_is_understood(mode: str, kind: str) -> None:
    ready = opened(
        process_image(
            encoded(photo(120, 80, mode), kind, **({"icc_profile": b"broken"} if mode == "L" else {}))
        )
    )
    assert ready.size == (120, 80)
    assert ready.mode in ("RGB", "RGBA")


def test_sixteen_bits_of_grey_stay_grey() -> None:
    ready = opened(process_image(encoded(Image.new("I;16", (60, 60), 128 * 256), "PNG")))
    assert looks_like(ready, (30, 30), (128, 128, 128))


def test_transparency_is_kept() -> None:
    image = Image.new("RGBA", (60, 60), (200, 30, 30, 0))
    assert opened(process_image(encoded(image, "PNG"))).getpixel((30, 30))[3] == 0  # type: ignore[index]  # an RGBA pixel is a tuple


def test_a_moving_picture_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in (RED, BLUE)]
    for kind in ("WEBP", "PNG"):
        ready = opened(process_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:])))
        assert getattr(ready, "n_frames", 1) == 1
        assert looks_like(ready, (30, 30), RED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        SVG,
        b"<html><img src=x></html>",
        b"%PDF-1.7 ",
        encoded(photo(60, 40), "GIF"),
        encoded(photo(60, 40), "TIFF"),
        encoded(photo(60, 40), "BMP"),
        b"\xff\xd8\xff" + b"\0" * 50,
        b"RIFF\x10\0\0\0WEBPVP8 ",
    ],
)
def test_a_file_that_is_no_image_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        process_image(body)
    assert str(refusal.value) in (NOT_A_PICTURE, CUT_OFF)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_was_cut_off_is_refused(kind: str) -> None:
    whole = encoded(Image.effect_noise((300, 200), 60).convert("RGB"), kind)
    for length in (len(whole) // 2, len(whole) * 9 // 10):
        with pytest.raises(InvalidImage, match="damaged or incomplete"):
            process_image(whole[:length])


@pytest.mark.parametrize("size", [(8000, 8000), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage) as refusal:
        process_image(png_that_claims(*size))
    assert str(refusal.value) == TOO_MANY_PIXELS


@pytest.mark.parametrize("size", [(1, 49_000_000), (49_000_000, 1), (3, 32_769)])
def test_a_thread_of_pixels_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage) as refusal:
        process_image(png_that_claims(*size))
    assert str(refusal.value) == TOO_LONG


def test_a_jpegs_header_that_lies_is_refused() -> None:
    body = bytearray(encoded(photo(64, 64)))
    frame = body.index(b"\xff\xc0")
    body[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(InvalidImage) as refusal:
        process_image(bytes(body))
    assert str(refusal.value) == TOO_MANY_PIXELS


def test_any_damage_is_refused_or_harmless() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = encoded(photo(64, 64), kind)
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
            with suppress(InvalidImage):
                process_image(damaged)
