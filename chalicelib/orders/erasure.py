"""Erase a customer: which of their orders lose name and address, which do not yet and why, and the erasing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.database.transactions import AuditWriter, Transaction, no_audit
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.search import order_list, search_index
from chalicelib.orders.states import OrderState

MAX_ORDERS = 100  # orders at a time: one read, a hundred small transactions


@dataclass(frozen=True)
class ErasurePlan:
    """A preview of an erasure: the orders to erase, and those that are kept, each with the reason."""

    erased: list[Order]
    kept: list[tuple[Order, str]]
    more: bool


def plan_for(email: str) -> ErasurePlan:
    """Return what erasing the customer of an address would do: one Query, one BatchGetItem."""
    hits = search_index.find_by_email(email, MAX_ORDERS)
    orders = [
        order
        for order in order_list.read_in_order(hits.placed_keys)
        if search_index.fold_email(order.customer.get("email") or "") == search_index.fold_email(email)
    ]
    reasons = [(order, erasure_blocked_reason(order)) for order in orders]
    return ErasurePlan(
        [order for order, why in reasons if why is None],
        [(order, why) for order, why in reasons if why is not None],
        hits.truncated,
    )


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


def erase(order_id: str, actor: str, write_audit: AuditWriter = no_audit) -> bool:
    """Remove the customer's data and search entries from an order; False if that is blocked."""

    def action(order: Order, transaction: Transaction) -> bool:
        if order.erased_at or erasure_blocked_reason(order):
            return False
        search_terms = order.search_terms
        order.erase(actor)
        order.update_search_terms(search_terms, transaction)
        write_audit(transaction, order.audit_subject, {"customer": "known"}, {"customer": "erased"})
        return True

    return bool(update_order(order_id, action).erased_at)
