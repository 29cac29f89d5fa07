"""What `make deploy` finds out about the webhook at PayPal, asked of the fake PayPal."""

from typing import Any

import pytest

from chalicelib.payments.paypal.api_client import Client
from chalicelib.payments.paypal.events import EVENT_TYPES
from infra.aws import paypal_secret
from infra.aws.checks.webhook_check import WEBHOOK_ID, faults, webhook_is_right
from infra.aws.stage_config import Stage
from infra.local.fake_paypal import Control, FakePayPal
from tests.infra.package.minimal_package import STAGE

ADDRESS = "https://shop.example/webhooks/paypal"


@pytest.fixture
def webhook(fake_paypal: FakePayPal, paypal: Control) -> Control:
    """Return what steers PayPal, where the webhook is as it should be."""
    paypal.set_webhook(ADDRESS)
    paypal.subscribe(*EVENT_TYPES)
    return paypal


def found(fake_paypal: FakePayPal, webhook_id: str | None = None, secret_: str | None = None) -> list[str]:
    client = Client(
        fake_paypal.client_id, secret_ or fake_paypal.client_secret, fake_paypal.api_url, fake_paypal.web_url
    )
    return faults(client, webhook_id or fake_paypal.webhook_id, ADDRESS)


def test_a_webhook_with_our_address_and_all_events_is_right(
    fake_paypal: FakePayPal, webhook: Control
) -> None:
    assert found(fake_paypal) == []
    webhook.subscribe("*")
    assert found(fake_paypal) == []


def test_events_that_are_missing_are_named(fake_paypal: FakePayPal, webhook: Control) -> None:
    webhook.subscribe(
        *(name for name in EVENT_TYPES if name != "PAYMENT.CAPTURE.DECLINED"), "BILLING.PLAN.CREATED"
    )
    assert found(fake_paypal) == ["add the events PAYMENT.CAPTURE.DECLINED."]


def test_another_address_is_named(fake_paypal: FakePayPal, webhook: Control) -> None:
    for other in ("https://old.example/webhooks/paypal", f"{ADDRESS}/", ADDRESS.upper()):
        webhook.set_webhook(other)
        assert found(fake_paypal) == [f"its URL is {other}. Change it at PayPal to {ADDRESS}."]


def test_what_paypal_does_not_show_is_said(fake_paypal: FakePayPal, webhook: Control) -> None:
    assert "no webhook with the ID ANOTHER" in found(fake_paypal, "ANOTHER")[0]
    assert "not a webhook ID" in found(fake_paypal, "../webhooks-events")[0]
    assert "rejects the app's secret" in found(fake_paypal, secret_="wrong")[0]
    webhook.fault("webhook_get", "503", times=None)
    assert "could not be read from PayPal" in found(fake_paypal)[0]


class Standing:
    """A stack that stands."""

    def __init__(self, fake_paypal: FakePayPal, webhook_id: str) -> None:
        self._told = {
            "PayPalClientId": fake_paypal.client_id,
            "PayPalApiUrl": fake_paypal.api_url,
            WEBHOOK_ID: webhook_id,
        }

    def parameters(self) -> dict[str, str]:
        return self._told

    def outputs(self) -> dict[str, str]:
        return {"WebhookUrl": ADDRESS}


def test_a_deployed_shop_asks_with_the_secret_that_it_keeps(
    aws: object, fake_paypal: FakePayPal, webhook: Control
) -> None:
    from infra.aws.aws_account import Account

    account, stage = Account(STAGE.region), STAGE
    paypal_secret.keep(account.client("ssm"), paypal_secret.name_of(stage), fake_paypal.client_secret)
    said: list[str] = []

    def is_right(webhook_id: str) -> bool:
        stack: Any = Standing(fake_paypal, webhook_id)
        return webhook_is_right(account, stage, stack, said.append)

    assert isinstance(stage, Stage)
    assert is_right("")
    assert said == []  # what is to be entered was told before
    assert is_right(fake_paypal.webhook_id)
    assert said == ["  ok  the webhook at PayPal has the shop's URL and every event"]
    webhook.subscribe("CHECKOUT.ORDER.APPROVED")
    assert not is_right(fake_paypal.webhook_id)
    assert said[-1].startswith(
        "  FAILED  the webhook at PayPal: add the events CHECKOUT.PAYMENT-APPROVAL.REVERSED, "
    )
