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
    "declined": "PayPal declined the payment. Nothing was charged.",
    "confirm again": "PayPal asked for you to confirm the payment once more.",
    "payment refused": "We could not take your payment. Nothing was charged.",
    "address refused": "PayPal did not accept the delivery address. Nothing was charged.",
    "pending": "PayPal is holding the payment.",
    "paid": "The payment arrived.",
    "reversed": "A bank or PayPal took the payment back.",
    "reversal cancelled": "The payment came back to us.",
    "shipped": "The parcel is on its way.",
    "parcel added": "A parcel is on its way.",
    "parcel corrected": "We corrected the details of a parcel.",
    "parcel removed": "A parcel was not sent after all.",
    "address corrected": "We corrected the delivery details.",
    "expired": "The order ended unpaid.",
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
            "Your payment did not reach us",
            "PayPal tells of a payment for this order that went to somebody else. We are looking into it.",
            f"Please do not pay again for now, and write to {settings.shop.email}.",
            "bad",
        )
    if unpaid and order.booked:
        return _words_for_money_that_goes_back(order)
    if order.state == states.AWAITING:
        return _words_for_awaiting(order)
    if order.state == states.CAPTURING:
        return Words(
            "We are asking PayPal",
            "PayPal is being asked for your payment. This usually takes a few seconds.",
            "You need not do anything: this page looks again by itself, and the shop keeps asking even if you leave.",
            "wait",
        )
    if order.state == states.PENDING:
        return Words(
            "Your payment is on its way",
            "PayPal is holding the payment, as it does with some bank accounts and for checks of its own.",
            f"We send an e-mail to {email} as soon as it is through. Your things are kept for you.",
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
        "We could not keep your things" if sold_out else "Your order is not paid",
        "We received a payment that does not pay this order, and send all of it back by PayPal.",
        "You can pay the order anew." if order.state == states.AWAITING else None,
        "bad",
    )


def _words_for_awaiting(order: Order) -> Words:
    if order.last_refusal == "payment refused":
        return Words(
            "We could not take your payment",
            "When you last tried, PayPal took no payments for us. You have not been charged, and it is not about your card or account.",
            f"You can try to pay again now, or later if it still does not work. {_kept(order)}",
            "bad",
        )
    if order.last_refusal == "address refused":
        return Words(
            "PayPal did not accept the delivery address",
            "You have not been charged. We deliver to the address that you gave us all the same.",
            "Please pay again: this time PayPal is not asked about the address.",
            "wait",
        )
    if order.last_refusal == "confirm again":
        return Words(
            "PayPal asks you to confirm once more",
            "PayPal could not finish the payment without you. Nothing was charged.",
            f"Please go back to PayPal to confirm it, or choose another way to pay there. {_kept(order)}",
            "wait",
        )
    if order.declined:
        return Words(
            "PayPal declined this payment",
            "Nothing was charged. Often another card, or the balance, works.",
            f"You can try again now. {_kept(order)}",
            "bad",
        )
    if order.paypal_id is None:
        return Words(
            "Your order is placed, but not paid",
            "PayPal could not be reached a moment ago. Nothing was charged.",
            f"Please try to pay again. {_kept(order)}",
            "wait",
        )
    return Words(
        "Your order is not paid yet",
        "Nothing was charged so far.",
        f"You can pay it now. {_kept(order)}",
        "wait",
    )


def _kept(order: Order) -> str:
    if order.reserved:
        return "Its things are kept for you for a few minutes."
    return "Its things are not kept for you until it is paid; they are yours once the payment arrived."


def _words_for_paid(order: Order, email: str) -> Words:
    if order.reversed:
        return Words(
            "The payment of this order was taken back",
            f"A bank or PayPal took back {money.spoken(int(order.reversed), order.currency)} that had been paid.",
            f"If you do not expect that, please write to {settings.shop.email}.",
            "bad",
        )
    if _refunded(order) >= order.total:
        return Words(
            "Your money is on its way back",
            f"We refunded {money.spoken(_refunded(order), order.currency)} by PayPal.",
            None,
            "good",
        )
    if order.state == states.SHIPPED:
        several = len(order.parcels) > 1
        headline = "Your parcels are on their way" if several else "Your parcel is on its way"
        return Words(headline, _how_sent(order), None, "good")
    if order.parcels:
        return Words("A part of your order is on its way", _how_sent(order), "The rest follows.", "good")
    return Words(
        "Thank you, your order is paid",
        f"A confirmation goes to {email}.",
        "We pack it next.",
        "good",
    )


def _how_sent(order: Order) -> str:
    if len(order.parcels) > 1:
        return f"We have sent {len(order.parcels)} parcels."
    carrier = order.parcel["carrier"] if order.parcel else ""
    what = "your order" if order.state == states.SHIPPED else "the first parcel"
    return (
        f"We have packed {what} and handed it to {carrier}."
        if carrier
        else "We have packed and sent your order."
    )


def _words_for_closed(order: Order) -> Words:
    if order.closed_because == "sold out":
        return Words(
            "We could not keep your things",
            "While the order waited for its payment, others bought what was in it. You were not charged for it.",
            "We are sorry. Please look at your cart for what is still there.",
            "bad",
        )
    if order.state == states.CANCELLED:
        return Words("This order was cancelled", "Nothing was charged for it.", None, "bad")
    return Words(
        "This order ended unpaid",
        "It was not paid in time. Nothing was charged.",
        "If you still want the things, please order again.",
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
