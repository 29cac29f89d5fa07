"""The columns of the books and how their rows are made: amounts as decimals, texts that no spreadsheet runs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from chalicelib import money
from chalicelib.catalog.import_export.csv_cells import CELL_START, FORMULA_START
from chalicelib.ledger.ledger_record import LedgerRecord
from chalicelib.orders.views.order_record import OrderRecord

Row = list[str]
FORMAT = 2  # of the books: with taxes. Days that were closed in format 1 stay in it


@dataclass(frozen=True)
class ReportFormat:
    """A CSV file of a day. `erasable` are the columns that may be emptied in an order after its day was closed.

    `added` is how many columns, the last ones, format 1 did not have; `since` is the first format that has the file.
    """

    name: str
    columns: tuple[str, ...]
    erasable: frozenset[str] = frozenset()
    added: int = 0
    since: int = 1

    def in_format(self, number: int) -> "ReportFormat":
        """Return the sheet as a format of the books has it."""
        if number >= FORMAT or not self.added:
            return self
        return replace(self, columns=self.columns[: -self.added], added=0)


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
        "scheme",
        "territory",
        "added_tax",
    ),
    erasable=frozenset({"email", "name", "country"}),
    added=3,
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
        "tax_class",
    ),
    added=1,
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
TAXES = ReportFormat(
    "taxes",
    (
        "order_number",
        "kind",
        "booked_at",
        "scheme",
        "territory",
        "region",
        "tax_class",
        "rate",
        "net",
        "tax",
        "gross",
        "currency",
        "supply_period",
        "corrects_period",
    ),
    since=2,
)
SHEETS = (ORDERS, ORDER_LINES, LEDGER, TAXES)

_FORMULA = re.compile(rf"\A(?=[\t\r\n])|{CELL_START}(?={FORMULA_START})")


def safe_cell(value: str) -> str:
    """Make a cell that spreadsheets show and never run: what starts a formula gets an apostrophe before it."""
    if not value or (value[0].isalnum() and value.isprintable() and ";" not in value):
        return value  # begins no formula, and no cell behind its beginning
    if not value.isascii():
        # Half a surrogate pair is no character: one such name must not keep a day from being closed.
        value = value.encode("utf-8", "replace").decode("utf-8")
    return _FORMULA.sub("'", value)


def decimals_of(order: OrderRecord, names: Iterable[str]) -> list[str]:
    """Write amounts of an order as decimals of its currency."""
    return [money.to_decimal_string(order.amount(name), order.currency) for name in names]


def sheets_of(number: int) -> list[ReportFormat]:
    """List the files of a format of the books, each with its columns then."""
    return [sheet.in_format(number) for sheet in SHEETS if sheet.since <= number]


def order_row(order: OrderRecord) -> Row:
    """Make the row of a paid order."""
    items, shipping, total = decimals_of(order, ("items", "shipping", "total"))
    return [
        order.number,
        order.id,
        order.text("placed_at"),
        order.text("paid_at"),
        *[safe_cell(order.customer.get(field) or "") for field in ("email", "name", "country")],
        order.currency,
        items,
        shipping,
        money.to_decimal_string(order.tax, order.currency),
        total,
        safe_cell(order.paypal_order_id),
        safe_cell(order.text("capture_id")),
        *tax_cells(order),
    ]


def tax_cells(order: OrderRecord) -> Row:
    """Write how an order is taxed: scheme, territory and added tax; empty and 0 where it is from before there were schemes."""
    assessment = order.tax_assessment or {"scheme": "", "territory": "", "added_tax": 0}
    added = money.to_decimal_string(assessment["added_tax"], order.currency)
    return [assessment["scheme"], assessment["territory"], added]


def line_rows(order: OrderRecord) -> Iterator[Row]:
    """Make a row for each line of an order."""
    for line in order.lines:
        options, quantity, price = line["options"], line["quantity"], line["price"]
        yield [
            order.number,
            safe_cell(line["sku"]),
            safe_cell(line["name"]),
            safe_cell("; ".join([f"{option}: {value}" for option, value in options.items()])),
            str(quantity),
            money.to_decimal_string(price, order.currency),
            money.to_decimal_string(price * quantity, order.currency),
            safe_cell(line["tax_rate"]),
            order.currency,
            line.get("tax_class", ""),
        ]


def ledger_row(ledger_entry: LedgerRecord) -> Row:
    """Make the row of a movement; fee and net are empty if PayPal did not report its fee in our currency."""
    amount, fee, currency = ledger_entry.amount, ledger_entry.fee, ledger_entry.currency
    return [
        ledger_entry.booked_at,
        safe_cell(ledger_entry.paypal_at),
        ledger_entry.kind,
        ledger_entry.order_number,
        money.to_decimal_string(amount, currency),
        "" if fee is None else money.to_decimal_string(fee, currency),
        "" if fee is None else money.to_decimal_string(amount - fee, currency),
        currency,
        safe_cell(ledger_entry.paypal_id),
    ]


def tax_rows(ledger_entry: LedgerRecord) -> Iterator[Row]:
    """Make a row for each rate of a movement's taxes, signed like its amount; none where the money paid no order."""
    taxes, currency = ledger_entry.taxes, ledger_entry.currency
    if not taxes:
        return
    for each in taxes["sums"]:
        net, tax = each["net"], each["tax"]
        yield [
            ledger_entry.order_number,
            ledger_entry.kind,
            ledger_entry.booked_at,
            taxes["scheme"],
            taxes["territory"],
            safe_cell(taxes["region"]),
            each["tax_class"],
            each["rate"],
            *[money.to_decimal_string(amount, currency) for amount in (net, tax, net + tax)],
            currency,
            taxes["supply_period"],
            taxes["corrects_period"],
        ]
