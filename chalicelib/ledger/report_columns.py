"""The columns of the books and how their rows are made: amounts as decimals, texts that no spreadsheet runs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib import money
from chalicelib.catalog.import_export.csv_cells import CELL_START, FORMULA_START
from chalicelib.ledger.models import LedgerEntry
from chalicelib.orders.models import Order

Row = list[str]


@dataclass(frozen=True)
class ReportFormat:
    """A CSV file of a day. `erasable` are the columns that may be emptied in an order after its day was closed."""

    name: str
    columns: tuple[str, ...]
    erasable: frozenset[str] = frozenset()


ORDERS = ReportFormat(
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
ORDER_LINES = ReportFormat(
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
LEDGER = ReportFormat(
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

_FORMULA = re.compile(rf"\A(?=[\t\r\n])|{CELL_START}(?={FORMULA_START})")


def safe_cell(value: str) -> str:
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
        *(safe_cell(customer.get(field) or "") for field in ("email", "name", "country")),
        currency,
        *(money.to_decimal_string(int(amount), currency) for amount in amounts),
        safe_cell(order.paid_paypal_order_id or order.paypal_order_id or ""),
        safe_cell(order.capture_id or ""),
    ]


def line_rows(order: Order) -> Iterator[Row]:
    """Make a row for each line of an order."""
    for line in order.lines:
        yield [
            order.number,
            safe_cell(line.sku),
            safe_cell(line.name),
            safe_cell("; ".join(f"{option}: {value}" for option, value in line.options.items())),
            str(line.quantity),
            money.to_decimal_string(line.price, order.currency),
            money.to_decimal_string(line.total, order.currency),
            safe_cell(line.tax_rate),
            order.currency,
        ]


def ledger_row(ledger_entry: LedgerEntry) -> Row:
    """Make the row of a movement; fee and net are empty where PayPal did not tell its fee in our currency."""
    amount, fee, currency = int(ledger_entry.amount), ledger_entry.fee, ledger_entry.currency
    return [
        ledger_entry.booked_at,
        safe_cell(ledger_entry.paypal_at),
        ledger_entry.kind,
        ledger_entry.order_number,
        money.to_decimal_string(amount, currency),
        "" if fee is None else money.to_decimal_string(int(fee), currency),
        "" if fee is None else money.to_decimal_string(amount - int(fee), currency),
        currency,
        safe_cell(ledger_entry.paypal_id),
    ]
