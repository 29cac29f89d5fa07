"""Logging in: who gets in, what is said to who does not, and where it leads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest

from chalicelib.staff.auth import accounts, passwords
from chalicelib.staff.auth.login import safe_next_url
from chalicelib.staff.models import StaffMember
from infra.local.api_gateway import Gateway
from tests.client import Answer, Shopper
from tests.staff.staff_client import PASSWORD, later, logged_in, member, trail

EMAIL = "merchant@shop.example"


@pytest.fixture
def visitor(gateway: Gateway) -> Shopper:
    """Return somebody who is not logged in; there is an account of the merchant."""
    member("merchant")
    return Shopper(gateway)


def log_in(visitor: Shopper, password: str = PASSWORD, email: str = EMAIL, **more: str) -> Answer:
    return visitor.post("/staff/login", {"email": email, "password": password, **more})


def test_nobody_sees_a_staff_page_before_logging_in(visitor: Shopper) -> None:
    answer = visitor.get("/staff/audit?month=2026-11")
    assert answer.status == 303
    assert answer.location.endswith("/staff/login?next=%2Fstaff%2Faudit%3Fmonth%3D2026-11")
    form = visitor.follow(answer)
    answer = log_in(visitor, next=form.field("next"))
    assert answer.location == "/staff/audit?month=2026-11"
    assert visitor.follow(answer).status == 200


def test_a_logged_in_member_is_redirected(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    assert merchant.get("/staff/login?next=/staff/audit").location == "/staff/audit"
    assert merchant.get("/staff/login?next=//evil.example").location == "/staff/"


def test_a_change_without_a_session_is_sent_to_the_login_and_nowhere_further(visitor: Shopper) -> None:
    answer = visitor.post("/staff/members", {"email": "new@shop.example", "role": "merchant"})
    assert (answer.status, answer.location) == (303, "/staff/login")
    assert [each.email for each in accounts.list_accounts()] == [EMAIL]


def test_the_address_may_be_typed_in_any_case(visitor: Shopper) -> None:
    assert log_in(visitor, email="  Merchant@Shop.EXAMPLE ").status == 303


def test_a_wrong_password_and_an_unknown_account_get_the_same_response(gateway: Gateway) -> None:
    member("merchant")
    accounts.make_member("invited@shop.example", "finance", None)
    answers = [
        log_in(Shopper(gateway), password, email)
        for email, password in (
            (EMAIL, "a wrong password"),
            ("nobody@shop.example", "a wrong password"),
            ("invited@shop.example", ""),
            ("invited@shop.example", "a wrong password"),
        )
    ]
    assert {answer.status for answer in answers} == {403}
    assert all(answer.set_cookies == [] for answer in answers)
    assert len({answer.body.replace(answer.field("email"), "") for answer in answers}) == 1


def test_what_was_typed_stays_except_the_password(visitor: Shopper) -> None:
    answer = log_in(visitor, "my dear secret", 'x"><script>@shop.example', next="/staff/members")
    assert answer.field("email") == 'x"><script>@shop.example'
    assert answer.field("next") == "/staff/members"
    assert "<script>@" not in answer.body
    assert "my dear secret" not in answer.body


def test_nonsense_is_a_wrong_password(visitor: Shopper) -> None:
    long = f"email={'x' * 9000}@a.de&password={'y' * 9000}"
    for form in ("", "email=%00&password=%00", long, "email=everybody&password="):
        answer = visitor.post("/staff/login", form)
        assert answer.status == 403
        assert "password is incorrect" in answer.text


def test_after_five_wrong_passwords_even_the_right_one_must_wait(gateway: Gateway) -> None:
    member("merchant")
    for email in (EMAIL, "nobody@shop.example"):
        answers = [log_in(Shopper(gateway), "a wrong password", email) for _ in range(5)]
        assert {answer.status for answer in answers} == {403}
        locked = log_in(Shopper(gateway), PASSWORD, email)
        assert locked.status == 429
        assert "Please wait 1 minute before trying again." in locked.text
        assert 0 < int(locked.headers["retry-after"]) <= 60
        assert locked.field("email") == email
    with later(seconds=61):
        assert log_in(Shopper(gateway)).status == 303


def test_guesses_at_the_same_moment_are_looked_at_five_times(gateway: Gateway) -> None:
    member("merchant")
    real = passwords.verify
    with mock.patch.object(passwords, "verify", side_effect=real) as looks, ThreadPoolExecutor(8) as crowd:
        statuses = list(crowd.map(lambda _: log_in(Shopper(gateway), "a wrong password").status, range(16)))
    assert looks.call_count == 5
    assert sorted(statuses) == [403] * 5 + [429] * 11


def test_a_password_with_weaker_hash_parameters_is_rehashed(visitor: Shopper) -> None:
    from argon2 import PasswordHasher

    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    accounts.get_account(EMAIL).update([StaffMember.password.set(weaker)])
    assert log_in(visitor).status == 303
    kept = accounts.get_account(EMAIL).password
    assert kept != weaker
    assert not passwords.is_outdated(kept)
    assert log_in(visitor).status == 303


def test_the_audit_log_has_logins_logouts_and_failed_attempts(visitor: Shopper) -> None:
    for _ in range(6):
        log_in(visitor, "a wrong password", "nobody@shop.example")
    for _ in range(5):
        log_in(visitor, "a wrong password")
    with later(minutes=2):
        log_in(visitor)
        visitor.post("/staff/logout", {})
    told = [(entry.actor, entry.action, entry.subject) for entry in trail()]
    guessing = "was locked out after wrong passwords"
    assert told == [
        ("visitor at 127.0.0.1", guessing, "an account that does not exist"),
        ("visitor at 127.0.0.1", guessing, f"account {EMAIL}"),
        (EMAIL, "logged in", "the staff pages"),
        (EMAIL, "logged out", "the staff pages"),
    ]


OWN = ["/staff/", "/staff/orders?state=paid&after=a%20b", "/staff/products/green-tea"]
FOREIGN = [
    "",
    "/",
    "/cart",
    "https://evil.example/staff/",
    "//evil.example/staff/",
    "/\\evil.example/staff/",
    "/staff/\\..\\evil",
    "\\\\evil.example",
    "/staffevil",
    "/staff/../cart",
    "/staff/%2e%2E/cart",
    "/staff/./x",
    "/staff/login?next=/staff/",
    "/staff/logout",
    "/staff/reset?token=x",
    "javascript:alert(1)",
    " /staff/orders",
    "/staff/ x",
    "/staff/\r\nSet-Cookie: a=b",
    "/staff/\u2028",
    "/staff/" + "x" * 3000,
]


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_logging_in_leads_to_staff_pages_alone(prefix: str, setting: Any) -> None:
    setting(public_url=f"https://shop.example{prefix}")
    for address in OWN:
        assert safe_next_url(prefix + address) == prefix + address
    for address in FOREIGN:
        assert safe_next_url(address) == f"{prefix}/staff/", address
    if prefix:
        assert safe_next_url("/staff/orders") == "/api/staff/"


def test_a_forged_way_on_leads_to_the_first_page(visitor: Shopper) -> None:
    for address in ("https://evil.example/", "/staff/\r\nX-Evil: 1", "//evil.example"):
        answer = log_in(visitor, next=address)
        assert (answer.status, answer.location) == (303, "/staff/")


def test_a_link_from_another_site_comes_once_more_with_the_cookie(gateway: Gateway) -> None:
    merchant = logged_in(gateway, "merchant")
    stranger = Shopper(gateway)
    again = stranger.get(
        "/staff/audit?month=2026-11", Sec_Fetch_Site="cross-site"
    )  # Strict: no cookie comes along
    assert again.status == 200
    assert 'http-equiv="refresh" content="0"' in again.body
    assert "/staff/audit?month=2026-11" in again.body
    assert again.headers["cache-control"] == "private, no-store"
    assert merchant.get("/staff/audit?month=2026-11", Sec_Fetch_Site="same-origin").status == 200
    assert stranger.get("/staff/audit", Sec_Fetch_Site="same-origin").status == 303  # so there is no loop


def test_a_refusal_is_shown_behind_the_counter(finance: Shopper) -> None:
    for address, status in (("/staff/products", 403), (f"/staff/orders/{'0' * 32}", 404)):
        answer = finance.get(address)
        assert answer.status == status
        assert "Go to the staff pages" in answer.text
        assert "Log out" in answer.text
