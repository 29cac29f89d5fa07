"""Render emails: what each kind says about an order, as the order is now.

The text of a kind is one plain-text template, `mail/bodies/<kind>.txt`: the subject, the headline and the
paragraphs, with empty lines between. `mail/layout.html` and `mail/layout.txt` lay them out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.config import settings
from chalicelib.mail import plain_text
from chalicelib.mail.addresses import BadAddress, Undeliverable, format_address, single_line
from chalicelib.orders import states
from chalicelib.orders.base import OrderLine
from chalicelib.orders.delivery.parcels import parcel_view
from chalicelib.orders.enums import EmailKind, RefundStatus
from chalicelib.orders.issues import IssueText, describe_issue
from chalicelib.orders.models import Order
from chalicelib.orders.states import OrderState
from chalicelib.postal import address_lines
from chalicelib.taxes.statement import state_taxes
from chalicelib.web.templates import environment, paragraphs
from chalicelib.web.urls import absolute_url


class NotDueYet(Exception):
    """Raised if an email is due before the event that it reports."""


@dataclass(frozen=True)
class Email:
    """An email. Addresses are ready for a header, in ASCII; the subject is one line.

    `tags` are sent to SES, and included in its reports: `mail`, the email's kind, and the `order`'s number.
    """

    sender: str
    to: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class EmailTemplate:
    """When an email of a kind is true, and how it is laid out."""

    is_true: Callable[[Order, str], bool]
    button: str
    may_become_obsolete: bool = False  # may no longer be true when it is sent; then it is not needed
    shows_address: bool = True
    to_merchant: bool = False
    lists_shipped: bool = False  # what the parcels contain, not what was ordered


@dataclass(frozen=True)
class RefundView:
    """A completed refund, in minor units. `extra`: of a payment that is not the one for the order."""

    amount: int
    currency: str
    extra: bool
    mismatch: str  # the issue kind that says why that payment didn't pay the order; empty if unknown
    note: str  # staff's note to the customer, or empty


def render_email(order: Order, entry: str) -> Email | None:
    """Render the email of an outbox entry; None if it is obsolete. Raises NotDueYet, Undeliverable."""
    name, _, movement = entry.partition("#")
    kind = EMAIL_KINDS[name]
    if order.erased_at and not kind.to_merchant:
        return None
    if not kind.is_true(order, movement):
        if kind.may_become_obsolete:
            return None
        raise NotDueYet(entry)
    values = _values(order, kind, movement)
    body_text = environment().get_template(f"mail/bodies/{name}.txt").render(values)
    subject, headline, *body = [single_line(paragraph) for paragraph in paragraphs(body_text)]
    values |= {"subject": subject, "headline": headline, "body": body}
    customer = (order.customer["name"], order.customer["email"])
    shop = (settings.shop.name, settings.shop.email)
    merchant = (settings.shop.name, settings.shop.merchant_email)
    return Email(
        sender=format_address(*shop),
        to=_recipient(*(merchant if kind.to_merchant else customer)),
        reply_to=_reply_to(*(customer if kind.to_merchant else shop)),
        subject=subject,
        text=environment().get_template("mail/layout.txt").render(values),
        html=environment().get_template("mail/layout.html").render(values),
        tags={"mail": name, "order": order.number},
    )


def _recipient(name: str, address: str) -> str:
    try:
        return format_address(name, address)
    except BadAddress as error:
        raise Undeliverable(str(error)) from None


def _values(order: Order, kind: EmailTemplate, movement: str) -> dict[str, Any]:
    parcels = [parcel_view(parcel) for parcel in order.parcels]
    return {
        "kind": kind,
        "order": order,
        "currency": order.currency,
        "name": single_line(order.customer["name"]),
        "email": single_line(order.customer["email"]),
        "phone": single_line(order.customer.get("phone") or ""),
        "address": [single_line(line) for line in address_lines(order.customer)],
        "lines": [_line(line, with_sku=kind.to_merchant) for line in _lines(order, kind)],
        "tax": state_taxes(order.tax_assessment, order.taxes, order.customer.get("vat_number", "")),
        "refund": _refund(order, movement),
        "refunded_total": _refunded_total(order, movement),
        "issue": _issue(order, movement),
        "movement": movement,
        "shop": settings.shop,
        "parcels": parcels,
        "parcel": next((parcel for parcel in parcels if parcel["id"] == movement.partition("-")[0]), None),
        "links": {parcel["address"] for parcel in parcels} - {""},
        "order_url": absolute_url(f"/staff/orders/{order.id}" if kind.to_merchant else f"/orders/{order.id}"),
        "shop_url": absolute_url("/"),
        "wrap": plain_text.wrap,
        "amount_line": plain_text.amount_line,
        "divider": plain_text.divider,
    }


def _lines(order: Order, kind: EmailTemplate) -> list[OrderLine]:
    """List what was ordered, or what is in the parcels: as on packing slips, without restocked units."""
    if not kind.lists_shipped:
        return order.lines
    kept = order.unreturned_quantities
    return [replace(line, quantity=kept[line.sku]) for line in order.lines if kept[line.sku]]


def _line(line: OrderLine, *, with_sku: bool) -> dict[str, Any]:
    label = ", ".join(line.options.values())
    if with_sku:
        label = f"{label} · {line.sku}" if label else line.sku
    return {
        "name": single_line(line.name),
        "label": single_line(label),
        "quantity": line.quantity,
        "price": line.price,
        "total": line.total,
    }


def _reply_to(name: str, address: str) -> str | None:
    try:
        return format_address(name, address)
    except BadAddress:
        return None  # the merchant's email is sent anyway


def _refund(order: Order, paypal_id: str) -> RefundView | None:
    for key, refund in order.refunds.items():
        if paypal_id in (key, refund["paypal_refund_id"]) and refund["status"] == RefundStatus.COMPLETED:
            note = single_line(refund.get("note", ""))
            return RefundView(
                refund["amount"],
                refund["currency"],
                _is_extra(order, refund),
                next((one["kind"] for one in order.issues if one["detail"] == refund.get("capture_id")), ""),
                note,
            )
    return None


def _refunded_total(order: Order, movement: str) -> int:
    """Return the total refunded of the payment: up to a refund if the email is about one, else all."""
    done = {
        refund["paypal_refund_id"]: refund["amount"]
        for refund in order.refunds.values()
        if refund["status"] == RefundStatus.COMPLETED and not _is_extra(order, refund)
    }
    booked = [one["paypal_id"] for one in order.ledger_entries or []]
    if movement in done and movement in booked:
        later = booked[booked.index(movement) + 1 :]
        return sum(amount for paypal_id, amount in done.items() if paypal_id not in later)
    return sum(done.values())


def _is_extra(order: Order, refund: Mapping[str, Any]) -> bool:
    # If PayPal did not report which capture was refunded, it was the one that paid.
    return bool((refund.get("capture_id") or order.capture_id) != order.capture_id)


def _issue(order: Order, movement: str) -> IssueText | None:
    """Return the open issue whose index in the order's list is `movement`."""
    for number, issue in enumerate(order.issues):
        if str(number) == movement and "resolution" not in issue:
            return describe_issue(issue)
    return None


