"""The session: one cookie, one row, written key by key, and nobody else's."""

import hashlib
import json
from unittest import mock

import pytest

from chalicelib import clock
from chalicelib.cart import sessions
from chalicelib.cart.models import Cart
from chalicelib.cart.sessions import LIFETIME, Session
from chalicelib.database.reads import get
from infra.local.local_cloud import LocalCloud
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.dynamodb_faults import answers_lost, repeated, watched
from tests.shop import Shop

PUBLIC = ("/", "/categories/tea", "/products/mug", "/search?q=tea", "/pages/terms", "/sitemap.xml", "/health")
LINE = {"quantity": 1, "price": 1850, "slug": "mug"}


def session_of(shopper: Shopper) -> Session:
    return reloaded(shopper.jar["session"])


def reloaded(session_id: str) -> Session:
    return Session(session_id, sessions.unless_expired(get(Cart, sessions.session_key(session_id))))


def started() -> Session:
    session = Session(None, None)
    session.create({"MUG": LINE})
    return session


# -- the cookie -------------------------------------------------------------------------------------------


def test_nothing_sets_a_cookie_before_the_first_line(shop: Shop) -> None:
    shopper = shop.shopper()
    for page in (*PUBLIC, "/cart", "/checkout", "/no/such/page", "/orders/" + "0" * 32):
        assert shopper.get(page).set_cookies == [], page
    refused = shopper.post("/cart/lines", {"sku": "NO-SUCH", "quantity": "1"})
    assert (refused.status, refused.set_cookies) == (404, [])
    assert list(Cart.scan()) == []


def test_the_first_line_sets_an_unguessable_cookie_that_scripts_cannot_read(shop: Shop) -> None:
    answer = shop.shopper().post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    (cookie,) = [each for each in answer.set_cookies if each.startswith("session=")]
    value, *attributes = cookie.split("; ")
    assert len(bytes.fromhex(value.removeprefix("session="))) * 8 >= 128
    assert set(attributes) == {"Path=/", f"Max-Age={LIFETIME}", "SameSite=Lax", "HttpOnly"}


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("https://shop.example", {"Path=/", "Secure"}),
        ("https://shop.example/api", {"Path=/api", "Secure"}),
        ("http://127.0.0.1:8000/api", {"Path=/api"}),
    ],
)
def test_cookies_are_secure_over_https_and_kept_to_the_shops_path(
    shop: Shop, setting: mock.Mock, public_url: str, expected: set[str]
) -> None:
    setting(public_url=public_url)
    answer = shop.shopper().post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    assert len(answer.set_cookies) == 3
    for cookie in answer.set_cookies:
        assert {
            part for part in cookie.split("; ") if part.startswith("Path") or part == "Secure"
        } == expected


def test_the_table_knows_only_the_hash_of_the_cookie(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    session_id = shopper.jar["session"]
    (row,) = Cart.scan()
    assert row.key == hashlib.sha256(session_id.encode()).hexdigest()
    assert session_id not in json.dumps(row.to_dynamodb_dict())


def test_the_badges_cookie_counts_the_units_and_scripts_may_read_it(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2)
    answer = shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "3"})
    (badge,) = [each for each in answer.set_cookies if each.startswith("cart_count=")]
    assert badge.startswith("cart_count=5;")
    assert "HttpOnly" not in badge
    assert "Cart, 5 items" in shopper.get("/cart").text


def test_a_forged_badge_is_no_number_and_harms_nobody(shop: Shop) -> None:
    _, order_id = shop.paid()
    for junk in ("", "-1", "99999", "1e3", "²", "<b>1</b>", "٣"):
        page = shop.shopper().get(f"/orders/{order_id}", Cookie=f"cart_count={junk}")
        assert (page.status, "Cart," in page.text) == (200, False), junk


@pytest.mark.parametrize(
    "cookie",
    [
        "session=",
        "session=short",
        "session=" + "g" * 32,
        "session=" + "A" * 32,
        "session=" + "0" * 64,
        "session=../../etc",
        "session=%00%0d%0a",
        "session",
        ";;==;",
        "session=eyJhbGciOiJIUzI1NiJ9.e30.sig",
        "session=" + "9" * 5000,
    ],
)
def test_a_cookie_of_another_format_is_no_cookie(standing_shop: Shop, cookie: str) -> None:
    shopper = standing_shop.shopper()
    with counted_calls() as calls:
        page = shopper.get("/cart", Cookie=cookie)
    assert (page.status, calls["GetItem"]) == (200, 0)
    assert "Your cart is empty." in page.text
    added = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"}, Cookie=cookie)
    assert added.status == 303
    assert "Pebble mug" in shopper.get("/cart").text


def test_an_id_that_was_planted_is_never_taken_over(shop: Shop) -> None:
    planted = "0123456789abcdef" * 2
    victim = shop.shopper()
    victim.jar["session"] = planted
    victim.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    assert victim.jar["session"] != planted
    assert get(Cart, sessions.session_key(planted)) is None
    assert "Your cart is empty." in shop.shopper().get("/cart", Cookie=f"session={planted}").text


