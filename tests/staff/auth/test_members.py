"""Who may enter: inviting, changing roles, removing, and never the last merchant."""

import re
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from botocore.exceptions import ConnectTimeoutError

from chalicelib import aws as clients
from chalicelib.database.transactions import no_audit
from chalicelib.staff.auth import accounts
from chalicelib.staff.auth.accounts import LastMerchant
from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions
from infra.local.local_cloud import LocalCloud
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.mail.sent_emails import letters
from tests.staff.staff_client import PASSWORD, logged_in, member, trail

NEW = "new@shop.example"


@pytest.fixture
def merchant(gateway: Gateway) -> Shopper:
    """Return the merchant, logged in, in a shop without things to buy."""
    return logged_in(gateway, "merchant")


def roles() -> dict[str, str]:
    """Return who may enter as what."""
    return {each.email: each.role for each in accounts.list_accounts()}


def test_an_invitation_is_mailed_and_its_link_lasts_three_days(
    merchant: Shopper, functions: Functions, aws: LocalCloud
) -> None:
    answer = merchant.post("/staff/members", {"email": " New@Shop.example", "role": "finance"})
    page = merchant.follow(answer)
    assert f"Invitation sent to {NEW}" in page.text
    assert "no password yet" in page.text
    functions.drain("background-jobs")
    (letter,) = letters(aws.endpoint_url)
    assert (letter["To"], letter["Subject"]) == ([NEW], "Your staff account for Slow Saturday")
    found = re.search(r"token=([0-9a-f]{64})", letter["BodyText"])
    assert found
    newcomer = Shopper(merchant.gateway)
    assert newcomer.post("/staff/reset", {"token": found[1], "password": PASSWORD}).status == 303
    assert newcomer.post("/staff/login", {"email": NEW, "password": PASSWORD}).status == 303
    assert newcomer.get("/staff/members").status == 403
    entry = trail()[1]
    assert (entry.actor, entry.action, entry.subject) == (
        "merchant@shop.example",
        "invited a staff member",
        f"account {NEW}",
    )
    assert (entry.before, entry.after) == ({}, {"role": "finance"})


def test_what_is_wrong_with_an_invitation_is_said_and_what_was_typed_stays(merchant: Shopper) -> None:
    for email, status, words in (
        ("no address", 422, "such as"),
        ("a..b@ex.com", 422, "two periods in a row"),
        ("merchant@shop.example", 409, "has an account"),
    ):
        answer = merchant.post("/staff/members", {"email": email, "role": "merchant"})
        assert answer.status == status
        assert words in answer.text
        form = answer.body.partition('id="invite"')[2]
        assert f'value="{email}"' in form
        assert 'value="merchant" selected' in form
    assert merchant.post("/staff/members", {"email": NEW, "role": "owner"}).status == 400
    assert roles() == {"merchant@shop.example": "merchant"}


def test_an_invitation_can_be_mailed_again_where_the_queue_was_away(merchant: Shopper) -> None:
    sqs = clients.client("sqs")
    silence = mock.patch.object(sqs, "send_message", side_effect=ConnectTimeoutError(endpoint_url="sqs"))
    with silence:
        answer = merchant.post("/staff/members", {"email": NEW, "role": "finance"})
    assert "Please resend it" in merchant.follow(answer).text
    answer = merchant.post("/staff/members/invitation", {"email": NEW})
    assert "Invitation sent to" in merchant.follow(answer).text
    assert merchant.post("/staff/members/invitation", {"email": "merchant@shop.example"}).status == 409


def test_a_role_changes_at_once_and_is_in_the_trail(merchant: Shopper) -> None:
    finance = logged_in(merchant.gateway, "finance")
    form = {"email": "finance@shop.example", "role": "merchant"}
    page = merchant.follow(merchant.post("/staff/members/role", form))
    assert "finance@shop.example now has the role merchant." in page.text
    assert finance.get("/staff/members").status == 200
    entry = trail()[-1]
    assert (entry.before, entry.after) == ({"role": "finance"}, {"role": "merchant"})


