"""A forgotten password: the same words for everybody, a link that works once, and a letter to who was meant."""

import json
import re
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ConnectTimeoutError

from chalicelib import aws as clients
from chalicelib.staff.auth import accounts, reset_tokens
from chalicelib.staff.auth.reset_tokens import TokenExpired
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import StaffSession
from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions
from infra.local.local_cloud import LocalCloud
from tests.client import Answer, Shopper
from tests.mail.sent_emails import letters
from tests.staff.staff_client import PASSWORD, later, logged_in, member, trail

EMAIL = "merchant@shop.example"
NEW = "canvas awning at dawn"


@pytest.fixture
def visitor(gateway: Gateway) -> Shopper:
    """Return somebody who is not logged in; there is an account of the merchant."""
    member("merchant")
    return Shopper(gateway)


def ask(visitor: Shopper, functions: Functions, email: str = EMAIL) -> Answer:
    """Ask for a password reset, and let the function behind the queue work."""
    answer = visitor.post("/staff/forgotten", {"email": email})
    functions.drain("background-jobs")
    return answer


def link_in(mail: dict[str, Any]) -> str:
    """Read the link out of a letter, as an address inside the shop."""
    found = re.search(r"http://127\.0\.0\.1:\d+(/staff/reset\?token=[0-9a-f]{64})\s", mail["BodyText"])
    assert found, mail
    return found[1]


def set_password(visitor: Shopper, link: str, password: str = NEW) -> Answer:
    form = visitor.get(link)
    assert form.status == 200, form.text
    return visitor.post("/staff/reset", {"token": form.field("token"), "password": password})


def log_in(visitor: Shopper, password: str) -> int:
    return visitor.post("/staff/login", {"email": EMAIL, "password": password}).status


def test_the_whole_way_back_in(visitor: Shopper, functions: Functions, aws: LocalCloud) -> None:
    thief = logged_in(visitor.gateway, "merchant")
    assert ask(visitor, functions, "Merchant@Shop.example").status == 200
    (letter,) = letters(aws.endpoint_url)
    assert letter["To"] == [EMAIL]
    assert letter["Subject"] == "Choose a new password for Slow Saturday"
    answer = set_password(visitor, link_in(letter))
    assert answer.location == "/staff/login"
    assert "Your new password has been saved" in visitor.follow(answer).text
    assert thief.get("/staff/account").status == 303
    assert log_in(visitor, PASSWORD) == 403
    assert log_in(visitor, NEW) == 303
    functions.drain("background-jobs")
    told = letters(aws.endpoint_url)[1]
    assert (told["To"], told["Subject"]) == ([EMAIL], "Your password for Slow Saturday was changed")
    assert "Wasn’t it you?" in told["BodyText"]
    entry = trail()[1]
    assert (entry.actor, entry.action) == (EMAIL, "set a password with an emailed link")
    assert NEW not in str(entry.to_simple_dict())


def test_the_response_does_not_reveal_whether_an_account_exists(
    visitor: Shopper, functions: Functions, aws: LocalCloud
) -> None:
    known, unknown = ask(visitor, functions), ask(visitor, functions, "nobody@shop.example")
    assert known.status == unknown.status == 200
    assert known.body.replace(EMAIL, "") == unknown.body.replace("nobody@shop.example", "")
    assert [letter["To"] for letter in letters(aws.endpoint_url)] == [[EMAIL]]


def test_the_request_itself_never_looks_for_the_account(visitor: Shopper) -> None:
    with mock.patch.object(accounts, "find") as find, mock.patch.object(job_queue, "send") as send:
        visitor.post("/staff/forgotten", {"email": EMAIL})
    find.assert_not_called()
    assert json.loads(json.dumps(send.call_args.args)) == [{"account_email": "forgotten", "email": EMAIL}]


def test_a_link_works_once(visitor: Shopper, functions: Functions, aws: LocalCloud) -> None:
    ask(visitor, functions)
    link = link_in(letters(aws.endpoint_url)[0])
    assert visitor.get(link).status == 200
    assert visitor.get(link).status == 200  # looking changes nothing: mail programs look too
    assert set_password(visitor, link).status == 303
    again = visitor.get(link)
    assert again.status == 409
    assert "This link no longer works" in again.text
    token = link.partition("token=")[2]
    assert visitor.post("/staff/reset", {"token": token, "password": "another good password"}).status == 409
    assert log_in(visitor, NEW) == 303


def test_two_who_use_one_link_at_once_set_one_password(visitor: Shopper) -> None:
    token = reset_tokens.create_token(member("merchant"), reset_tokens.FORGOTTEN)
    owner = reset_tokens.member_of(token)
    with mock.patch.object(
        reset_tokens, "member_of", return_value=owner
    ):  # both have looked before either has written
        reset_tokens.redeem_token(token, NEW, lambda *_: None)
        with pytest.raises(TokenExpired):
            reset_tokens.redeem_token(token, "another good password", lambda *_: None)
    assert log_in(visitor, NEW) == 303


