"""A picture's way from a form straight into S3, through the function that makes it ready, onto the shop's pages."""

import base64
import json
import re
from html import unescape
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import requests

from chalicelib.aws import client
from chalicelib.catalog.editing.product_validation import MAX_PICTURES
from chalicelib.catalog.images import product_images, uploads
from chalicelib.catalog.images.processing import CUT_OFF, HEIC, NOT_A_PICTURE, TOO_MANY_PIXELS
from chalicelib.catalog.images.product_images import get_product
from chalicelib.config import settings
from chalicelib.staff.jobs import job_queue
from chalicelib.web.image_urls import sizes_of
from chalicelib.web.page_cache import cache
from tests.catalog.images.image_factory import encoded, photo, png_that_claims
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.shop import Shop
from tests.staff.staff_client import trail

PAGE = "/staff/products/mug/pictures"


def upload_form(answer: Answer) -> tuple[str, dict[str, str]]:
    """Read the form that leads to S3: its address, and its fields in their order."""
    form = re.search(
        r'<form method="post" action="([^"]*)" enctype="multipart/form-data".*?</form>', answer.body, re.S
    )
    assert form, answer.text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0])
    return unescape(form[1]), {name: unescape(value) for name, value in fields}


def send(who: Shopper, body: bytes, page: str = PAGE, **changed: str) -> requests.Response:
    """Send a file as a browser without script does."""
    address, fields = upload_form(who.get(page))
    return requests.post(
        address,
        data={**fields, **changed},
        files={"file": ("a.jpg", body, "image/jpeg")},
        allow_redirects=False,
        timeout=10,
    )


def sent(who: Shopper, body: bytes, alt: str = "A mug by a window", page: str = PAGE) -> str:
    """Send a picture and say what it shows; return its upload's key."""
    answer = send(who, body, page)
    assert answer.status_code == 303, answer.text
    back = urlsplit(answer.headers["Location"])
    asked = who.get(f"{back.path}?{back.query}")
    assert "What does it show?" in asked.text
    key = parse_qs(back.query)["key"][0]
    assert f'name="key" value="{key}"' in asked.body
    assert who.post(f"{page}/add", {"key": key, "alt": alt}).status == 303
    return key


