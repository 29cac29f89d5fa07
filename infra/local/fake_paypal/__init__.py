"""A fake of PayPal's sandbox: its API, approval page and notifications, on one machine."""

from infra.local.fake_paypal.control.control_client import (
    Control,
    ControlError,
    LedgerRow,
    Notification,
    Received,
    Totals,
)
from infra.local.fake_paypal.server_app import FakePayPal

__all__ = ["Control", "ControlError", "FakePayPal", "LedgerRow", "Notification", "Received", "Totals"]
