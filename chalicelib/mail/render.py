"""Letters: what each kind of mail says of an order, as the order is now.

The words of a kind are one plain-text template, `mail/bodies/<kind>.txt`: the subject, the headline and the
paragraphs, with empty lines between. `mail/layout.html` and `mail/layout.txt` set them, each in its own way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.config import settings
from chalicelib.mail import plain_text
from chalicelib.mail.addresses import BadAddress, Undeliverable, one_line, with_name
from chalicelib.orders import states
from chalicelib.orders.base import Line
from chalicelib.orders.delivery.parcels import parcel_view
from chalicelib.orders.issues import Told, tell
from chalicelib.orders.models import Order
from chalicelib.postal import address_lines
from chalicelib.web.templates import environment, paragraphs
from chalicelib.web.urls import absolute_url


class NotYetTrue(Exception):
    """Say that a mail is due before what it tells has happened."""


@dataclass(frozen=True)
class Letter:
    """A mail. Addresses are ready for a header, in ASCII; the subject is one line.

    `tags` go with it to SES, and come back with what SES tells of it: `mail`, its kind, and its `order`'s number.
    """

    sender: str
    to: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """When the words of a kind of mail are true, and what they are set with."""

    is_true: Callable[[Order, str], bool]
    button: str
    passes: bool = False  # what it tells may be over by the time it is sent: then nobody needs it
    ships: bool = True
    to_merchant: bool = False


@dataclass(frozen=True)
class Refund:
    """Money that went back, in minor units. `extra`: of a payment that is not the one for the order."""

    amount: int
    currency: str
    extra: bool
    note: str  # staff's own words to the customer, or none


def write_letter(order: Order, entry: str) -> Letter | None:
    """Write the mail of an outbox's entry; None where it is no longer true. Raises NotYetTrue, Undeliverable."""
    name, _, movement = entry.partition("#")
    kind = KINDS[name]
    if order.erased_at and not kind.to_merchant:
        return None
    if not kind.is_true(order, movement):
        if kind.passes:
            return None
        raise NotYetTrue(entry)
    values = _values(order, kind, movement)
    words = environment().get_template(f"mail/bodies/{name}.txt").render(values)
    subject, headline, *body = [one_line(paragraph) for paragraph in paragraphs(words)]
    values |= {"subject": subject, "headline": headline, "body": body}
    customer = (order.customer["name"], order.customer["email"])
    shop = (settings.shop.name, settings.shop.email)
    merchant = (settings.shop.name, settings.shop.merchant_email)
    return Letter(
        sender=with_name(*shop),
        to=_recipient(*(merchant if kind.to_merchant else customer)),
        reply_to=_reply_to(*(customer if kind.to_merchant else shop)),
        subject=subject,
        text=environment().get_template("mail/layout.txt").render(values),
        html=environment().get_template("mail/layout.html").render(values),
        tags={"mail": name, "order": order.number},
    )


def _recipient(name: str, address: str) -> str:
    try:
        return with_name(name, address)
    except BadAddress as error:
        raise Undeliverable(str(error)) from None


def _values(order: Order, kind: Kind, movement: str) -> dict[str, Any]:
    parcels = [parcel_view(parcel) for parcel in order.parcels]
    return {
        "kind": kind,
        "order": order,
        "currency": order.currency,
        "name": one_line(order.customer["name"]),
        "email": one_line(order.customer["email"]),
        "phone": one_line(order.customer.get("phone") or ""),
        "address": [one_line(line) for line in address_lines(order.customer)],
        "lines": [_line(line, with_sku=kind.to_merchant) for line in order.lines],
        "taxes": [(rate, amount) for rate, amount in order.taxes.items() if amount],
        "refund": _refund(order, movement),
        "returned": _returned(order, movement),
        "issue": _issue(order, movement),
        "movement": movement,
        "shop": settings.shop,
        "parcels": parcels,
        "parcel": next((parcel for parcel in parcels if parcel["id"] == movement.partition("-")[0]), None),
        "links": {parcel["address"] for parcel in parcels} - {""},
        "order_url": absolute_url(f"/staff/orders/{order.id}" if kind.to_merchant else f"/orders/{order.id}"),
        "shop_url": absolute_url("/"),
        "wrap": plain_text.wrap,
        "row": plain_text.row,
        "rule": plain_text.rule,
    }


