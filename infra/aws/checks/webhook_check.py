"""Ask PayPal about the shop's webhook: its address, and the events it is subscribed to."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.payments.paypal.api_client import Client
from chalicelib.payments.paypal.errors import PayPalAuthError, PayPalError, PayPalNotFound
from chalicelib.payments.paypal.events import EVENT_TYPES
from infra.aws import paypal_secret
from infra.aws.aws_account import Account
from infra.aws.cloudformation.stack import Stack
from infra.aws.stage_config import Stage

WEBHOOK_ID = "PayPalWebhookId"
ASK_SECONDS = 20.0
ALL = "*"  # a webhook that is subscribed to everything
_ID = re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII)


class _WebhookGetRequest:
    """Get a webhook: https://developer.paypal.com/docs/api/webhooks/v1/#webhooks_get."""

    def __init__(self, webhook_id: str) -> None:
        self.verb = "GET"
        self.path = f"/v1/notifications/webhooks/{webhook_id}"
        self.headers = {"Content-Type": "application/json"}
        self.body = None


def webhook_is_right(account: Account, stage: Stage, stack: Stack, echo: Callable[[str], None]) -> bool:
    """Return whether PayPal's webhook is as the shop needs it, and print what is wrong; True for a shop without one."""
    parameters = stack.parameters()
    if not parameters.get(WEBHOOK_ID):
        return True
    parameter = account.client("ssm").get_parameter(Name=paypal_secret.name_of(stage), WithDecryption=True)
    client = Client(
        parameters["PayPalClientId"],
        parameter["Parameter"]["Value"],
        parameters["PayPalApiUrl"],
        parameters["PayPalApiUrl"],
    )
    wrong = faults(client, parameters[WEBHOOK_ID], stack.outputs()["WebhookUrl"])
    for message in wrong:
        echo(f"  FAILED  the webhook at PayPal: {message}")
    if not wrong:
        echo("  ok  the webhook at PayPal has the shop's URL and every event")
    return not wrong


def faults(client: Client, webhook_id: str, address: str) -> list[str]:
    """List what is wrong with a webhook that should lead to this address."""
    if not _ID.fullmatch(webhook_id):
        return [f"{webhook_id!r} is not a webhook ID."]
    try:
        webhook = client.send(_WebhookGetRequest(webhook_id), time.monotonic() + ASK_SECONDS)
    except PayPalNotFound:
        return [
            f"this app has no webhook with the ID {webhook_id}. Look up the right one at PayPal: make deploy … WEBHOOK_ID=…"
        ]
    except PayPalAuthError:
        return ["PayPal rejects the app's secret. Store the right one with make secret, and deploy again."]
    except PayPalError as error:
        return [f"it could not be read from PayPal ({error}). Deploy again to check again."]
    wrong = []
    if webhook.get("url") != address:
        wrong.append(f"its URL is {webhook.get('url')}. Change it at PayPal to {address}.")
    if missing := missing_events(webhook):
        wrong.append(f"add the events {', '.join(missing)}.")
    return wrong


def missing_events(webhook: Mapping[str, Any]) -> list[str]:
    """List the events that the shop needs and the webhook is not subscribed to."""
    subscribed = {event.get("name") for event in webhook.get("event_types", ())}
    return [] if ALL in subscribed else [name for name in EVENT_TYPES if name not in subscribed]