def test_a_removed_member_is_logged_out(merchant: Shopper) -> None:
    finance = logged_in(merchant.gateway, "finance")
    form = {"email": "finance@shop.example"}
    assert "has been removed" in merchant.follow(merchant.post("/staff/members/removal", form)).text
    assert finance.get("/staff/account").status == 303
    assert roles() == {"merchant@shop.example": "merchant"}
    assert merchant.post("/staff/members/removal", form).status == 404
    assert merchant.post("/staff/members/role", {**form, "role": "merchant"}).status == 404
    entry = trail()[-1]
    assert (entry.action, entry.before, entry.after) == ("removed an account", {"role": "finance"}, {})


def test_the_last_merchant_can_neither_go_nor_step_down(merchant: Shopper) -> None:
    member("finance")
    form = {"email": "merchant@shop.example"}
    for address, more in (("/staff/members/removal", {}), ("/staff/members/role", {"role": "finance"})):
        answer = merchant.post(address, {**form, **more})
        assert answer.status == 409
        assert "last merchant account" in answer.text
        assert "<h1>The shop needs a merchant</h1>" in answer.body
        assert '<a class="button" href="/staff/members">Back</a>' in answer.body
    assert roles()["merchant@shop.example"] == "merchant"


def test_an_invitation_that_nobody_accepted_is_no_other_merchant(merchant: Shopper) -> None:
    accounts.make_member(NEW, "merchant", None)
    form = {"email": "merchant@shop.example"}
    for address, more in (("/staff/members/removal", {}), ("/staff/members/role", {"role": "finance"})):
        answer = merchant.post(address, {**form, **more})
        assert answer.status == 409
        assert "last merchant account" in answer.text
    with pytest.raises(LastMerchant):
        accounts.make_member("merchant@shop.example", "finance", PASSWORD)
    assert roles() == {"merchant@shop.example": "merchant", NEW: "merchant"}


def test_an_invitation_as_merchant_can_be_taken_back_and_an_accepted_one_counts(merchant: Shopper) -> None:
    accounts.make_member(NEW, "merchant", None)
    assert merchant.post("/staff/members/role", {"email": NEW, "role": "finance"}).status == 303
    assert merchant.post("/staff/members/role", {"email": NEW, "role": "merchant"}).status == 303
    assert merchant.post("/staff/members/removal", {"email": NEW}).status == 303
    member("merchant", "second@shop.example")
    form = {"email": "merchant@shop.example", "role": "finance"}
    assert merchant.post("/staff/members/role", form).status == 303
    assert roles() == {"merchant@shop.example": "finance", "second@shop.example": "merchant"}


def test_two_merchants_who_remove_each_other_at_once_leave_one(merchant: Shopper) -> None:
    emails = ["merchant@shop.example", "second@shop.example"]
    member("merchant", emails[1])

    def remove(email: str) -> bool:
        try:
            accounts.remove(email, no_audit)
        except LastMerchant:
            return False
        return True

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(remove, emails)) == [False, True]
    assert len(roles()) == 1


def test_two_merchants_who_demote_each_other_at_once_leave_one(merchant: Shopper) -> None:
    emails = ["merchant@shop.example", "second@shop.example"]
    member("merchant", emails[1])
    accounts.make_member(NEW, "merchant", None)

    def demote(email: str) -> bool:
        try:
            accounts.change_role(email, "finance", no_audit)
        except LastMerchant:
            return False
        return True

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(demote, emails)) == [False, True]
    assert sorted(roles()[email] for email in emails) == ["finance", "merchant"]


def test_accounts_made_at_the_same_moment_are_all_listed(gateway: Gateway) -> None:
    with ThreadPoolExecutor(3) as crowd:
        list(crowd.map(lambda each: accounts.make_member(f"m{each}@shop.example", "finance", None), range(3)))
    assert sorted(roles()) == [f"m{each}@shop.example" for each in range(3)]


def test_the_list_is_two_reads_however_many_there_are(merchant: Shopper) -> None:
    for each in range(12):
        accounts.make_member(f"m{each}@shop.example", "finance", None)
    with counted_calls() as calls:
        assert len(accounts.list_accounts()) == 13
    assert dict(calls) == {"GetItem": 1, "BatchGetItem": 1}
