"""Orders and sessions: nobody guesses them, no cache keeps them, nothing tells them on, and cookies keep to the shop."""

import re
from collections import Counter
from typing import Any

import pytest

from chalicelib import ids as random_ids
from chalicelib.cart.models import Cart
from tests.client import Answer, Shopper
from tests.shop import Shop, order_id_of
from tests.staff.staff_client import logged_in

MADE = 2000
COOKIE = re.compile(
    r"([\w-]+)=([\w.=-]*); Path=([^;]*); Max-Age=(\d+); SameSite=(\w+)(; Secure)?(; HttpOnly)?"
)


def test_every_bit_of_an_id_is_by_chance() -> None:
    ids = [random_ids.new_id() for _ in range(MADE)]
    assert len(set(ids)) == MADE
    ones = Counter(bit for made in ids for bit in range(128) if int(made, 16) >> bit & 1)
    # 128 coins thrown 2000 times: beyond 6 standard deviations once in four million runs.
    assert len(ones) == 128
    assert all(abs(count - MADE / 2) < 6 * (MADE / 4) ** 0.5 for count in ones.values())


def test_orders_and_sessions_are_such_ids_and_the_table_knows_no_cookie(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    session = shopper.jar["session"]
    assert random_ids.is_id(order_id)
    assert random_ids.is_id(session)
    (row,) = Cart.scan()
    assert session not in str(row.to_simple_dict())
    assert session not in str(shop.order(order_id).to_dynamodb_dict())


def test_what_is_one_persons_is_kept_by_nobody(shop: Shop) -> None:
    shopper, order_id = shop.paid(MUG=1)
    again, token = shop.placed(MUG=1)
    answers = {
        "order": shopper.get(f"/orders/{order_id}"),
        "somebody else's browser": shop.shopper().get(f"/orders/{order_id}"),
        "return": shop.come_back(again, token),
        "cancel": again.get(f"/payments/paypal/cancel?token={token}"),
        "cart": shopper.get("/cart"),
        "checkout": shop.shopper_with(MUG=1).get("/checkout"),
        "nothing": shopper.get("/orders/" + "0" * 32),
    }
    for name, answer in answers.items():
        assert answer.headers["cache-control"] == "private, no-store", name
        assert answer.headers["referrer-policy"] == "same-origin", name
        assert "etag" not in answer.headers, name
    assert '<meta name="robots" content="noindex">' in answers["order"].body


def test_robots_are_told_to_stay_out(shop: Shop) -> None:
    rules = shop.shopper().get("/robots.txt").body
    _, order_id = shop.paid(MUG=1)
    assert order_id not in shop.shopper().get("/sitemap.xml").body
    for private in ("/cart", "/checkout", "/orders/", "/staff"):
        assert f"Disallow: {private}" in rules, private


@pytest.mark.usefixtures("quick_hashes")
@pytest.mark.parametrize(
    ("public_url", "path", "secure"),
    [
        ("http://127.0.0.1:8000", "/", False),
        ("https://shop.example", "/", True),
        ("https://shop.example/api", "/api", True),
        (None, "/", True),
    ],
)
def test_cookies_keep_to_the_shop(
    shop: Shop, setting: Any, public_url: str | None, path: str, secure: bool
) -> None:
    setting(public_url=public_url)
    visitor = shop.shopper()
    added = visitor.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    staff = logged_in(shop.gateway, "merchant")
    entered = staff.post("/staff/logout")
    found = cookies_of(added, visitor.get("/cart"), entered)
    assert {"session", "cart_count", "said", "staff"} <= found.keys()
    for name, (where, same_site, is_secure, is_hidden) in found.items():
        staffs = name.startswith("staff")
        assert where == (f"{path.rstrip('/')}/staff" if staffs else path), name
        assert same_site == ("Strict" if staffs else "Lax"), name
        assert is_secure == secure, name
        assert is_hidden == (name != "cart_count"), name


def cookies_of(*answers: Answer) -> dict[str, tuple[str, str, bool, bool]]:
    """Read what was set: name → path, SameSite, Secure, HttpOnly."""
    found = {}
    for answer in answers:
        for cookie in answer.set_cookies:
            match = COOKIE.fullmatch(cookie)
            assert match, cookie
            found[match[1]] = (match[3], match[5], bool(match[6]), bool(match[7]))
    return found


@pytest.mark.parametrize(
    "cookie",
    [
        "session", "session=", "=x", ";;;", "session=;session=", 'session="', "session=" + "0" * 32,
        "session=" + "x" * 8000, "session=\x00", "session=é", "session=../../etc", "session={};", "a=b; " * 5000,
        "session=" + "0" * 64, "session=" + "A" * 32, "cart_count=<script>", "cart_count=\u0663", "cart_count=99999999",
        "said=added.MUG", "said=added.<b>", "said=%s%s%n", "staff=" + "0" * 64, "__proto__=1",
    ],
)  # fmt: skip
def test_no_cookie_breaks_a_page_or_is_taken_over(standing_shop: Shop, cookie: str) -> None:
    for address in ("/", "/cart", "/checkout", "/staff", "/orders/" + "0" * 32):
        answer = Shopper(standing_shop.gateway).get(address, Cookie=cookie)
        assert answer.status in (200, 303, 404), address
        assert "<b>" not in answer.body
        assert not any(
            set_.startswith("session=0") or "Max-Age=2592000" in set_ for set_ in answer.set_cookies
        )


def test_an_orders_page_opens_by_nothing_but_its_id(shop: Shop) -> None:
    _, token = shop.placed(MUG=1)
    _, order_id = shop.paid(MUG=1)
    number, cart = shop.order(order_id).number, shop.order(order_id).cart
    for guess in (
        number, f"number%23{number}", f"paypal%23{token}", token, cart, order_id.upper(), order_id[:-1],
        f"{order_id}%20", f"{order_id}%00", f"%20{order_id}", f"{order_id}/", f"{order_id}%2f",
    ):  # fmt: skip
        answer = shop.shopper().get(f"/orders/{guess}")
        assert (answer.status, "Test Customer" in answer.body) in (
            (404, False),
        ) or guess == f"{order_id}/", guess
    assert (
        order_id_of(
            shop.shopper().get(f"/payments/paypal/cancel?token={shop.order(order_id).paypal_order_id}")
        )
        == order_id
    )
