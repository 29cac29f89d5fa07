"""A stand-in for PayPal's sandbox: its API, its approval page, its notifications, on one machine."""

from infra.local.paypal.control import Control, ControlError, LedgerRow, Notification, Received, Totals
from infra.local.paypal.standin import StandIn

__all__ = ["Control", "ControlError", "LedgerRow", "Notification", "Received", "StandIn", "Totals"]
