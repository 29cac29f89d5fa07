"""Staff sessions: when they begin, whose they are, and everything that ends them."""

from typing import Any

from chalicelib.database.transactions import no_audit
from chalicelib.staff.auth import accounts
from chalicelib.staff.models import StaffSession
from infra.local.api_gateway import Gateway
from tests.client import Shopper
from tests.staff.staff_client import PASSWORD, later, logged_in, member

PAGE = "/staff/account"


def is_in(visitor: Shopper) -> bool:
    """Return whether somebody is logged in."""
    return visitor.get(PAGE).status == 200


def test_the_cookie_is_strict_and_for_staff_pages_alone(gateway: Gateway, setting: Any) -> None:
    form = {"email": member("finance").email, "password": PASSWORD}
    parts = Shopper(gateway).post("/staff/login", form).set_cookies[0].split("; ")
    assert set(parts[1:]) == {"Path=/staff", "Max-Age=43200", "SameSite=Strict", "HttpOnly"}
    setting(public_url="https://shop.example/api")
    parts = Shopper(gateway).post("/staff/login", form).set_cookies[0].split("; ")
    assert {"Path=/api/staff", "SameSite=Strict", "HttpOnly", "Secure"} <= set(parts)
    assert len(parts[0].removeprefix("staff=")) * 4 >= 128  # hex digits


def test_the_table_opens_no_session(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    rows = [row for row in StaffSession.scan() if row.key.startswith("session#")]
    assert len(rows) == 1
    assert merchant.jar["staff"] not in str(rows[0].to_simple_dict())
    thief = Shopper(gateway, {"staff": str(rows[0].key).partition("#")[2]})
    assert not is_in(thief)


def test_a_planted_id_is_never_taken_over(gateway: Gateway) -> None:
    planted = "0" * 64
    victim = Shopper(gateway, {"staff": planted})
    victim.post("/staff/login", {"email": member("merchant").email, "password": PASSWORD})
    assert is_in(victim)
    assert not is_in(Shopper(gateway, {"staff": planted}))


def test_logging_in_again_ends_the_session_before(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    before = dict(merchant.jar)
    merchant.post("/staff/login", {"email": "merchant@shop.example", "password": PASSWORD})
    assert is_in(merchant)
    assert not is_in(Shopper(gateway, before))


def test_a_cookie_that_is_none_is_nobody(gateway: Gateway) -> None:
    for cookie in ("", "x", "0" * 64, "'; --", "a" * 5000, "ä", "%00"):
        assert Shopper(gateway, {"staff": cookie, "session": "0" * 32}).get(PAGE).status == 303, cookie


def test_a_session_that_nobody_uses_ends_after_two_hours(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    with later(minutes=115):
        assert is_in(merchant)
    with later(minutes=230):
        assert is_in(merchant)  # it was used in between
    with later(minutes=352):
        assert not is_in(merchant)


def test_a_session_ends_after_twelve_hours_however_much_it_is_used(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    for hours in range(1, 12):
        with later(hours=hours):
            assert is_in(merchant)
    with later(hours=12, seconds=1):
        assert not is_in(merchant)


def test_looking_is_not_a_write_each_time(gateway: Gateway) -> None:
    from tests.call_counter import counted_calls

    merchant = logged_in(gateway, "merchant")
    with counted_calls() as calls:
        assert is_in(merchant)
    assert "UpdateItem" not in calls


def test_logging_out_ends_this_session_and_no_other(gateway: Gateway) -> None:
    here, elsewhere = logged_in(gateway, "merchant"), logged_in(gateway, "merchant")
    kept = dict(here.jar)
    assert here.post("/staff/logout", {}).location == "/staff/login"
    assert "staff" not in here.jar
    assert not is_in(Shopper(gateway, kept))
    assert is_in(elsewhere)


def test_logging_out_everywhere_ends_every_session_of_this_account(gateway: Gateway) -> None:
    here, elsewhere = logged_in(gateway, "merchant"), logged_in(gateway, "merchant")
    colleague = logged_in(gateway, "finance")
    assert here.post("/staff/logout", {"everywhere": "1"}).status == 303
    assert not is_in(here)
    assert not is_in(elsewhere)
    assert is_in(colleague)


def test_a_removed_account_is_out_at_once_and_a_new_one_of_its_name_takes_nothing_over(
    gateway: Gateway,
) -> None:
    finance = logged_in(gateway, "finance")
    accounts.remove("finance@shop.example", no_audit)
    assert not is_in(finance)
    member("finance")
    assert not is_in(finance)


def test_another_role_holds_at_once(gateway: Gateway) -> None:
    logged_in(gateway, "merchant")
    colleague = logged_in(gateway, "merchant", "colleague@shop.example")
    assert colleague.get("/staff/members").status == 200
    accounts.change_role("colleague@shop.example", "finance", no_audit)
    assert colleague.get("/staff/members").status == 403
    assert is_in(colleague)


def test_a_session_is_its_owners_alone(gateway: Gateway) -> None:
    merchant, finance = logged_in(gateway, "merchant"), logged_in(gateway, "finance")
    assert "finance@shop.example" in finance.get(PAGE).text
    assert "merchant@shop.example" not in finance.get(PAGE).text
    finance.jar, merchant.jar = merchant.jar, finance.jar
    assert "merchant@shop.example" in finance.get(PAGE).text
    assert merchant.get("/staff/members").status == 403


def test_what_was_typed_before_the_session_ended_can_be_sent_again(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    typed = {"email": 'x"><b>@shop.example', "role": "finance"}
    with later(hours=3):
        answer = merchant.post("/staff/members", typed)
        assert answer.status == 403
        assert "Nothing has been saved yet" in answer.text
        assert 'action="/staff/members"' in answer.body
        assert {name: answer.field(name) for name in typed} == typed
        assert "<b>@" not in answer.body
        merchant.post(
            "/staff/login", {"email": "merchant@shop.example", "password": PASSWORD}
        )  # in another tab
        assert merchant.post("/staff/members", {**typed, "email": "new@shop.example"}).status == 303


def test_a_password_is_never_sent_back(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    with later(hours=3):
        answer = merchant.post("/staff/account/password", {"current": PASSWORD, "password": "canvas awning"})
    assert (answer.status, answer.location, answer.body) == (303, "/staff/login", "")
