"""Rules of the product list's form: what a row's cells will hold, or why it is not saved. Pure.

A row is a variant, or the product's own cell `visible`. It is saved whole or not at all, whatever happens to the
product's other rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib import money
from chalicelib.catalog.editing import form_idempotency
from chalicelib.catalog.editing.product_validation import MAX_STOCK

NO_VARIANT = "This variant is no longer sold."


class Cell(NamedTuple):
    """A cell of the form: `price`, `sale price` or `stock` of a SKU, or `visible` of the product."""

    what: str
    sku: str = ""


class CellChange(NamedTuple):
    """The value that a cell showed, and the requested one; prices in minor units, stock in units, visible 1 or 0."""

    displayed: int | None
    requested: int | None


Changes = Mapping[Cell, CellChange]
Cells = Mapping[Cell, int | None]  # their values
Problems = Mapping[Cell, str]  # their error messages
NO_PROBLEMS: Problems = {}


@dataclass(frozen=True)
class Row:
    """A form's changes to the row of a SKU; "" for the product's own row."""

    sku: str
    changes: Changes
    problems: Problems

    @property
    def request(self) -> str:
        """Return a digest of the changes, by which the same request is recognised."""
        return form_idempotency.digest(sorted(self.changes.items()))


class RowResult(NamedTuple):
    """What a row's cells will hold, apart from those in conflict; or why the row is not saved."""

    row: Row
    after: Cells
    conflicts: Cells
    problems: Problems

    @property
    def is_invalid(self) -> bool:
        """Return whether the row has a conflict or a problem, and must not be saved."""
        return bool(self.conflicts or self.problems)


def rows_of(changes: Changes, problems: Problems) -> list[Row]:
    """Return the rows of a product that a form changes, or has problems in."""
    return [
        Row(
            sku,
            {cell: change for cell, change in changes.items() if cell.sku == sku},
            {cell: message for cell, message in problems.items() if cell.sku == sku},
        )
        for sku in sorted({cell.sku for cell in (*changes, *problems)})
    ]


def evaluate_row(row: Row, now: Cells, *, was_saved: bool) -> RowResult:
    """Evaluate a row; `was_saved` if the form has saved it before, with other values."""
    after: dict[Cell, int | None] = {}
    conflicts: dict[Cell, int | None] = {}
    for cell, change in row.changes.items():
        value, is_conflict = _evaluate(cell, change, now.get(cell), was_saved=was_saved)
        if is_conflict and cell in now:
            conflicts[cell] = now[cell]
        else:
            after[cell] = value
    problems = {**dict(_problems(now, after, row.problems)), **row.problems}
    stock = Cell("stock", row.sku)
    if was_saved and (conflicts or problems) and stock in now and stock in {**row.changes, **row.problems}:
        conflicts[stock] = now[stock]  # its difference was applied already: ask again, with the new stock
    return RowResult(row, after, conflicts, problems)


def _evaluate(cell: Cell, change: CellChange, now: int | None, *, was_saved: bool) -> tuple[int | None, bool]:
    """Return what a cell will hold, and whether the merchant must choose between that and its stored value."""
    if cell.what != "stock":
        return change.requested, now not in change  # someone else's value would be lost
    if was_saved:
        return (
            change.requested,
            change.requested != now,
        )  # the difference was applied, and is not applied twice
    moved = (now or 0) + (change.requested or 0) - (change.displayed or 0)
    if moved < 0 and change.requested == now:
        return now, False  # removing the last unit, which was just sold, has the requested result
    return moved, moved < 0  # more units would be removed than there are


def _problems(now: Cells, after: Cells, unreadable: Problems) -> Iterator[tuple[Cell, str]]:
    for cell, value in after.items():
        message = NO_VARIANT if cell not in now else _problem(cell, value)
        if message is not None:
            yield cell, message
    for sku in {cell.sku for cell in after if cell.sku}:
        price, sale_price = Cell("price", sku), Cell("sale price", sku)
        if price in unreadable or sale_price in unreadable:
            continue
        full, reduced = ({**now, **after}.get(cell) for cell in (price, sale_price))
        if full is not None and reduced is not None and 0 < full <= reduced:
            place = sale_price if sale_price in after else price
            yield place, "The sale price must be below the price."


def _problem(cell: Cell, value: int | None) -> str | None:
    """Return what is wrong with a value on its own."""
    if cell.what == "price" and not 0 < (value or 0) <= money.MAX_AMOUNT:
        return "The price must be above zero."
    if cell.what == "sale price" and value is not None and not 0 < value <= money.MAX_AMOUNT:
        return "The sale price must be above zero. Leave it empty for no sale."
    if cell.what == "stock" and not 0 <= (value or 0) <= MAX_STOCK:
        return f"The stock must be a number from 0 to {MAX_STOCK:,}."
    return None
