"""What the order's page says: the state in plain words, and what happens next."""

from dataclasses import dataclass
from typing import Any

from chalice.app import Response

from chalicelib import money
from chalicelib.cart.sessions import Session
from chalicelib.config import settings
from chalicelib.orders import states
from chalicelib.orders.base import Line
from chalicelib.orders.delivery.parcels import parcel_view
from chalicelib.orders.models import Order
from chalicelib.web.responses import page
from chalicelib.web.templates import render

TIMELINE = {
    "placed": "You placed the order.",
    "declined": "PayPal declined the payment. You weren’t charged.",
    "confirm again": "PayPal asked you to confirm the payment once more.",
    "payment refused": "We couldn’t take your payment. You weren’t charged.",
    "address refused": "PayPal didn’t accept the delivery address. You weren’t charged.",
    "pending": "Your payment is pending at PayPal.",
    "paid": "We received your payment.",
    "reversed": "Your bank or PayPal reversed the payment.",
    "reversal cancelled": "The reversal was cancelled.",
    "shipped": "Your parcel is on its way.",
    "parcel added": "A parcel is on its way.",
    "parcel corrected": "We corrected the details of a parcel.",
    "parcel removed": "A parcel wasn’t sent after all.",
    "address corrected": "We corrected the delivery details.",
    "expired": "The order expired.",
    "cancelled": "The order was cancelled.",
}


@dataclass(frozen=True)
class Words:
    """How a state is told."""

    headline: str
    explanation: str
    next_steps: str | None
    tone: str  # good, wait, bad


def words_for(order: Order) -> Words:
    """Tell a customer where their order stands."""
    email = order.customer.get("email") or "you"
    unpaid = order.state in (states.AWAITING, states.CANCELLED, states.EXPIRED)
    if unpaid and order.has_issue("wrong payee"):
        return Words(
            "Your payment didn’t reach us",
            "PayPal reported a payment for this order that went to a different account. We’re looking into it.",
            f"Please don’t pay again for now, and contact us at {settings.shop.email}.",
            "bad",
        )
    if unpaid and order.booked:
        return _words_for_money_that_goes_back(order)
    if order.state == states.AWAITING:
        return _words_for_awaiting(order)
    if order.state == states.CAPTURING:
        return Words(
            "Confirming your payment",
            "We’re confirming your payment with PayPal. This usually takes a few seconds.",
            "You don’t need to do anything. This page refreshes automatically, and we’ll keep checking even if you leave.",
            "wait",
        )
    if order.state == states.PENDING:
        return Words(
            "Your payment is pending",
            "PayPal hasn’t released the payment yet. This is normal for some bank accounts and while PayPal runs its own checks.",
            f"We’ll send an email to {email} as soon as it goes through. Your items are reserved for you.",
            "wait",
        )
    if order.state in (states.PAID, states.SHIPPED):
        return _words_for_paid(order, email)
    return _words_for_closed(order)


def _refunded(order: Order) -> int:
    """Count what went back of the payment itself, not of a second one that was never due."""
    refunds = order.refunds.values()
    return sum(
        refund["amount"]
        for refund in refunds
        if refund["status"] == "completed" and refund["capture"] == order.capture
    )


def _words_for_money_that_goes_back(order: Order) -> Words:
    sold_out = order.closed_because == "sold out"
    return Words(
        "Sorry, your items sold out" if sold_out else "Your order isn’t paid",
        "We received a payment that we can’t accept for this order, so we’re refunding all of it through PayPal.",
        "You can pay for the order again." if order.state == states.AWAITING else None,
        "bad",
    )


def _words_for_awaiting(order: Order) -> Words:
    if order.last_refusal == "payment refused":
        return Words(
            "We couldn’t take your payment",
            "PayPal wasn’t accepting payments for our shop when you last tried. You haven’t been charged, and there’s nothing wrong with your card or account.",
            f"You can try again now, or later if it still doesn’t work. {_kept(order)}",
            "bad",
        )
    if order.last_refusal == "address refused":
        return Words(
            "PayPal didn’t accept the delivery address",
            "You haven’t been charged. We’ll still deliver to the address you entered.",
            "Please pay again. This time, we won’t send PayPal the address.",
            "wait",
        )
    if order.last_refusal == "confirm again":
        return Words(
            "Please confirm your payment once more",
            "PayPal couldn’t complete the payment without you. You haven’t been charged.",
            f"Please go back to PayPal to confirm the payment or choose another way to pay. {_kept(order)}",
            "wait",
        )
    if order.declined:
        return Words(
            "PayPal declined this payment",
            "You haven’t been charged. Another card or your PayPal balance may work.",
            f"You can try again now. {_kept(order)}",
            "bad",
        )
    if order.paypal_id is None:
        return Words(
            "Your order is placed but not paid yet",
            "We couldn’t reach PayPal. You haven’t been charged.",
            f"Please try to pay again. {_kept(order)}",
            "wait",
        )
    return Words(
        "Your order isn’t paid yet",
        "You haven’t been charged.",
        f"You can pay now. {_kept(order)}",
        "wait",
    )


