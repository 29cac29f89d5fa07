"""The staff's entrance in a browser: by keyboard, without script, from a mail's link, and without barriers."""

import re

import pytest
from playwright.sync_api import Page, Request, expect

from chalicelib.database.transactions import no_audit
from chalicelib.staff.auth import accounts, reset_tokens
from chalicelib.staff.auth.reset_tokens import FORGOTTEN
from tests.conftest import PAYPAL_PORT
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.test_accessibility import check_by_day_and_night
from tests.staff.staff_client import PASSWORD, member

EMAIL = "merchant@shop.example"
ELSEWHERE = f"http://localhost:{PAYPAL_PORT}/"  # another site than the shop's 127.0.0.1
FOLLOW = """address => {
    const link = Object.assign(document.createElement("a"), {href: address, textContent: "Look"});
    document.body.append(link);
    link.click();
}"""


@pytest.fixture(autouse=True)
def merchant(shop: object) -> None:
    """Make an account of the merchant."""
    member("merchant")


def log_in(visitor: Visitor, password: str = PASSWORD) -> None:
    visitor.field("Email address").fill(EMAIL)
    visitor.page.get_by_label("Password", exact=True).fill(password)
    visitor.button("Log in").click()


def asked_for(page: Page, path: str) -> list[Request]:
    """Collect the requests for a page from now on."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if request.url.endswith(path) else None)
    return found


def from_where(requests: list[Request]) -> list[str | None]:
    """Return what the browser said of where each request comes from."""
    return [request.all_headers().get("sec-fetch-site") for request in requests]


@pytest.mark.parametrize("script", [True, False])
def test_a_link_in_a_mail_leads_to_the_page_of_who_is_logged_in(let_in: LetIn, script: bool) -> None:
    visitor = let_in()
    visitor.open("/staff/account")
    log_in(visitor)
    visitor.reads("Your account")
    if not script:
        state = visitor.context.storage_state()
        visitor = let_in(java_script_enabled=False, storage_state=state)
    requests = asked_for(visitor.page, "/staff/account")
    come_from_elsewhere(visitor, "/staff/account")
    visitor.reads("Your account")
    assert from_where(requests) == ["cross-site", "same-origin"]


def test_a_link_in_a_mail_leads_to_the_login_of_who_is_not(let_in: LetIn) -> None:
    visitor = let_in()
    requests = asked_for(visitor.page, "/staff/account")
    come_from_elsewhere(visitor, "/staff/account")
    visitor.reads("Staff login")
    expect(visitor.page).to_have_url(re.compile(r"/staff/login\?next=%2Fstaff%2Faccount$"))
    assert from_where(requests) == ["cross-site", "same-origin"]
    log_in(visitor)
    visitor.reads("Your account")


def come_from_elsewhere(visitor: Visitor, path: str) -> None:
    """Follow a link to a staff page on another site's page."""
    visitor.page.goto(ELSEWHERE)
    visitor.page.evaluate(FOLLOW, visitor.shop_url + path)


def test_by_keyboard_and_with_a_look_at_what_was_typed(visitor: Visitor) -> None:
    visitor.open("/staff/login")
    keyboard = visitor.page.keyboard
    expect(visitor.field("Email address")).to_be_focused()
    keyboard.type(EMAIL)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    password = visitor.page.get_by_label("Password", exact=True)
    expect(password).to_have_attribute("type", "password")
    visitor.button("Show the password").press("Space")
    expect(password).to_have_attribute("type", "text")
    expect(password).to_be_focused()
    keyboard.press("Enter")
    expect(visitor.page.get_by_text(EMAIL).first).to_be_visible()


def test_without_script_the_way_back_in_works(let_in: LetIn) -> None:
    visitor = let_in(java_script_enabled=False)
    visitor.expects(422, 409)
    link = f"/staff/reset?token={reset_tokens.create_token(accounts.get_account(EMAIL), FORGOTTEN)}"
    visitor.open(link)
    visitor.field("New password").fill("short")
    visitor.button("Save password").click()
    expect(visitor.page.get_by_text("Please use at least 12 characters")).to_be_visible()
    visitor.field("New password").fill("canvas awning at dawn")
    visitor.button("Save password").click()
    visitor.is_told("Your new password has been saved.")
    visitor.open(link)
    visitor.reads("This link no longer works")
    visitor.open("/staff/account")
    log_in(visitor, "canvas awning at dawn")
    visitor.reads("Your account")


def test_no_barriers_by_day_and_night(let_in: LetIn) -> None:
    visitor = let_in(reduced_motion="reduce")
    visitor.expects(403, 409, 422)
    page = visitor.page
    visitor.open("/staff/login")
    check_by_day_and_night(page)
    log_in(visitor, "a wrong password")
    visitor.is_told("password is incorrect")
    check_by_day_and_night(page)
    visitor.open("/staff/forgotten")
    visitor.button("Send link").click()
    check_by_day_and_night(page, "a wrong address")
    visitor.field("Email address").fill(EMAIL)
    visitor.button("Send link").click()
    visitor.reads("Check your email")
    check_by_day_and_night(page)
    visitor.open(f"/staff/reset?token={reset_tokens.create_token(accounts.get_account(EMAIL), FORGOTTEN)}")
    visitor.button("Save password").click()
    check_by_day_and_night(page, "a poor password")
    visitor.open("/staff/reset?token=x")
    check_by_day_and_night(page)
    visitor.open("/staff/account")
    log_in(visitor)
    visitor.button("Change password").click()
    check_by_day_and_night(page, "a wrong current password")
    accounts.make_member("newcomer@shop.example", "finance", None)
    visitor.open("/staff/members")
    page.get_by_text("Remove").first.click()
    check_by_day_and_night(page)
    visitor.open("/staff/audit")
    check_by_day_and_night(page)


def test_after_the_session_ended_a_member_logs_in_and_submits_again(let_in: LetIn) -> None:
    visitor = let_in(reduced_motion="reduce")
    visitor.expects(403)
    visitor.open("/staff/members")
    log_in(visitor)
    visitor.field("Email address").fill("newcomer@shop.example")
    accounts.end_sessions(accounts.get_account(EMAIL), no_audit)
    visitor.button("Send invitation").click()
    visitor.reads("You’ve been logged out")
    check_by_day_and_night(visitor.page)
    with visitor.context.expect_page() as opened:
        visitor.link("Log in (opens a new tab)").click()
    opened.value.get_by_label("Email address").fill(EMAIL)
    opened.value.get_by_label("Password", exact=True).fill(PASSWORD)
    opened.value.get_by_role("button", name="Log in").click()
    expect(opened.value.get_by_text(EMAIL).first).to_be_visible()
    visitor.button("Then return here").click()
    visitor.is_told("Invitation sent to newcomer@shop.example")
