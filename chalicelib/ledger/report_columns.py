"""The columns of the books and how their rows are made: amounts as decimals, texts that no spreadsheet runs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib import money
from chalicelib.ledger.models import Movement
from chalicelib.orders.models import Order

Row = list[str]


@dataclass(frozen=True)
class Sheet:
    """A CSV file of a day. `erasable` are the columns that may be emptied in an order after its day was closed."""

    name: str
    columns: tuple[str, ...]
    erasable: frozenset[str] = frozenset()


ORDERS = Sheet(
    "orders",
    (
        "order_number",
        "order_id",
        "placed_at",
        "paid_at",
        "email",
        "name",
        "country",
        "currency",
        "items",
        "shipping",
        "tax_included",
        "total",
        "paypal_order_id",
        "paypal_capture_id",
    ),
    erasable=frozenset({"email", "name", "country"}),
)
ORDER_LINES = Sheet(
    "order-lines",
    (
        "order_number",
        "sku",
        "name",
        "options",
        "quantity",
        "unit_price",
        "line_total",
        "tax_rate",
        "currency",
    ),
)
LEDGER = Sheet(
    "ledger",
    (
        "booked_at",
        "paypal_at",
        "kind",
        "order_number",
        "amount",
        "fee",
        "net",
        "currency",
        "paypal_id",
    ),
)

# A spreadsheet set to semicolons splits our rows at those, whatever is quoted: a formula is looked for behind them
# too, and behind a line's end. Blanks and quotes before it may be dropped.
_CELL = r"(?:\A|(?<=[;\t\r\n]))"
_BLANKS = r"(?:\"|[^\S\t\r\n])*"
_FORMULA = re.compile(rf"\A(?=[\t\r\n])|{_CELL}(?={_BLANKS}[=+\-@＝＋－＠﹦﹢﹣﹫])")


def text(value: str) -> str:
    """Make a cell that spreadsheets show and never run: what starts a formula gets an apostrophe before it."""
    if not value.isascii():
        # Half a surrogate pair is no character: one such name must not keep a day from being closed.
        value = value.encode("utf-8", "replace").decode("utf-8")
    return _FORMULA.sub("'", value)


def order_row(order: Order) -> Row:
    """Make the row of a paid order."""
    customer, currency = order.customer, order.currency
    amounts = (order.items, order.shipping, order.tax, order.total)
    return [
        order.number,
        order.id,
        order.placed_at,
        order.paid_at or "",
        *(text(customer.get(field) or "") for field in ("email", "name", "country")),
        currency,
        *(money.decimal_string(int(amount), currency) for amount in amounts),
        text(order.paid_by or order.paypal_id or ""),
        text(order.capture or ""),
    ]


def line_rows(order: Order) -> Iterator[Row]:
    """Make a row for each line of an order."""
    for line in order.lines:
        yield [
            order.number,
            text(line.sku),
            text(line.name),
            text("; ".join(f"{option}: {value}" for option, value in line.options.items())),
            str(line.quantity),
            money.decimal_string(line.price, order.currency),
            money.decimal_string(line.total, order.currency),
            text(line.tax_rate),
            order.currency,
        ]


def ledger_row(movement: Movement) -> Row:
    """Make the row of a movement; fee and net are empty where PayPal did not tell its fee in our currency."""
    amount, fee, currency = int(movement.amount), movement.fee, movement.currency
    return [
        movement.booked_at,
        text(movement.paypal_at),
        movement.kind,
        movement.order_number,
        money.decimal_string(amount, currency),
        "" if fee is None else money.decimal_string(int(fee), currency),
        "" if fee is None else money.decimal_string(amount - int(fee), currency),
        currency,
        text(movement.paypal_id),
    ]
