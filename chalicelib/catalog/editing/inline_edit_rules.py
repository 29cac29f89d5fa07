"""A row of the products' list, judged: what its cells will hold, or why it waits. Pure.

A row is a variant, or the product's own cell `visible`. It is written whole or waits, and its siblings do not wait
with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib import money
from chalicelib.catalog.editing import form_idempotency
from chalicelib.catalog.editing.product_validation import MAX_STOCK

NO_VARIANT = "This variant is no longer sold."


class Cell(NamedTuple):
    """What can be changed: `price`, `sale price`, `stock` of a SKU, or `visible` of the product."""

    what: str
    sku: str = ""


class CellChange(NamedTuple):
    """What a cell showed, and what it should be; prices in minor units, stock in pieces, visible 1 or 0."""

    displayed: int | None
    requested: int | None


Changes = Mapping[Cell, CellChange]
Cells = Mapping[Cell, int | None]  # what they hold
Problems = Mapping[Cell, str]  # what is wrong with them, in words
NO_PROBLEMS: Problems = {}


@dataclass(frozen=True)
class Row:
    """What a form wants of a row: a SKU's, or the product's own, ""."""

    sku: str
    changes: Changes
    problems: Problems

    @property
    def request(self) -> str:
        """What is asked of the row, by which it is known when it is asked again."""
        return form_idempotency.digest(sorted(self.changes.items()))


class RowResult(NamedTuple):
    """What a row's cells will hold, apart from those in conflict, or why the row waits."""

    row: Row
    after: Cells
    conflicts: Cells
    problems: Problems

    @property
    def waits(self) -> bool:
        """Return whether anything is wrong with the row."""
        return bool(self.conflicts or self.problems)


def rows_of(changes: Changes, problems: Problems) -> list[Row]:
    """List the rows of a product that a form would change, or has problems in."""
    return [
        Row(
            sku,
            {cell: change for cell, change in changes.items() if cell.sku == sku},
            {cell: message for cell, message in problems.items() if cell.sku == sku},
        )
        for sku in sorted({cell.sku for cell in (*changes, *problems)})
    ]


def evaluate_row(row: Row, now: Cells, *, was_saved: bool) -> RowResult:
    """Judge a row; `was_saved`: the form has changed it before, when something else was asked of it."""
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
        conflicts[stock] = now[stock]  # its difference was made: what comes next is asked on top of that
    return RowResult(row, after, conflicts, problems)


def _evaluate(cell: Cell, change: CellChange, now: int | None, *, was_saved: bool) -> tuple[int | None, bool]:
    """Return what a cell will hold, and whether somebody has to choose between that and what it holds now."""
    if cell.what != "stock":
        return change.requested, now not in change  # somebody else's value would be lost
    if was_saved:
        return change.requested, change.requested != now  # the difference was made, and is not made twice
    moved = (now or 0) + (change.requested or 0) - (change.displayed or 0)
    if moved < 0 and change.requested == now:
        return now, False  # whoever takes away the last piece, which was just sold, has what they want
    return moved, moved < 0  # more pieces would be taken away than there are


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
    """Return what is wrong with a value by itself."""
    if cell.what == "price" and not 0 < (value or 0) <= money.MAX_AMOUNT:
        return "The price must be above zero."
    if cell.what == "sale price" and value is not None and not 0 < value <= money.MAX_AMOUNT:
        return "The sale price must be above zero. Leave it empty for no sale."
    if cell.what == "stock" and not 0 <= (value or 0) <= MAX_STOCK:
        return f"The stock must be a number from 0 to {MAX_STOCK:,}."
    return None