def _is_paid(order: Order, _: str) -> bool:
    return order.state in (OrderState.PAID, OrderState.SHIPPED)


EMAIL_KINDS: Mapping[str, EmailTemplate] = {
    EmailKind.ORDER_PAID: EmailTemplate(_is_paid, "View your order"),
    EmailKind.MERCHANT_ORDER_PAID: EmailTemplate(_is_paid, "Open the order", to_merchant=True),
    EmailKind.MERCHANT_ISSUE: EmailTemplate(
        lambda order, number: _issue(order, number) is not None,
        "Open the order",
        may_become_obsolete=True,
        shows_address=False,
        to_merchant=True,
    ),
    EmailKind.MERCHANT_PAYMENTS_REFUSED: EmailTemplate(
        lambda order, _: bool(order.payment_refusal),
        "Open the order",
        may_become_obsolete=True,
        shows_address=False,
        to_merchant=True,
    ),
    EmailKind.PAYMENT_PENDING: EmailTemplate(
        lambda order, capture: order.state == OrderState.PENDING and order.capture_id == capture,
        "View your order",
        may_become_obsolete=True,
    ),
    EmailKind.PAYMENT_FAILED: EmailTemplate(
        lambda order, _: order.state == OrderState.AWAITING, "Pay again", may_become_obsolete=True
    ),
    EmailKind.ORDER_EXPIRED: EmailTemplate(
        lambda order, _: order.state == OrderState.EXPIRED, "View your order", shows_address=False
    ),
    # Staff may undo what they did with parcels before the email is sent.
    EmailKind.ORDER_SHIPPED: EmailTemplate(
        lambda order, parcel_id: order.state == OrderState.SHIPPED and order.has_parcel(parcel_id),
        "View your order",
        may_become_obsolete=True,
        lists_shipped=True,
    ),
    EmailKind.PARCEL_SHIPPED: EmailTemplate(
        lambda order, parcel_id: order.has_parcel(parcel_id),
        "View your order",
        may_become_obsolete=True,
        lists_shipped=True,
    ),
    EmailKind.TRACKING_CORRECTED: EmailTemplate(
        lambda order, movement: order.has_parcel(movement.partition("-")[0]),
        "View your order",
        may_become_obsolete=True,
    ),
    EmailKind.PARCEL_REMOVED: EmailTemplate(
        lambda order, _: order.state in (OrderState.PAID, OrderState.SHIPPED), "View your order"
    ),
    EmailKind.ADDRESS_CORRECTED: EmailTemplate(
        lambda order, _: order.state in states.PURCHASED, "View your order", may_become_obsolete=True
    ),
    EmailKind.REFUND_COMPLETED: EmailTemplate(
        lambda order, paypal_id: _refund(order, paypal_id) is not None, "View your order", shows_address=False
    ),
}
