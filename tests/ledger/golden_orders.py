"""A day's orders and movements that never change: what the books and the orders export of them must be, byte for byte."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.ledger.models import REFUND, REVERSAL, REVERSAL_CANCELLED, SALE, LedgerEntry, partition_of
from chalicelib.orders.base import OrderLine
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order
from chalicelib.orders.states import OrderState

BEGINNING = datetime(2026, 11, 22, 8, tzinfo=UTC)
NAMES = (
    "Ann Lee",
    "=cmd|'/c calc'!A1",
    "Müller; =1+1",
    '" -2',
    "'=quoted already",
    "Ñandú \ud800 half",
    "\tTab",
    "line\r\n@break",
    "",
    "O’Brien, Pat",
)
PHONES = ("+49 (0)30 123-45", "030 12345", "", "+1 555/0100", "-5", "=1")
OPTIONS: tuple[dict[str, str], ...] = ({}, {"Size": "Large", "Colour": "Moss; =1"}, {"=Weight": "50 g"})
PARCELS: tuple[Any, ...] = (
    None,
    [],
    [
        {
            "id": "0",
            "carrier": "DHL",
            "tracking": "00340434161123456789",
            "link": "",
            "at": "2026-11-22T10:00:00.000Z",
        }
    ],
    [
        {"id": "1", "carrier": "=UPS", "tracking": "01067", "link": "", "at": "2026-11-22T10:00:00.000Z"},
        {"id": "2", "carrier": "Post", "tracking": "", "link": "", "at": "2026-11-22T11:00:00.000Z"},
    ],
)
ORDERS = 40


def moment(number: int) -> str:
    """Return when the order of a number was placed and paid: one a minute."""
    at = BEGINNING + timedelta(minutes=number)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def golden_order(number: int) -> Order:
    """Make the order of a number, paid, with every kind of text and every optional field somewhere."""
    currency = ("EUR", "EUR", "JPY", "USD")[number % 4]
    lines = [
        OrderLine(
            f"SKU{place}", "slug", f"{NAMES[(number + place) % 10]} {place}", OPTIONS[(number + place) % 3],
            1 + (number + place) % 20, (0, 5, 99, 1290, 123_456_789)[(number + place) % 5], ("19", "7", "8.1")[place % 3],
            ("standard", "food", "")[place % 3],
        )
        for place in range(1 + number % 4)
    ]  # fmt: skip
    customer = {
        "name": NAMES[number % 10],
        "email": ("ann@example.com", "=x@example.com", "")[number % 3],
        "address": "+1 Road",
        "address2": ("", "@home")[number % 2],
        "postal_code": "01067",
        "city": "Köln",
        "region": "",
        "country": ("DE", "GB", "CH")[number % 3],
        "phone": PHONES[number % 6],
    }
    if number % 7 == 0:
        del customer["phone"], customer["address2"]
    order = new_order(
        lines=lines, customer=customer, shipping=490 * (number % 2), taxes={"19": 158, "7": number} if number % 5 else {},
        cart="c" * 64, cart_version=1,
    )  # fmt: skip
    if number % 3:  # the others are from before there were assessments
        scheme, territory = ("us", "US-NY") if number % 4 == 3 else ("oss", "FR")
        order.tax_assessment = {
            "scheme": scheme, "territory": territory, "region": "", "added_tax": 5 * (scheme == "us"), "sums": [], "note": "",
        }  # fmt: skip
    order.id, order.number = f"{number * 2654435761:032x}", f"{10000 + number}-{99999 - number}"
    order.placed_at, order.currency = moment(number), currency
    attempts = [{"id": f"PP{number}-{each}", "payee": "M", "link": "", "ended": False} for each in range(number % 3)]  # fmt: skip
    order.payment_attempts = attempts
    order.paid_paypal_order_id = f"PAID{number}" if number % 2 else None
    order.stored_parcels = PARCELS[number % 4]
    order.refunded, order.reversed = 100 * (number % 3), 7 * (number % 2)
    order.state = OrderState.SHIPPED if number % 4 == 3 else OrderState.PAID
    if number % 6 == 5:
        order.refunds = {"r": {"amount": int(order.total), "status": "pending", "capture_id": None}}
    order.paid_at, order.capture_id, order.reserved = moment(number), f"CAPTURE{number}", False
    if number % 10 == 9:  # a capture of a wrong amount paid it not
        order.paid_at, order.capture_id, order.state = None, None, OrderState.AWAITING
    return order


def golden_movements(order: Order, number: int) -> list[LedgerEntry]:
    """Make what moved for an order: its sale, and for some a refund, a reversal, and the reversal's return."""
    kinds = [(SALE, int(order.total), f"CAPTURE{number}", (None, 0, 62)[number % 3])]
    kinds += [(REFUND, -100, f"REFUND{number}", 0)] * (number % 3 == 1)
    kinds += [(REVERSAL, -7, f"REVERSAL{number}", None)] * (number % 2)
    kinds += [(REVERSAL_CANCELLED, 7, f"RETURN{number}", -1)] * (number % 8 == 1)
    return [
        LedgerEntry(
            partition_of("2026-11-22", paypal_id),
            f"{moment(number * 10 + place)}#{paypal_id}",
            kind=kind,
            booked_at=moment(number * 10 + place),
            paypal_at=("2026-11-22T08:00:00Z", "=now")[number % 2],
            order_id=order.id,
            order_number=order.number,
            amount=amount,
            fee=fee,
            currency=order.currency,
            paypal_id=paypal_id,
            order_lines=[] if number % 2 else [["SKU0", "Name", 1, amount]],
        )
        for place, (kind, amount, paypal_id, fee) in enumerate(kinds)
    ]