def test_a_link_ends_after_half_an_hour(visitor: Shopper) -> None:
    link = f"/staff/reset?token={reset_tokens.create_token(member('merchant'), reset_tokens.FORGOTTEN)}"
    with later(minutes=29):
        assert visitor.get(link).status == 200
    with later(minutes=30, seconds=1):
        assert visitor.get(link).status == 409


def test_other_links_die_with_the_password_and_with_the_account(visitor: Shopper) -> None:
    first, second = (reset_tokens.create_token(member("merchant"), reset_tokens.FORGOTTEN) for _ in range(2))
    set_password(visitor, f"/staff/reset?token={first}")
    assert visitor.get(f"/staff/reset?token={second}").status == 409
    third = reset_tokens.create_token(member("finance"), reset_tokens.FORGOTTEN)
    accounts.remove("finance@shop.example", lambda *_: None)
    member("finance")
    assert visitor.get(f"/staff/reset?token={third}").status == 409


def test_a_forged_link_is_none(visitor: Shopper) -> None:
    session = logged_in(visitor.gateway, "merchant").jar["staff"]
    for token in ("", "x", "0" * 64, session, "a" * 5000, "%00", "ä"):
        assert visitor.get(f"/staff/reset?token={token}").status == 409, token
        assert visitor.post("/staff/reset", {"token": token, "password": NEW}).status == 409, token
    assert visitor.get("/staff/reset").status == 409


def test_a_poor_password_is_refused_beside_its_field_and_the_link_still_works(visitor: Shopper) -> None:
    token = reset_tokens.create_token(member("merchant"), reset_tokens.FORGOTTEN)
    answer = visitor.post("/staff/reset", {"token": token, "password": "short"})
    assert answer.status == 422
    assert 'aria-invalid="true" aria-describedby="password-error password-hint"' in answer.body
    assert answer.field("token") == token
    assert set_password(visitor, f"/staff/reset?token={token}").status == 303


def test_a_typing_error_in_the_address_is_said_beside_it(visitor: Shopper) -> None:
    answer = visitor.post("/staff/forgotten", {"email": "merchant@"})
    assert answer.status == 422
    assert answer.field("email") == "merchant@"
    assert "Please enter an email address" in answer.text


def test_three_letters_an_hour_are_enough(visitor: Shopper, functions: Functions, aws: LocalCloud) -> None:
    answers = [ask(visitor, functions) for _ in range(5)]
    assert len({answer.body for answer in answers}) == 1
    assert len(letters(aws.endpoint_url)) == 3
    with later(minutes=61):
        ask(visitor, functions)
    assert len(letters(aws.endpoint_url)) == 4


def test_one_place_cannot_ask_for_links_without_end(visitor: Shopper) -> None:
    with mock.patch.object(job_queue, "send"):
        answers = [visitor.post("/staff/forgotten", {"email": f"a{each}@shop.example"}) for each in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert "Please wait 1 minute" in answers[-1].text
    assert answers[-1].field("email") == "a10@shop.example"


def test_a_locked_out_owner_gets_in_by_the_reset_link(visitor: Shopper) -> None:
    for _ in range(5):
        log_in(visitor, "a wrong password")
    assert log_in(visitor, PASSWORD) == 429
    set_password(
        visitor, f"/staff/reset?token={reset_tokens.create_token(member('merchant'), reset_tokens.FORGOTTEN)}"
    )
    assert log_in(visitor, NEW) == 303


def test_the_letter_says_what_it_must_and_holds_nothing_else(
    visitor: Shopper, functions: Functions, aws: LocalCloud
) -> None:
    ask(visitor, functions)
    (letter,) = letters(aws.endpoint_url)
    assert "expires after 30 minutes." in " ".join(letter["BodyText"].split())
    assert link_in(letter) in letter["BodyHtml"]
    assert "Order" not in letter["BodyHtml"]
    assert EMAIL not in letter["BodyText"] + letter["BodyHtml"]


def test_the_table_opens_nothing(visitor: Shopper) -> None:
    token = reset_tokens.create_token(member("merchant"), reset_tokens.FORGOTTEN)
    rows = [row for row in StaffSession.scan() if row.key.startswith("link#")]
    assert len(rows) == 1
    assert token not in str(rows[0].to_simple_dict())
    assert visitor.get(f"/staff/reset?token={rows[0].key.partition('#')[2]}").status == 409


def test_where_the_queue_does_not_answer_everybody_hears_the_same(visitor: Shopper) -> None:
    sqs = clients.client("sqs")
    silence = ConnectTimeoutError(endpoint_url="sqs")
    with mock.patch.object(sqs, "send_message", side_effect=silence):
        answers = [
            visitor.post("/staff/forgotten", {"email": each}) for each in (EMAIL, "nobody@shop.example")
        ]
        assert [answer.status for answer in answers] == [503, 503]
        token = reset_tokens.create_token(member("merchant"), reset_tokens.FORGOTTEN)
        assert (
            set_password(visitor, f"/staff/reset?token={token}").status == 303
        )  # the change stands all the same
    assert log_in(visitor, NEW) == 303
