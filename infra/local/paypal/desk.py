"""What every part of the stand-in works with: settings, store, clock, notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.paypal.store import Clock, Document, Store

if TYPE_CHECKING:
    from infra.local.paypal.webhooks import Webhooks

CLIENT_ID = "standin-client"
CLIENT_SECRET = "standin-secret"
WEBHOOK_ID = "5TANDINWEBH00K001"
MERCHANT = {"email_address": "merchant@standin.example", "merchant_id": "STANDN2MRCHNT"}
BUYER: Document = {
    "email_address": "buyer@standin.example",
    "account_id": "STANDN3BUYER7",
    "account_status": "VERIFIED",
    "name": {"given_name": "Test", "surname": "Buyer"},
    "address": {"country_code": "DE"},
}
BUYER_ADDRESS = {
    "address_line_1": "Musterweg 1",
    "admin_area_2": "Berlin",
    "postal_code": "10115",
    "country_code": "DE",
}


@dataclass
class Settings:
    """Who may call, whom to notify. Not stored: whoever starts the stand-in says it each time."""

    base_url: str = ""
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    webhook_id: str = WEBHOOK_ID
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ("*",)  # to which the webhook is subscribed; * is all of them
    automatic: bool = True
    token_life: int = 32400
    paid_orders_kept: float | None = None  # seconds after their capture; None: for ever


@dataclass
class Desk:
    """The shared desk: one lock (the store's transaction), one clock, one way to notify."""

    settings: Settings
    store: Store
    clock: Clock
    webhooks: Webhooks

    def url(self, path: str) -> str:
        """Return the address of a path here."""
        return self.settings.base_url + path

    def link(self, rel: str, path: str, method: str = "GET") -> Document:
        """Return a HATEOAS link to a path here."""
        return {"href": self.url(path), "rel": rel, "method": method}
