"""Orders in every state, made by the actions that the shop itself uses."""

from collections import Counter
from functools import partial
from typing import Any

from chalicelib import money
from chalicelib.database.transactions import Transaction
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import CloseReason, EmailKind, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order, update_order

BY = "merchant@shop.example"
CAPTURE = "5AB12345CD678901E"
CUSTOMER = {
    "name": "Tést Käufer",
    "email": "test@example.org",
    "address": "Lange Straße 12",
    "address2": "Hinterhaus",
    "postal_code": "10115",
    "city": "Berlin",
    "region": "",
    "country": "DE",
    "phone": "+49 30 1234567",
}
TEA = OrderLine("TEA-100", "tea", "Green tea", {"Size": "100 g"}, 2, 990, "7")
POT = OrderLine("POT-1", "pot", "Teapot", {}, 1, 4500, "19")


def placed(*lines: OrderLine, **customer: str) -> Order:
    """Store an order that awaits payment."""
    lines = lines or (TEA, POT)
    order = new_order(
        lines=list(lines),
        customer=CUSTOMER | customer,
        shipping=490,
        taxes=_taxes(lines),
        cart="cart",
        cart_version=1,
    )
    order.reserved = False  # nothing here needs stock
    transaction = Transaction()
    order.add_to_transaction(transaction)
    transaction.commit()
    return order


def _taxes(lines: tuple[OrderLine, ...]) -> dict[str, int]:
    gross = Counter({"19": 490})
    for line in lines:
        gross[line.tax_rate] += line.total
    rates = sorted(gross, key=float, reverse=True)
    return {rate: money.tax_included(gross[rate], rate) for rate in rates}


def move(order: Order, *actions: str, capture: str = CAPTURE) -> Order:
    """Let things happen to an order: claim, pend, pay, decline, die, sell out, ship, correct, raise an issue, refuse."""
    for action in actions:
        order = update_order(order.id, partial(_do, action=action, capture=capture))
    return order


def _do(order: Order, transaction: Transaction, action: str, capture: str) -> bool:
    match action:
        case "claim":
            order.reserved = True  # as if it had held its stock all along
            order.claim_for_capture("claim", transaction)
            order.reserved = False
        case "pend":
            order.mark_pending(capture, transaction)
        case "pay":
            order.mark_paid(capture, None, transaction)
        case "decline":
            order.mark_unpaid(transaction)
            order.mark_declined()
            order.queue_email(EmailKind.PAYMENT_FAILED, capture)
            order.reserved = False
        case "die":
            order.approved = True
            order.expire(CloseReason.PAYMENT_EXPIRED, transaction)
        case "sell out":
            order.approved = True
            order.expire(CloseReason.SOLD_OUT, transaction)
        case "ship":
            order.ship({"carrier": "Cargo bike", "tracking": "4711", "link": ""}, actor=BY)
        case "correct":
            parcel = {
                "carrier": "DHL",
                "tracking": "0034" * 15,
                "link": "https://carrier.example/" + "0" * 300,
            }
            order.add_parcel(parcel, BY, "1" * 32, mail=True)
            order.correct_parcel(order.parcels[0]["id"], parcel, BY, "2" * 32, mail=True)
            order.correct_customer({"city": "Potsdam"}, BY, "3" * 32, mail=True)
            order.queue_email(EmailKind.PARCEL_REMOVED, "4" * 32)
        case "raise":
            order.open_issue(IssueKind.DISPUTE, "PP-D-4711 OPEN")
        case "refuse":
            order.mark_payment_refused("PAYEE_ACCOUNT_RESTRICTED")
            order.queue_email(
                EmailKind.MERCHANT_PAYMENTS_REFUSED, "paypal-refuses-payments@2026-11-30T12:00:00+00:00"
            )
        case _:
            raise LookupError(action)
    return True


def paid(*lines: OrderLine, capture: str = CAPTURE, **customer: str) -> Order:
    """Store an order that is paid, and owes its two mails."""
    return move(placed(*lines, **customer), "claim", "pay", capture=capture)


def pending(capture: str = CAPTURE) -> Order:
    """Store an order whose payment PayPal holds."""
    return move(placed(), "claim", "pend", capture=capture)


def failed(capture: str = CAPTURE) -> Order:
    """Store an order whose pending payment PayPal declined; it owes that mail alone."""
    return only(move(pending(capture), "decline", capture=capture), "payment_failed")


def refunded(order: Order, *amounts: int, **more: Any) -> Order:
    """Note refunds that are through at PayPal as REF1, REF2 …, and owe their mails."""

    def refund(order: Order, _: Transaction) -> bool:
        for number, amount in enumerate(amounts, start=1):
            known = {
                "amount": amount,
                "currency": "EUR",
                "status": "completed",
                "paypal_refund_id": f"REF{number}",
            }
            order.refunds = {**order.refunds, f"ours-{number}": known | more}
            order.queue_email(EmailKind.REFUND_COMPLETED, f"REF{number}")
        return True

    return update_order(order.id, refund)


def only(order: Order, kind: str) -> Order:
    """Forget the mails of every other kind."""

    def forget(order: Order, _: Transaction) -> bool:
        order.emails_due = {e: lease for e, lease in order.emails_due.items() if e.startswith(f"{kind}#")}
        return True

    return update_order(order.id, forget)
