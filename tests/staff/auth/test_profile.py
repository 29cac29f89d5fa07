"""A member's own account: another password."""

from unittest import mock

from chalicelib.staff.auth import passwords
from chalicelib.staff.jobs import job_queue
from infra.local.api_gateway import Gateway
from tests.client import Answer, Shopper
from tests.staff.staff_client import PASSWORD, later, logged_in, trail

NEW = "canvas awning at dawn"


def change(visitor: Shopper, current: str = PASSWORD, new: str = NEW) -> Answer:
    return visitor.post("/staff/account/password", {"current": current, "password": new})


def test_a_new_password_logs_every_other_browser_out(gateway: Gateway) -> None:
    finance, elsewhere = logged_in(gateway, "finance"), logged_in(gateway, "finance")
    before = dict(finance.jar)
    with mock.patch.object(job_queue, "send") as send:
        answer = change(finance)
    assert "Your password has been changed." in finance.follow(answer).text
    assert finance.jar["staff"] != before["staff"]
    assert elsewhere.get("/staff/account").status == 303
    assert Shopper(gateway, before).get("/staff/account").status == 303
    send.assert_called_once_with({"account_email": "changed", "email": "finance@shop.example"})
    form = {"email": "finance@shop.example", "password": NEW}
    assert Shopper(gateway).post("/staff/login", form).status == 303
    entry = next(entry for entry in trail() if entry.action == "changed their password")
    assert entry.subject == "account finance@shop.example"
    assert not any(secret in str(entry.to_simple_dict()) for secret in (PASSWORD, NEW, "argon2"))


def test_what_is_wrong_is_said_beside_its_field_and_changes_nothing(gateway: Gateway) -> None:
    finance = logged_in(gateway, "finance")
    for current, new, field, words in (
        ("a wrong password", NEW, "current", "This isn’t your current password."),
        ("", NEW, "current", "This isn’t your current password."),
        (PASSWORD, "short", "password", "at least 12 characters"),
        (PASSWORD, PASSWORD, "password", "already your password"),
        (PASSWORD, "finance@shop.example", "password", "easy to guess"),
    ):
        answer = change(finance, current, new)
        assert answer.status == 422
        assert f'id="{field}-error"' in answer.body
        assert words in answer.text
    assert finance.get("/staff/account").status == 200
    assert [entry.action for entry in trail()] == ["logged in"]


def test_the_current_password_cannot_be_guessed_on_the_profile_page(gateway: Gateway) -> None:
    finance = logged_in(gateway, "finance")
    with mock.patch.object(passwords, "verify", side_effect=passwords.verify) as looks:
        statuses = [change(finance, f"a wrong password {each}").status for each in range(7)]
    assert statuses == [422] * 5 + [429] * 2
    assert looks.call_count == 5
    with later(seconds=61):
        assert change(finance).status == 303


def test_the_page_says_until_when_the_browser_is_logged_in(gateway: Gateway) -> None:
    text = logged_in(gateway, "merchant").get("/staff/account").text
    assert "merchant@shop.example Merchant: full access." in text
    assert "until you’ve been inactive for 2 hours" in text