def _line(line: Line, *, with_sku: bool) -> dict[str, Any]:
    label = ", ".join(line.options.values())
    if with_sku:
        label = f"{label} · {line.sku}" if label else line.sku
    return {
        "name": one_line(line.name),
        "label": one_line(label),
        "quantity": line.quantity,
        "price": line.price,
        "total": line.total,
    }


def _reply_to(name: str, address: str) -> str | None:
    try:
        return with_name(name, address)
    except BadAddress:
        return None  # the merchant reads of the order all the same


def _refund(order: Order, paypal_id: str) -> Refund | None:
    for key, refund in order.refunds.items():
        if paypal_id in (key, refund["paypal_id"]) and refund["status"] == "completed":
            note = one_line(refund.get("note", ""))
            return Refund(refund["amount"], refund["currency"], _is_extra(order, refund), note)
    return None


def _returned(order: Order, movement: str) -> int:
    """Add up what went back of the payment: until a refund where the mail is about one, else all."""
    done = {
        refund["paypal_id"]: refund["amount"]
        for refund in order.refunds.values()
        if refund["status"] == "completed" and not _is_extra(order, refund)
    }
    booked = [one["paypal_id"] for one in order.movements or []]
    if movement in done and movement in booked:
        later = booked[booked.index(movement) + 1 :]
        return sum(amount for paypal_id, amount in done.items() if paypal_id not in later)
    return sum(done.values())


def _is_extra(order: Order, refund: Mapping[str, Any]) -> bool:
    # Where PayPal did not say which capture was refunded, it was the one that paid.
    return bool((refund.get("capture") or order.capture) != order.capture)


def _issue(order: Order, movement: str) -> Told | None:
    """Tell the open issue whose place in the order's list is `movement`."""
    for number, issue in enumerate(order.issues):
        if str(number) == movement and "done" not in issue:
            return tell(issue)
    return None


def _is_paid(order: Order, _: str) -> bool:
    return order.state in (states.PAID, states.SHIPPED)


KINDS = {
    "paid": Kind(_is_paid, "View your order"),
    "merchant": Kind(_is_paid, "Open the order", to_merchant=True),
    "issue": Kind(
        lambda order, number: _issue(order, number) is not None,
        "Open the order",
        passes=True,
        ships=False,
        to_merchant=True,
    ),
    "refused": Kind(
        lambda order, _: bool(order.payment_refused),
        "Open the order",
        passes=True,
        ships=False,
        to_merchant=True,
    ),
    "pending": Kind(
        lambda order, capture: order.state == states.PENDING and order.capture == capture,
        "View your order",
        passes=True,
    ),
    "failed": Kind(lambda order, _: order.state == states.AWAITING, "Pay again", passes=True),
    "expired": Kind(lambda order, _: order.state == states.EXPIRED, "View your order", ships=False),
    # What staff say of parcels they may take back before the mail is sent.
    "shipped": Kind(
        lambda order, parcel_id: (
            order.state == states.SHIPPED and (order.has_parcel(parcel_id) or parcel_id == order.id)
        ),  # an earlier version named the order
        "View your order",
        passes=True,
    ),
    "parcel": Kind(lambda order, parcel_id: order.has_parcel(parcel_id), "View your order", passes=True),
    "tracking": Kind(
        lambda order, movement: order.has_parcel(movement.partition("-")[0]), "View your order", passes=True
    ),
    "unsent": Kind(lambda order, _: order.state in (states.PAID, states.SHIPPED), "View your order"),
    "address": Kind(lambda order, _: order.state in states.ORDERED, "View your order", passes=True),
    "refunded": Kind(
        lambda order, paypal_id: _refund(order, paypal_id) is not None, "View your order", ships=False
    ),
}
