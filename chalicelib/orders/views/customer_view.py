"""What the order's page says: the status, and what happens next."""

from dataclasses import dataclass
from typing import Any

from chalice.app import Response

from chalicelib import money
from chalicelib.cart.sessions import Session
from chalicelib.config import settings
from chalicelib.orders.base import OrderLine
from chalicelib.orders.delivery.parcels import parcel_view
from chalicelib.orders.enums import CloseReason, HistoryEvent, IssueKind, RefundStatus
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from chalicelib.taxes.statement import state_taxes
from chalicelib.web.responses import html_response
from chalicelib.web.templates import render

TIMELINE = {
    HistoryEvent.PLACED: "You placed the order.",
    HistoryEvent.PAYMENT_DECLINED: "PayPal declined the payment. You weren’t charged.",
    HistoryEvent.PAYER_ACTION_REQUIRED: "PayPal asked you to confirm the payment once more.",
    HistoryEvent.PAYMENT_REFUSED: "We couldn’t take your payment. You weren’t charged.",
    HistoryEvent.ADDRESS_REJECTED: "PayPal didn’t accept the delivery address. You weren’t charged.",
    HistoryEvent.PAYMENT_PENDING: "Your payment is pending at PayPal.",
    HistoryEvent.PAID: "We received your payment.",
    HistoryEvent.PAYMENT_REVERSED: "Your bank or PayPal reversed the payment.",
    HistoryEvent.REVERSAL_CANCELLED: "Your bank or PayPal returned the payment to us.",
    HistoryEvent.SHIPPED: "Your parcel is on its way.",
    HistoryEvent.PARCEL_ADDED: "A parcel is on its way.",
    HistoryEvent.PARCEL_CORRECTED: "We corrected the details of a parcel.",
    HistoryEvent.PARCEL_REMOVED: "A parcel wasn’t sent after all.",
    HistoryEvent.ADDRESS_CORRECTED: "We corrected the delivery details.",
    HistoryEvent.EXPIRED: "The order expired.",
    HistoryEvent.CANCELLED: "The order was cancelled.",
}


@dataclass(frozen=True)
class StatusText:
    """The text of a status."""

    headline: str
    explanation: str
    next_steps: str | None
    tone: str  # good, wait, bad


def status_text(order: Order) -> StatusText:
    """Return the status of an order for its customer."""
    email = order.customer.get("email") or "you"
    unpaid = order.state in (OrderState.AWAITING, OrderState.CANCELLED, OrderState.EXPIRED)
    if unpaid and order.has_issue(IssueKind.PAYEE_MISMATCH):
        return StatusText(
            "Your payment didn’t reach us",
            "PayPal reported a payment for this order that went to a different account. We’re looking into it.",
            f"Please don’t pay again for now, and contact us at {settings.shop.email}.",
            "bad",
        )
    if unpaid and order.recorded_transactions:
        return _status_of_unmatched_payment(order)
    if order.state == OrderState.AWAITING:
        return _status_of_awaiting(order)
    if order.is_payment_unresolved:
        return StatusText(
            "Your payment is taking longer than usual",
            "PayPal hasn’t confirmed yet whether your payment went through. We keep asking, and our team knows about it.",
            f"Please don’t order again for now. Come back to this page later to see the outcome, or contact us at {settings.shop.email}.",
            "wait",
        )
    if order.state == OrderState.CAPTURING:
        return StatusText(
            "Confirming your payment",
            "We’re confirming your payment with PayPal. This usually takes a few seconds.",
            "You don’t need to do anything. This page refreshes automatically, and we’ll keep checking even if you leave.",
            "wait",
        )
    if order.state == OrderState.PENDING:
        return StatusText(
            "Your payment is pending",
            "PayPal hasn’t released the payment yet. This is normal for some bank accounts and while PayPal runs its own checks.",
            f"We’ll send an email to {email} as soon as it goes through. Your items are reserved for you.",
            "wait",
        )
    if order.state in (OrderState.PAID, OrderState.SHIPPED):
        return _status_of_paid(order, email)
    return _status_of_closed(order)


def _refunded_amount(order: Order) -> int:
    """Return what was refunded of the payment itself, not of a second payment."""
    refunds = order.refunds.values()
    return sum(
        refund["amount"]
        for refund in refunds
        if refund["status"] == RefundStatus.COMPLETED and refund["capture_id"] == order.capture_id
    )


def _status_of_unmatched_payment(order: Order) -> StatusText:
    sold_out = order.close_reason == CloseReason.SOLD_OUT
    return StatusText(
        "Sorry, your items sold out" if sold_out else "Your order isn’t paid",
        "We received a payment that we can’t accept for this order, so we’re refunding all of it through PayPal.",
        "You can pay for the order again." if order.state == OrderState.AWAITING else None,
        "bad",
    )


