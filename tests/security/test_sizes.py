"""No answer is larger than Lambda and API Gateway take, whatever is sent and however large the shop is.

The local gateway makes a 502 of such an answer, as API Gateway does.
"""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.staff.auth.sessions import key_of
from chalicelib.staff.models import StaffSession
from infra.local.api_gateway import MAX_RESPONSE_BYTES
from tests.client import Answer, Shopper
from tests.shop import Shop
from tests.staff.staff_client import later, logged_in
from tests.staff.test_invalid_input import QUESTIONS, filled

MAX_SIZE = 1_900_000  # characters of a form; the most that any of the shop's forms reads is 2 MB
MAX_URL_LENGTH = 8_000  # bytes of an address; API Gateway takes little more
# One byte that becomes five in HTML, and some that become six, or twelve of four, in Lambda's JSON.
FILLS = ("'", "%22", "%01", "%C3%BC", "%F0%9F%98%80")


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """Let wrong passwords cost little."""


def routes(method: str) -> list[str]:
    import app

    return sorted(path for path, methods in app.app.routes.items() if method in methods)


def fields_of(path: str) -> tuple[str, ...]:
    """Name fields that forms show again, and one that nobody knows."""
    return ("name", "text", "q", "note", "email", "reason", "x") if "staff" in path else ("name", "city", "x")


def post(visitor: Shopper, path: str, name: str, fill: str) -> Answer:
    body = f"{name}=" + fill * (MAX_SIZE // len(fill))
    return visitor.post(filled(path, {"slug": "mug", "key": "tea", "number": "0"}), body)


def test_no_form_is_echoed_beyond_what_can_be_sent(shop: Shop) -> None:
    merchant = logged_in(shop.gateway, "merchant")
    stranger = Shopper(shop.gateway, {"staff": "0" * 64})
    bad = []
    for turn, path in enumerate(routes("POST")):
        for who, visitor in (("merchant", merchant), ("stranger", stranger)):
            jar = dict(visitor.jar)
            answer = post(visitor, path, fields_of(path)[turn % 3], FILLS[turn % len(FILLS)])
            visitor.jar = jar
            if not 300 <= answer.status < 500:
                bad.append((who, path, answer.status))
    assert bad == []


def test_input_sent_without_a_login_is_never_echoed(shop: Shop) -> None:
    for cookie in ("0" * 64, "junk", "'" * 3000):
        stranger = Shopper(shop.gateway, {"staff": cookie})
        answer = post(stranger, "/staff/products", "name", "'")
        assert (answer.status, "'" * 9 in answer.body, "&#39;" * 9 in answer.body) == (413, False, False)
        small = stranger.post("/staff/members", {"email": "zqq@shop.example"})
        assert (small.status, small.location, small.body) == (303, "/staff/login", "")


def test_what_was_typed_before_the_session_ended_comes_back_as_far_as_a_page_holds_it(shop: Shop) -> None:
    merchant = logged_in(shop.gateway, "merchant")
    with later(hours=3):
        answer = post(merchant, "/staff/products", "name", "x")
        assert (answer.status, "xxxxxxxxx" in answer.body) == (403, True)
        assert post(merchant, "/staff/products", "name", "'").status == 413
    StaffSession.get(key_of(merchant.jar["staff"])).delete()
    assert post(merchant, "/staff/products", "name", "x").status == 413


@pytest.mark.slow
def test_no_question_breaks_a_page_or_a_header(shop: Shop) -> None:
    merchant, nobody = logged_in(shop.gateway, "merchant"), Shopper(shop.gateway)
    shopper_pages = {"/": ("sort", "after"), "/search": ("q",), "/products/{slug}": ("sku",)}
    former = {"/categories/{slug}": ("sort", "after"), "/sitemap.xml": ("after",)}
    bad = []
    for path in routes("GET"):
        names = {**QUESTIONS, **shopper_pages, **former}.get(path, ("x", "next"))
        for name in names:
            for fill in ("'", "%27", "%F0%9F%98%80"):
                target = filled(path, {"slug": "mug"}) + f"?{name}=" + fill * (MAX_URL_LENGTH // len(fill))
                for visitor in (merchant, nobody):
                    jar = dict(visitor.jar)
                    answer = visitor.get(target)
                    visitor.jar = jar
                    if answer.status >= 500:
                        bad.append((path, name, fill, answer.status))
    assert bad == []


def test_a_former_address_leads_on_with_a_question_of_any_length(shop: Shop) -> None:
    from chalicelib.catalog.editing import category_editing
    from tests.security.target_shop import is_own

    merchant = logged_in(shop.gateway, "merchant")
    page = merchant.get("/staff/categories/tea").body
    forms = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', page))
    assert category_editing
    assert forms
    answer = merchant.post("/staff/categories/tea", {**forms, "name": "Teas", "slug": "teas", "text": ""})
    assert answer.status == 303, answer.text
    short = Shopper(shop.gateway).get("/categories/tea?after=x")
    assert (short.status, is_own(short.location)) == (301, True)
    assert 400 <= Shopper(shop.gateway).get("/categories/tea?after=" + "'" * MAX_URL_LENGTH).status < 500


def test_the_largest_product_is_a_page(shop: Shop) -> None:
    from chalicelib.catalog.models import Product

    product = Product.get("mug")
    for text in ("'" * 350_000, "<" * 350_000, "ü" * 170_000, "\U0001f600" * 85_000):
        product.update([Product.text.set(text)])
        shop_page = Shopper(shop.gateway).get("/products/mug")
        from chalicelib.web.page_cache import cache

        cache.clear()
        assert shop_page.status in (200, 413), text[0]
    merchant = logged_in(shop.gateway, "merchant")
    assert merchant.get("/staff/products/mug").status in (200, 413)


def test_orders_that_do_not_fit_into_an_answer_become_a_job(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, order_id = shop.paid(MUG=1)
    merchant = logged_in(shop.gateway, "merchant")
    assert merchant.get("/staff/orders/csv").status == 200
    monkeypatch.setattr("chalicelib.staff.csv_response.MAX_SENT_BYTES", 100)
    assert merchant.get("/staff/orders/csv").location.startswith("/staff/jobs/")
    assert merchant.get("/staff/orders/csv?q=Test").location.startswith("/staff/jobs/")
    answer = merchant.get(f"/staff/orders/csv?pick-{order_id}=on")
    assert (answer.status, "choose fewer rows" in answer.text) == (413, True)


def test_the_bound_is_of_what_lambda_counts() -> None:
    from chalice.app import Response

    from chalicelib.web.responses import MAX_SENT_BYTES, can_be_sent

    for letter, size in (("x", 1), ("ü", 6), ("\U0001f600", 12), ('"', 2), ("\x01", 6)):
        most = (MAX_SENT_BYTES - 2) // size
        assert can_be_sent(Response(letter * most, {"Content-Type": "text/html"}))
        assert not can_be_sent(Response(letter * (most + 1), {"Content-Type": "text/html"}))
        assert len(json.dumps({"body": letter * most})) < MAX_RESPONSE_BYTES
    many: dict[str, Any] = {"Content-Type": "text/html", "Set-Cookie": ["x" * 4000] * 3}
    assert not can_be_sent(Response("", many))
    assert not can_be_sent(Response("", {"Location": "/" + quote("'") * 3000}))
