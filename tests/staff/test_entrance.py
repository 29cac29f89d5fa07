"""Logging in and out."""

from tests.client import Shopper
from tests.shop import Shop
from tests.staff.desk import PASSWORD, member


def test_nobody_sees_a_staff_page_before_logging_in(shop: Shop) -> None:
    answer = shop.shopper().get("/staff/jobs/abc")
    assert answer.status == 303
    assert answer.location.endswith("/staff/login?next=%2Fstaff%2Fjobs%2Fabc")


def test_a_wrong_password_and_an_unknown_account_are_told_apart_by_nobody(shop: Shop) -> None:
    member("merchant")
    answers = [
        shop.shopper().post("/staff/login", {"email": email, "password": "wrong"})
        for email in ("merchant@shop.example", "nobody@shop.example")
    ]
    assert [answer.status for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text


def test_logging_out_ends_the_session_itself(shop: Shop, merchant: Shopper) -> None:
    cookie = dict(merchant.jar)
    assert merchant.get("/staff/jobs/abc").status == 404
    assert merchant.post("/staff/logout", {}).status == 303
    merchant.jar = cookie
    assert merchant.get("/staff/jobs/abc").status == 303


def test_the_cookie_is_strict_and_for_staff_pages_alone(shop: Shop) -> None:
    member("finance")
    form = {"email": "finance@shop.example", "password": PASSWORD}
    cookie = shop.shopper().post("/staff/login", form).set_cookies[0]
    assert "SameSite=Strict" in cookie
    assert "Path=/staff" in cookie
    assert "HttpOnly" in cookie
