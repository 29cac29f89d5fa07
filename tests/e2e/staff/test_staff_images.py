"""A picture from the merchant's telephone into the shop, with and without script."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib.catalog.images.product_images import get_product
from chalicelib.web.page_cache import cache
from tests.catalog.images.image_factory import encoded, photo
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import PHONE, Visitor
from tests.shop import Shop
from tests.staff.staff_client import PASSWORD, member

PAGE = "/staff/products/mug/pictures"


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    """Write a photograph as a camera does: lying on its side, telling so."""
    image = photo(1600, 1200)
    exif = image.getexif()
    exif[0x0112] = 6
    file = tmp_path / "IMG_0001.jpg"
    file.write_bytes(encoded(image, exif=exif))
    return file


def logs_in(visitor: Visitor) -> None:
    account = member("merchant")
    visitor.open("/staff/login")
    visitor.field("Email").fill(account.email)
    visitor.page.locator("#password").fill(PASSWORD)
    visitor.button("Log in").click()
    visitor.page.wait_for_url("**/staff/")


def sees_it_in_the_shop(visitor: Visitor) -> None:
    cache.clear()
    for path in ("/products/mug", "/"):
        visitor.open(path)
        picture = visitor.page.get_by_role("img", name="A mug by a window")
        expect(picture).to_be_visible()
        picture.scroll_into_view_if_needed()
        visitor.page.wait_for_function("image => image.complete", arg=picture.element_handle())
        shown = picture.evaluate("image => [image.naturalWidth > 0, image.currentSrc]")
        assert shown[0], shown
        assert shown[1].endswith(".webp")


def test_a_photo_is_sent_described_and_in_the_shop(visitor: Visitor, shop: Shop, jpeg: Path) -> None:
    logs_in(visitor)
    visitor.open(PAGE)
    visitor.page.get_by_label("Image file").set_input_files(jpeg)
    visitor.field("Alt text").fill("A mug by a window")
    visitor.button("Upload").click()
    expect(visitor.page.get_by_role("heading", name="Processing")).to_be_visible()
    shop.functions.drain("background-jobs")
    # The page looks again by itself, as nobody is typing.
    expect(visitor.page.get_by_role("img", name="A mug by a window")).to_be_visible()
    expect(visitor.page.get_by_role("heading", name="Processing")).to_be_hidden()
    sees_it_in_the_shop(visitor)


def test_a_photo_is_sent_without_script_from_a_telephone(let_in: LetIn, shop: Shop, jpeg: Path) -> None:
    visitor = let_in(java_script_enabled=False, **PHONE)
    logs_in(visitor)
    visitor.open(PAGE)
    visitor.page.get_by_label("Image file").set_input_files(jpeg)
    visitor.button("Upload").click()
    visitor.page.wait_for_url("**/pictures?bucket=**")
    visitor.field("Alt text").fill("A mug by a window")
    visitor.button("Add image").click()
    expect(visitor.page.get_by_role("heading", name="Processing")).to_be_visible()
    shop.functions.drain("background-jobs")
    visitor.link("Refresh").click()
    expect(visitor.page.get_by_role("img", name="A mug by a window")).to_be_visible()
    assert get_product("mug").pictures[0]["key"].endswith("-1200x1600.webp")


def test_a_file_that_is_too_large_is_said_before_it_is_sent(
    visitor: Visitor, shop: Shop, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(b"x" * (9 * 1024 * 1024))
    logs_in(visitor)
    visitor.open(PAGE)
    visitor.page.get_by_label("Image file").set_input_files(large)
    visitor.field("Alt text").fill("A mug by a window")
    visitor.button("Upload").click()
    visitor.is_told("This image is 9 MB; the maximum is 8 MB.")
    expect(visitor.field("Alt text")).to_have_value("A mug by a window")
