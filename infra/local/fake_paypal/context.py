"""What every part of the fake PayPal shares: settings, store, clock, notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.fake_paypal.store import Clock, Document, Store

if TYPE_CHECKING:
    from infra.local.fake_paypal.webhooks import Webhooks
from infra.local.fake_paypal.settings import Settings


@dataclass
class Context:
    """The shared context: one lock (the store's transaction), one clock, one way to notify."""

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