def test_a_cookie_without_a_row_is_taken_back(shop: Shop) -> None:
    shopper = shop.shopper()
    shopper.jar.update({"session": "ab" * 16, "cart_count": "3"})
    page = shopper.get("/cart")
    assert all("Max-Age=0" in cookie for cookie in page.set_cookies)
    assert shopper.jar == {}


def test_of_two_cookies_with_one_name_the_first_counts(shop: Shop) -> None:
    session_id = shop.shopper_with(MUG=1).jar["session"]
    page = shop.shopper().get("/cart", Cookie=f"session={session_id}; session={'0' * 32}")
    assert "Pebble mug" in page.text


# -- the end ----------------------------------------------------------------------------------------------


def test_a_row_past_its_expiry_is_gone_though_the_table_still_has_it(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    old = shopper.jar["session"]
    with shop.later(seconds=LIFETIME - 10):
        assert "Pebble mug" in shopper.get("/cart").text
    with shop.later(seconds=LIFETIME + 1):
        shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
        assert shopper.jar["session"] != old
        assert "Pebble mug" not in shopper.get("/cart").text
        assert shopper.get("/checkout", Cookie=f"session={old}").location.endswith("/cart")
    assert len(list(Cart.scan())) == 2


def test_every_write_to_the_cart_puts_the_end_off(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    with shop.later(days=20):
        shopper.post("/cart/lines/MUG", {"quantity": "2"})
        session = session_of(shopper)
        assert session.cart is not None
        assert session.cart.expires == pytest.approx(clock.timestamp() + LIFETIME, abs=2)


def test_the_table_deletes_rows_by_their_expiry() -> None:
    assert Cart.TTL == "expires"


# -- what features keep -----------------------------------------------------------------------------------


def test_a_session_keeps_small_things(aws: LocalCloud) -> None:
    session = Session(None, None)
    assert "seen" not in session
    assert session.get("seen") is None
    session["seen"] = ["MUG", {"Größe": None}]
    session["note"] = "hello"

    again = reloaded(session._id)
    assert again["seen"] == ["MUG", {"Größe": None}]
    assert again.get("note", "other") == "hello"
    del again["note"]
    assert "note" not in again
    assert "note" not in reloaded(session._id)
    assert reloaded(session._id)["seen"]


def test_writing_a_key_writes_that_key_alone(aws: LocalCloud) -> None:
    session = started()
    session["first"] = 1
    with watched() as calls:
        session["second"] = 2
        del session["first"]
    assert [operation for operation, _ in calls] == ["UpdateItem", "UpdateItem"]
    names = [
        set(arguments["ExpressionAttributeNames"].values()) - {"key", "expires"} for _, arguments in calls
    ]
    assert names == [{"data", "second"}, {"data", "first"}]


def test_two_features_that_write_at_once_lose_nothing(aws: LocalCloud) -> None:
    session = started()
    one, other = reloaded(session._id), reloaded(session._id)
    one["one"] = 1
    other["other"] = 2
    stored = reloaded(session._id)
    assert (stored["one"], stored["other"]) == (1, 2)
    assert stored.cart is not None
    assert stored.cart.lines.as_dict() == {"MUG": LINE}


def test_a_missing_key_raises_key_error(aws: LocalCloud) -> None:
    for session in (Session(None, None), started()):
        with pytest.raises(KeyError):
            session["nothing"]
        with pytest.raises(KeyError):
            del session["nothing"]


@pytest.mark.parametrize("name", ["", "Upper", "with.dot", "#x", "9", "a" * 41, "ä", "a\n"])
def test_a_key_that_could_be_mistaken_for_a_path_is_refused(aws: LocalCloud, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        Session(None, None)[name] = 1


def test_only_small_json_is_kept(aws: LocalCloud) -> None:
    session = started()
    with pytest.raises(ValueError, match="larger"):
        session["big"] = "x" * 5000
    with pytest.raises(TypeError):
        session["thing"] = object()
    assert "big" not in reloaded(session._id)


def test_a_session_that_expired_during_a_write_is_created_again(aws: LocalCloud) -> None:
    session = started()
    assert session.cart is not None
    Cart(session.key).delete()
    session["note"] = "kept"
    assert reloaded(session._id)["note"] == "kept"


def test_deleting_a_key_of_a_row_that_ended_is_done_already(aws: LocalCloud) -> None:
    session = started()
    session["note"] = 1
    Cart(session.key).delete()
    del session["note"]
    assert session.cart is None


def test_a_first_write_that_is_sent_twice_is_one_row(aws: LocalCloud) -> None:
    with repeated("PutItem"):
        session = started()
    assert reloaded(session._id).item_count == 1


def test_a_key_whose_answer_is_lost_is_written(aws: LocalCloud) -> None:
    session = started()
    with repeated("UpdateItem"):
        session["note"] = "kept"
    with answers_lost("UpdateItem"), pytest.raises(Exception, match=r"(?i)update"):
        session["other"] = "kept too"
    stored = reloaded(session._id)
    assert (stored["note"], stored["other"]) == ("kept", "kept too")


def test_session_data_outlives_the_payment(shop: Shop) -> None:
    shopper, token = shop.placed()
    session_of(shopper)["note"] = "hello"
    shop.come_back(shopper, token)
    session = session_of(shopper)
    assert (session.item_count, session["note"]) == (0, "hello")