def _status_of_awaiting(order: Order) -> StatusText:
    if order.last_rejection == HistoryEvent.PAYMENT_REFUSED:
        return StatusText(
            "We couldn’t take your payment",
            "PayPal wasn’t accepting payments for our shop when you last tried. You haven’t been charged, and there’s nothing wrong with your card or account.",
            f"You can try again now, or later if it still doesn’t work. {_reservation_text(order)}",
            "bad",
        )
    if order.last_rejection == HistoryEvent.ADDRESS_REJECTED:
        return StatusText(
            "PayPal didn’t accept the delivery address",
            "You haven’t been charged. We’ll still deliver to the address you entered.",
            "Please pay again. This time, we won’t send PayPal the address.",
            "wait",
        )
    if order.last_rejection == HistoryEvent.PAYER_ACTION_REQUIRED:
        return StatusText(
            "Please confirm your payment once more",
            "PayPal couldn’t complete the payment without you. You haven’t been charged.",
            f"Please go back to PayPal to confirm the payment or choose another way to pay. {_reservation_text(order)}",
            "wait",
        )
    if order.declined:
        return StatusText(
            "PayPal declined this payment",
            "You haven’t been charged. Another card or your PayPal balance may work.",
            f"You can try again now. {_reservation_text(order)}",
            "bad",
        )
    if order.paypal_order_id is None:
        return StatusText(
            "Your order is placed but not paid yet",
            "We couldn’t reach PayPal. You haven’t been charged.",
            f"Please try to pay again. {_reservation_text(order)}",
            "wait",
        )
    return StatusText(
        "Your order isn’t paid yet",
        "You haven’t been charged.",
        f"You can pay now. {_reservation_text(order)}",
        "wait",
    )


def _reservation_text(order: Order) -> str:
    if order.reserved:
        return "Your items are reserved for a few minutes."
    return "Your items aren’t reserved until you’ve paid."


def _status_of_paid(order: Order, email: str) -> StatusText:
    if order.reversed:
        return StatusText(
            "The payment for this order was reversed",
            f"Your bank or PayPal took back {money.format_money(int(order.reversed), order.currency)} of the payment.",
            f"If you didn’t expect this, please contact us at {settings.shop.email}.",
            "bad",
        )
    if _refunded_amount(order) >= order.total:
        return StatusText(
            "Your refund is on its way",
            f"We refunded {money.format_money(_refunded_amount(order), order.currency)} through PayPal.",
            None,
            "good",
        )
    if order.state == OrderState.SHIPPED:
        several = len(order.parcels) > 1
        headline = "Your parcels are on their way" if several else "Your parcel is on its way"
        return StatusText(headline, _shipment_text(order), None, "good")
    if order.parcels:
        return StatusText(
            "Part of your order is on its way", _shipment_text(order), "The rest will follow.", "good"
        )
    return StatusText(
        "Thank you, your order is paid",
        f"We’ll send a confirmation to {email}.",
        "We’re getting your order ready.",
        "good",
    )


def _shipment_text(order: Order) -> str:
    if len(order.parcels) > 1:
        return f"We’ve sent {len(order.parcels)} parcels."
    return "We’ve sent your order." if order.state == OrderState.SHIPPED else "We’ve sent the first parcel."


def _status_of_closed(order: Order) -> StatusText:
    if order.close_reason == CloseReason.SOLD_OUT:
        return StatusText(
            "Sorry, your items sold out",
            "Other customers bought one or more of your items before your payment was complete. You haven’t been charged.",
            "If you still want the other items, please order again."
            if order.has_emptied_cart
            else "Please check your cart for what’s still available.",
            "bad",
        )
    if order.state == OrderState.CANCELLED:
        return StatusText("This order was cancelled", "You haven’t been charged.", None, "bad")
    return StatusText(
        "This order has expired",
        "It wasn’t paid in time. You haven’t been charged.",
        "If you still want the items, please order again.",
        "bad",
    )


def can_pay(order: Order) -> bool:
    """Return whether the page offers to pay: not while a payment of this order went to another account."""
    return order.state == OrderState.AWAITING and not order.has_issue(IssueKind.PAYEE_MISMATCH)


def line_view(line: OrderLine) -> dict[str, Any]:
    """Return a line's values for templates."""
    return {
        "sku": line.sku,
        "slug": line.slug,
        "name": line.name,
        "label": ", ".join(line.options.values()),
        "quantity": line.quantity,
        "price": line.price,
        "total": line.total,
    }


def order_view(order: Order) -> dict[str, Any]:
    """Return an order's values for templates."""
    return {
        "id": order.id,
        "number": order.number,
        "placed_at": order.placed_at,
        "state": order.state,
        "lines": [line_view(line) for line in order.lines],
        "items": order.items,
        "shipping": order.shipping,
        "tax": state_taxes(order.tax_assessment, order.taxes, order.customer.get("vat_number", "")),
        "total": order.total,
        "currency": order.currency,
        "customer": {
            **order.customer,
            "country_name": settings.shop.country_name(order.customer["country"]),
        },
        "refunded": _refunded_amount(order),
        "parcels": [parcel_view(parcel) for parcel in order.parcels],
    }


def timeline_of(order: Order) -> list[dict[str, str]]:
    """Return the events of an order's history that concern the customer."""
    entries = []
    for entry in order.history:
        message = TIMELINE.get(entry["event"])
        if entry["event"] == HistoryEvent.REFUNDED:
            message = f"We refunded {entry['detail']}."
        if message is not None:
            entries.append({"at": entry["at"], "text": message})
    return entries


def render_order_page(
    order: Order, *, session: Session | None = None, message: str | None = None, status: int = 200
) -> Response:
    """Render the order's page. With the session that placed the order, the badge shows what is left in the cart."""
    text = status_text(order)
    badge = {} if session is None else {"cart_count": session.item_count}
    body = render(
        "orders/order.html",
        order=order_view(order),
        headline=text.headline,
        explanation=text.explanation,
        next_steps=text.next_steps,
        tone=text.tone,
        can_pay=can_pay(order),
        refresh=order.state == OrderState.CAPTURING and not order.is_payment_unresolved,
        timeline=timeline_of(order),
        message=message,
        **badge,
    )
    return html_response(body, status, None if session is None else session.cookies())
