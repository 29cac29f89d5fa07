"""Erase customers' data from orders that no longer need a name and an address."""

from datetime import datetime, timedelta

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.transactions import Transaction
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState


def erasure_blocked_reason(order: Order) -> str | None:
    """Return why an order's customer cannot be erased yet; None if they can."""
    until = datetime.fromisoformat(order.placed_at) + timedelta(days=settings.shop.erase_after_days)
    if clock.now() < until:
        return f"Kept until {until.astimezone(settings.timezone):%-d %B %Y}."
    if order.state in (OrderState.AWAITING, OrderState.CAPTURING, OrderState.PENDING):
        return "The payment isn’t complete yet."
    if order.state == OrderState.PAID and order.refunded + order.reversed < order.total:
        return "Paid, but not shipped yet."
    if order.emails_due:
        return "An email about it hasn’t been sent yet."
    if order.open_refunds():
        return "A refund is in progress."
    if order.open_issues:
        return "It has an unresolved issue."
    return None


def erase(order: Order, actor: str, transaction: Transaction) -> None:
    """Erase the customer from an order, and the order's search entries."""
    search_terms = order.search_terms
    order.erase(actor)
    order.update_search_terms(search_terms, transaction)
