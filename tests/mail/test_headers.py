"""Nothing that a customer types can break a header, or send a mail to somebody else."""

from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail import sender
from chalicelib.mail.addresses import BadAddress, format_address, normalize_address, single_line
from chalicelib.orders.models import Order
from tests.mail import order_factory
from tests.mail.fake_ses import PostOffice
from tests.mail.test_outbox import deliver

NAMES = [
    "Tést Käufer",
    "Smith, John",
    'Anna "Annie" O\'Hara',
    "back\\slash",
    "a@b.example, c@d.example",
    "Eve <eve@evil.example>",
    "Eve\r\nBcc: everybody@example.org",
    "Eve\nSubject: free",
    "Eve\u2028Bcc: x@example.org",
    "Eve\u0085\x00\x0b\x0c",
    "\u202egnp.exe",
    "=?utf-8?q?Eve=0D=0ABcc:?=",
    "李小龍",
    "🙂" * 60,
    "x" * 500,
    "ü" * 500,
    "(comment) ; group: a@b.example;",
    "",
]


def parsed(header: str) -> EmailMessage:
    return message_from_string(f"To: {header}\n\n", policy=policy.default)


def only_address(header: str) -> Any:
    """Read a header as a mail program does; there must be one address and no other header."""
    message = parsed(header)
    assert message.keys() == ["To"]
    (address,) = message["To"].addresses
    return address


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_a_name_stays_a_name(name: str) -> None:
    header = format_address(name, "test@example.org")

    assert header.isascii()
    assert header.isprintable()
    address = only_address(header)
    assert address.addr_spec == "test@example.org"
    # Python's parser keeps the space between two encoded words, which RFC 2047 drops.
    assert address.display_name.replace(" ", "") == single_line(name)[:100].replace(" ", "")


@given(st.text(max_size=200))
def test_any_name_stays_one_name_and_one_address(name: str) -> None:
    header = format_address(name, "test@example.org")

    assert header.isascii()
    assert header.isprintable()
    assert only_address(header).addr_spec == "test@example.org"


@pytest.mark.parametrize("name", ["ü" * 200, "🙂" * 100], ids=["umlauts", "faces"])
def test_encoded_words_keep_to_their_75_letters(name: str) -> None:
    assert all(len(word) <= 75 for word in format_address(name, "test@example.org").split(" "))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "test",
        "@example.org",
        "test@",
        "test@localhost",
        "test@example.org, eve@example.org",
        "test@example.org\r\nBcc: eve@example.org",
        "test@example.org\u2028eve@example.org",
        "Test <test@example.org>",
        "test eve@example.org",
        '"test"@example.org',
        "tést@example.org",
        "test@exa mple.org",
        "test@-..org",
        "test@" + "a" * 64 + ".org",
        "z" * 65 + "@example.org",
        "test@" + "a." * 140 + "org",
        "test@[127.0.0.1]",
    ],
)
def test_an_invalid_recipient_is_refused(address: str) -> None:
    with pytest.raises(BadAddress) as refusal:
        normalize_address(address)
    assert len(address) < 2 or address not in str(refusal.value)


def test_an_address_that_is_far_too_long_is_refused_before_its_domain_is_encoded() -> None:
    with pytest.raises(BadAddress, match="too long"):  # encoding takes a second, and says something else
        normalize_address("test@" + "\ufdfa" * 5000)


def test_a_domain_in_other_letters_is_written_in_ascii() -> None:
    assert normalize_address("test@bücher.example") == "test@xn--bcher-kva.example"


@pytest.mark.parametrize("name", [NAMES[0], NAMES[1], NAMES[6], NAMES[7]], ids=ascii)
def test_ses_is_given_one_recipient_and_one_line_a_header(post: PostOffice, name: str) -> None:
    order = order_factory.paid(name=name)

    for entry in order.emails_due:
        assert deliver(order, entry)

    to_customer = next(mail for mail in post.taken if "test@" in mail["Destination"]["ToAddresses"][0])
    to_merchant = next(mail for mail in post.taken if mail is not to_customer)
    assert to_customer["Destination"].keys() == {"ToAddresses"}
    assert only_address(to_customer["Destination"]["ToAddresses"][0]).addr_spec == "test@example.org"
    assert only_address(to_customer["ReplyToAddresses"][0]).addr_spec == "shop@example.com"
    assert only_address(to_merchant["Destination"]["ToAddresses"][0]).addr_spec == "orders@example.com"
    assert only_address(to_merchant["ReplyToAddresses"][0]).addr_spec == "test@example.org"
    for mail in post.taken:
        assert only_address(mail["FromEmailAddress"]).addr_spec == "shop@example.com"
        subject = mail["Content"]["Simple"]["Subject"]["Data"]
        assert subject.isprintable()
        assert order.number in subject


def test_a_shops_name_in_other_letters_is_encoded(post: PostOffice, setting: Any) -> None:
    from dataclasses import replace

    from chalicelib.config import settings

    setting(shop=replace(settings.shop, name="Käse, Brot & „Tee“"))
    order = order_factory.paid()
    for entry in order.emails_due:
        assert deliver(order, entry)

    assert {only_address(mail["FromEmailAddress"]).display_name for mail in post.taken} == {
        "Käse, Brot & „Tee“"
    }


def test_a_customer_nobody_can_write_to_does_not_keep_the_merchant_uninformed(post: PostOffice) -> None:
    order = order_factory.paid(email="tést@example.org")
    body = '{"order": "%s", "entry": "%s"}'

    answer = sender.send_order_emails(
        [{"messageId": entry, "body": body % (order.id, entry)} for entry in order.emails_due]
    )

    assert answer == {"batchItemFailures": []}
    assert [issue["kind"] for issue in Order.fetch(order.id).issues] == ["email_rejected"]
    (mail,) = post.taken
    assert mail.get("ReplyToAddresses", []) == []
    assert "tést@example.org" in mail["Content"]["Simple"]["Body"]["Text"]["Data"]