def objects(prefix: str) -> list[str]:
    """List what the media bucket holds."""
    found = client("s3").list_objects_v2(Bucket=settings.media_bucket, Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", [])]


def add_ready(count: int) -> list[str]:
    """Give the mug pictures without sending them."""
    keys = [f"pictures/{number:016x}-600x400.webp" for number in range(count)]
    for number, key in enumerate(keys):
        upload = f"uploads/{number:032x}"
        product_images.add_pending_image("mug", upload, f"Picture {number}")
        product_images.attach_image("mug", upload, key)
    return keys


def arrange(who: Shopper, do: str, page: Answer | None = None, **alts: str) -> Answer:
    page = page or who.get(PAGE)
    pairs = re.findall(r'name="((?:key|alt)\.\d+)"[^>]*? value="([^"]*)"', page.body)
    form = {name: unescape(value) for name, value in pairs} | {"seen": page.field("seen"), "do": do}
    return who.post(PAGE, form | {name.replace("_", "."): value for name, value in alts.items()})


# -- the way of a good one --------------------------------------------------------------------------------


def test_a_picture_goes_to_s3_is_made_ready_and_is_in_the_shop(merchant: Shopper, shop: Shop) -> None:
    key = sent(merchant, encoded(photo(2000, 1500)))
    assert "being processed" in merchant.get(PAGE).text
    assert get_product("mug").pictures == []
    assert '<img class="picture"' not in merchant.get("/products/mug").body
    shop.functions.drain("background-jobs")

    (picture,) = get_product("mug").pictures
    assert picture["alt"] == "A mug by a window"
    assert get_product("mug").pending_pictures == []
    assert objects("uploads/") == []
    sizes = sizes_of(picture["key"])
    assert sizes is not None
    assert (sizes.width, sizes.height) == (1600, 1200)
    cache.clear()
    page = merchant.get("/products/mug").body
    shown = re.search(r'<img class="picture" src="([^"]*)" alt="A mug by a window" srcset="([^"]*)"', page)
    assert shown
    for address in (shown[1], *(part.split(" ")[0] for part in shown[2].split(", "))):
        answer = requests.get(address, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
        assert "immutable" in answer.headers["Cache-Control"]
    assert f'srcset="{shown[2]}"' in merchant.get("/").body
    whats = [entry.action for entry in trail()]
    assert whats[-3:] == [
        "uploaded an image",
        "requested image processing",
        "added an image",
    ]
    assert key in str(trail()[-3].after)
    assert trail()[-1].actor == "merchant@shop.example"
    assert trail()[-1].after["images"] == [f"{picture['key']}: A mug by a window"]


def test_adding_twice_and_running_twice_is_one_picture(merchant: Shopper, shop: Shop) -> None:
    key = sent(merchant, encoded(photo()))
    assert merchant.post(f"{PAGE}/add", {"key": key, "alt": "A mug by a window"}).status == 303
    for _ in range(2):
        job_queue.send({"job": key.removeprefix("uploads/")})
    shop.functions.drain("background-jobs")
    assert len(get_product("mug").pictures) == 1
    assert merchant.post(f"{PAGE}/add", {"key": key, "alt": "Again"}).status == 303
    shop.functions.drain("background-jobs")
    assert len(get_product("mug").pictures) == 1


def test_a_function_that_breaks_off_is_right_when_it_runs_again(merchant: Shopper, shop: Shop) -> None:
    key = sent(merchant, encoded(photo()))
    for broken in (
        "chalicelib.catalog.images.product_images.attach_image",
        "chalicelib.catalog.images.uploads.delete_upload",
    ):
        with mock.patch(broken, side_effect=RuntimeError("the process died")):
            shop.functions.drain("background-jobs")
        job_queue.send({"job": key.removeprefix("uploads/")})  # as the queue does, long after
    shop.functions.drain("background-jobs")
    assert [picture["alt"] for picture in get_product("mug").pictures] == ["A mug by a window"]
    assert get_product("mug").pending_pictures == []


def test_a_lost_answer_neither_loses_nor_doubles_a_picture(merchant: Shopper, shop: Shop) -> None:
    with answers_lost("TransactWriteItems"):
        sent(merchant, encoded(photo()))
    with answers_lost("TransactWriteItems"):
        shop.functions.drain("background-jobs")
    assert len(get_product("mug").pictures) == 1
    assert get_product("mug").pending_pictures == []
    assert objects("uploads/") == []


def test_the_form_takes_one_key_one_type_and_some_megabytes(merchant: Shopper) -> None:
    _, fields = upload_form(merchant.get(PAGE))
    policy = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert ["content-length-range", 1, uploads.MAX_SIZE] in policy
    assert {"key": fields["key"]} in policy
    assert {"Content-Type": uploads.UPLOAD_TYPE} in policy
    assert uploads.UPLOAD.fullmatch(fields["key"])
    assert send(merchant, b"x" * (uploads.MAX_SIZE + 1)).status_code == 400
    assert send(merchant, b"").status_code == 400
    assert send(merchant, b"x", key="pictures/0000000000000000.svg").status_code == 403
    assert send(merchant, b"x", **{"Content-Type": "text/html"}).status_code == 403
    assert send(merchant, b"x", success_action_redirect="https://elsewhere.example").status_code == 403
    assert objects("") == []


def test_nobody_reads_an_upload(merchant: Shopper) -> None:
    answer = send(merchant, encoded(photo(60, 40)))
    key = parse_qs(urlsplit(answer.headers["Location"]).query)["key"][0]
    assert objects("uploads/") == [key]
    assert requests.get(f"{settings.media_url}/{key}", timeout=10).status_code == 403


def test_the_page_may_send_to_the_bucket_and_nowhere_else(merchant: Shopper) -> None:
    answer = merchant.get(PAGE)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(upload_form(answer)[0]))
    policy = answer.headers["content-security-policy"]
    assert f"form-action 'self' {origin}" in policy
    assert f"connect-src 'self' {origin}" in policy
    assert answer.headers["cache-control"] == "private, no-store"


# -- bad ones ---------------------------------------------------------------------------------------------


def test_what_is_no_good_picture_is_refused_in_words(merchant: Shopper, shop: Shop) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for body, words in {
        svg: "This SVG contains <script>",
        b"\0\0\0\x18ftypheic" + b"\0" * 30: HEIC,
        b"hello": NOT_A_PICTURE,
        encoded(photo(400, 300))[:-900]: CUT_OFF,
        png_that_claims(60_000, 60_000): TOO_MANY_PIXELS,
    }.items():
        sent(merchant, body, "Nothing good")
        shop.functions.drain("background-jobs")
        page = merchant.get(PAGE)
        assert words in page.text
        assert "Nothing good" in page.text
        assert (
            merchant.post(f"{PAGE}/forget", {"key": get_product("mug").pending_pictures[0]["upload"]}).status
            == 303
        )
        assert words not in merchant.get(PAGE).text
    assert get_product("mug").pictures == []
    assert objects("") == []


def test_a_plain_drawing_is_taken_as_it_is(merchant: Shopper, shop: Shop) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
    sent(merchant, svg, "A square")
    shop.functions.drain("background-jobs")

    (picture,) = get_product("mug").pictures
    answer = requests.get(f"{settings.media_url}/{picture['key']}", timeout=10)
    assert (answer.content, answer.headers["Content-Type"]) == (svg, "image/svg+xml")


def test_a_picture_without_words_is_asked_about_and_not_lost(merchant: Shopper, shop: Shop) -> None:
    answer = send(merchant, encoded(photo(60, 40)))
    key = parse_qs(urlsplit(answer.headers["Location"]).query)["key"][0]
    for alt in ("", "x" * 301, "a\x07b"):
        page = merchant.post(f"{PAGE}/add", {"key": key, "alt": alt})
        assert page.status == 400
        assert 'id="alt-error"' in page.body
        assert page.field("key") == key
    assert merchant.post(f"{PAGE}/add", {"key": key, "alt": "A mug"}).status == 303
    shop.functions.drain("background-jobs")
    assert len(get_product("mug").pictures) == 1


def test_a_picture_that_never_arrived_is_said(merchant: Shopper, shop: Shop) -> None:
    merchant.post(f"{PAGE}/add", {"key": uploads.new_upload(), "alt": "A mug"})
    shop.functions.drain("background-jobs")
    assert "wasn’t received" in merchant.get(PAGE).text


def test_a_key_that_is_no_uploads_is_refused(merchant: Shopper) -> None:
    for key in ("", "pictures/0123456789abcdef.webp", "uploads/../books", "uploads/" + "0" * 33, "exports/x"):
        assert merchant.post(f"{PAGE}/add", {"key": key, "alt": "A mug"}).status == 400
        assert "What does it show?" not in merchant.get(f"{PAGE}?key={key}").text
    assert get_product("mug").pending_pictures == []


def test_there_is_room_for_so_many(merchant: Shopper) -> None:
    add_ready(MAX_PICTURES)
    assert "Remove one to add another." in merchant.get(PAGE).text
    answer = merchant.post(f"{PAGE}/add", {"key": uploads.new_upload(), "alt": "One more"})
    assert (answer.status, "Please remove one first." in answer.text) == (400, True)


# -- in order ---------------------------------------------------------------------------------------------


def test_pictures_are_moved_described_and_taken_out(merchant: Shopper) -> None:
    a, b, c = add_ready(3)

    def keys() -> list[str]:
        return [picture["key"] for picture in get_product("mug").pictures]

    assert arrange(merchant, "first:2").status == 303
    assert keys() == [c, a, b]
    arrange(merchant, "later:0")
    assert keys() == [a, c, b]
    arrange(merchant, "earlier:2", alt_0="Words that were typed before the button")
    assert keys() == [a, b, c]
    assert get_product("mug").pictures[0]["alt"] == "Words that were typed before the button"
    arrange(merchant, "first:1")
    assert f"{b}" in merchant.get("/").body
    assert trail()[-1].action == "changed a product’s images"

    asked = arrange(merchant, "remove:0")
    assert "Remove this image from the shop?" in asked.text
    assert keys() == [b, a, c]
    assert arrange(merchant, "removed:0", asked).status == 303
    assert keys() == [a, c]


def test_two_who_arrange_at_once_lose_nothing(merchant: Shopper) -> None:
    a, b = add_ready(2)
    stale = merchant.get(PAGE)
    arrange(merchant, "first:1", alt_1="Theirs")
    answer = arrange(merchant, "save", stale, alt_0="Mine")
    assert answer.status == 409
    assert [answer.field("key.0"), answer.field("key.1")] == [b, a]
    assert answer.field("alt.1") == "Mine"  # the first one of then is the second one of now
    assert arrange(merchant, "save", answer).status == 303
    assert get_product("mug").pictures[1] == {"key": a, "alt": "Mine"}


def test_bad_words_are_said_beside_the_picture(merchant: Shopper) -> None:
    add_ready(2)
    answer = arrange(merchant, "save", alt_1="", alt_0="Kept")
    assert (answer.status, 'id="alt.1-error"' in answer.body, answer.field("alt.0")) == (400, True, "Kept")
    assert get_product("mug").pictures[0]["alt"] == "Picture 0"


def test_forged_forms_put_no_foreign_picture_into_the_shop(merchant: Shopper) -> None:
    add_ready(2)
    page = merchant.get(PAGE)
    forged = {
        "seen": page.field("seen"),
        "key.0": "pictures/ffffffffffffffff.svg",
        "alt.0": "x",
        "do": "save",
    }
    assert merchant.post(PAGE, forged).status == 409
    for do in ("first:9", "removed:", "first:²", "x"):
        assert arrange(merchant, do).status == 303
    assert len(get_product("mug").pictures) == 2


def test_saving_the_product_keeps_its_pictures(merchant: Shopper, shop: Shop) -> None:
    keys = add_ready(2)
    product_images.add_pending_image("mug", "uploads/" + "a" * 32, "On its way")
    page = merchant.get("/staff/products/mug")
    form = {
        "seen": page.field("seen"),
        "name": "Mug",
        "category": "tea",
        "tax_class": "standard",
        "text": "Plain.",
    }
    row = {"v.0.sku": "MUG", "v.0.known": "yes", "v.0.price": "18.50", "option.0": "", "do": "save"}
    assert merchant.post("/staff/products/mug", {**form, **row, "visible": "yes"}).status == 303
    product = get_product("mug")
    assert product.name == "Mug"
    assert [picture["key"] for picture in product.pictures] == keys
    assert product.pending_pictures[0]["alt"] == "On its way"


def test_finance_can_change_nothing(finance: Shopper) -> None:
    for path in (PAGE, f"{PAGE}/add", f"{PAGE}/forget"):
        assert finance.post(path, {"key": uploads.new_upload(), "alt": "x", "do": "save"}).status == 403
    assert finance.get(PAGE).status == 403