def _kept(order: Order) -> str:
    if order.reserved:
        return "Your items are reserved for a few minutes."
    return "Your items aren’t reserved until you’ve paid."


def _words_for_paid(order: Order, email: str) -> Words:
    if order.reversed:
        return Words(
            "The payment for this order was reversed",
            f"Your bank or PayPal took back {money.spoken(int(order.reversed), order.currency)} of the payment.",
            f"If you didn’t expect this, please contact us at {settings.shop.email}.",
            "bad",
        )
    if _refunded(order) >= order.total:
        return Words(
            "Your refund is on its way",
            f"We refunded {money.spoken(_refunded(order), order.currency)} through PayPal.",
            None,
            "good",
        )
    if order.state == states.SHIPPED:
        several = len(order.parcels) > 1
        headline = "Your parcels are on their way" if several else "Your parcel is on its way"
        return Words(headline, _how_sent(order), None, "good")
    if order.parcels:
        return Words("Part of your order is on its way", _how_sent(order), "The rest will follow.", "good")
    return Words(
        "Thank you, your order is paid",
        f"We’ll send a confirmation to {email}.",
        "We’re getting your order ready.",
        "good",
    )


def _how_sent(order: Order) -> str:
    if len(order.parcels) > 1:
        return f"We’ve sent {len(order.parcels)} parcels."
    return "We’ve sent your order." if order.state == states.SHIPPED else "We’ve sent the first parcel."


def _words_for_closed(order: Order) -> Words:
    if order.closed_because == "sold out":
        return Words(
            "Sorry, your items sold out",
            "Other customers bought one or more of your items before your payment was complete. You haven’t been charged.",
            "Please check your cart for what’s still available.",
            "bad",
        )
    if order.state == states.CANCELLED:
        return Words("This order was cancelled", "You haven’t been charged.", None, "bad")
    return Words(
        "This order has expired",
        "It wasn’t paid in time. You haven’t been charged.",
        "If you still want the items, please order again.",
        "bad",
    )


def can_pay(order: Order) -> bool:
    """Tell whether the page offers to pay: not while a payment of this order is missing."""
    return order.state == states.AWAITING and not order.has_issue("wrong payee")


def line_view(line: Line) -> dict[str, Any]:
    """Show a line as templates take it."""
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
    """Show an order as templates take it."""
    return {
        "id": order.id,
        "number": order.number,
        "placed_at": order.placed_at,
        "state": order.state,
        "lines": [line_view(line) for line in order.lines],
        "items": order.items,
        "shipping": order.shipping,
        "taxes": list(order.taxes.items()),
        "total": order.total,
        "currency": order.currency,
        "customer": {
            **order.customer,
            "country_name": settings.shop.countries.get(order.customer["country"]),
        },
        "refunded": _refunded(order),
        "parcels": [parcel_view(parcel) for parcel in order.parcels],
    }


def timeline_of(order: Order) -> list[dict[str, str]]:
    """Tell an order's history, as far as it is the customer's business."""
    told = []
    for entry in order.history:
        words = TIMELINE.get(entry["event"])
        if entry["event"] == "refunded":
            words = f"We refunded {entry['detail']}."
        if words is not None:
            told.append({"at": entry["at"], "words": words})
    return told


def order_page(
    order: Order, *, session: Session | None = None, message: str | None = None, status: int = 200
) -> Response:
    """Make the order's page. With the session it was placed from, the badge tells what is left in the cart."""
    words = words_for(order)
    badge = {} if session is None else {"cart_count": session.pieces}
    body = render(
        "orders/order.html",
        order=order_view(order),
        headline=words.headline,
        explanation=words.explanation,
        next_steps=words.next_steps,
        tone=words.tone,
        can_pay=can_pay(order),
        refresh=order.state == states.CAPTURING,
        timeline=timeline_of(order),
        message=message,
        **badge,
    )
    return page(body, status, None if session is None else session.cookies())
