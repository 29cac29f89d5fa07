"""The fake's settings and fixed IDs."""

from __future__ import annotations

from dataclasses import dataclass

from infra.local.fake_paypal.store import Document

CLIENT_ID = "fake-client"
CLIENT_SECRET = "fake-secret"
WEBHOOK_ID = "FAKEWEBHOOK000001"
MERCHANT = {"email_address": "merchant@paypal.example", "merchant_id": "FAKEMERCHANT2"}
BUYER: Document = {
    "email_address": "buyer@paypal.example",
    "account_id": "FAKEBUYER2345",
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
    """Who may call, and whom to notify. Not stored: given at each start."""

    base_url: str = ""
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    webhook_id: str = WEBHOOK_ID
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ("*",)  # the types that the webhook is subscribed to; * is all of them
    automatic: bool = True
    token_life: int = 32400
    paid_orders_kept: float | None = None  # seconds after their capture; None: for ever
