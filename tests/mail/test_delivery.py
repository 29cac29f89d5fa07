"""Mails arrive whole: through SES and SMTP into a mailbox, and on a screen."""

import json
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from axe_playwright_python.sync_playwright import Axe

from chalicelib import aws as clients
from chalicelib.config import settings
from chalicelib.mail import sender
from chalicelib.mail.render import EMAIL_KINDS, render_email
from chalicelib.orders.base import OrderLine
from infra.local.local_cloud import LocalCloud
from infra.local.mailbox import Mailbox
from tests.browser import browser_or_skip
from tests.mail import order_factory

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A mail is shown inside a mail program, whose page has the landmarks.
AXE = {"rules": {"landmark-one-main": {"enabled": False}, "region": {"enabled": False}}}


@pytest.fixture
def mailbox(aws: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Send by a cloud of its own, whose SES delivers into a mailbox."""
    with Mailbox() as mailbox, LocalCloud(smtp=mailbox.smtp) as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", cloud.endpoint_url)
        monkeypatch.delitem(clients._clients, "sesv2", raising=False)
        boto3.client("sesv2").create_email_identity(EmailIdentity=settings.shop.email)
        yield mailbox
        clients._clients.pop("sesv2").close()


def test_both_mails_of_a_paid_order_arrive_whole(mailbox: Mailbox) -> None:
    order = order_factory.paid(name="Käufer, Tést")
    records = [
        {"messageId": entry, "body": json.dumps({"order": order.id, "entry": entry})}
        for entry in order.emails_due
    ]

    assert sender.send_order_emails(records) == {"batchItemFailures": []}

    to_customer = mailbox.wait_for(lambda mail: mail.recipients == ["test@example.org"])
    to_merchant = mailbox.wait_for(lambda mail: mail.recipients == [settings.shop.merchant_email])
    assert len(mailbox.messages()) == 2
    assert to_customer.subject == f"Your order {order.number} is paid"
    assert to_merchant.subject == f"Order {order.number} is paid: €69.70"
    assert to_customer.to == '"Käufer, Tést" <test@example.org>'
    assert "Hello Käufer, Tést,\n" in to_customer.text
    assert "Thank you, your order is paid</h1>" in to_customer.html
    raw = message_from_bytes(mailbox.store.raw(to_customer), policy=policy.default)
    assert raw.defects == []
    assert raw["From"].addresses[0].addr_spec == settings.shop.email
    assert raw.get_content_type() == "multipart/alternative"


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    with browser_or_skip() as browser:
        yield browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mail_is_readable_on_a_small_phone(aws: object, chromium: "Browser", scheme: Any) -> None:
    long = OrderLine(
        "SKU-1", "slug", "Donaudampfschifffahrtsgesellschaft" * 3, {"Colour": "x" * 80}, 20, 99999, "19"
    )
    bought = order_factory.refunded(
        order_factory.paid(order_factory.TEA, long, name="W" * 80, address="Y" * 120), 1000
    )
    others = [
        order_factory.pending("CAP2"),
        order_factory.failed("CAP3"),
        order_factory.move(order_factory.placed(), "die"),
        order_factory.move(order_factory.placed(), "refuse"),
        order_factory.move(order_factory.paid(capture="CAP4"), "ship", "correct", "raise"),
    ]
    every = [(order, entry) for order in (bought, *others) for entry in order.emails_due]
    assert {entry.partition("#")[0] for _, entry in every} == EMAIL_KINDS.keys()
    page = chromium.new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for order, entry in every:
        letter = render_email(order, entry)
        assert letter is not None
        page.set_content(letter.html)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, entry
        assert Axe().run(page, options=AXE).response["violations"] == [], entry

    assert asked == []
    page.close()
