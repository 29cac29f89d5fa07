"""Products changed in the list: only the cells that somebody changed, each on condition of what was shown.

A price, a sale price and whether a product is visible are written where they are still as they were shown. Pieces
are added or taken away: what was sold meanwhile stays sold.
"""

import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import money
from chalicelib.catalog import search, traces
from chalicelib.catalog.editing import MOST_IN_STOCK, write_product
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.places import places
from chalicelib.errors import Busy
from chalicelib.storage import Refused, Transaction, Unknown, Witness, get, read_many, unseen

PATIENCE_SECONDS = 18.0  # API Gateway gives up after 29; what is not saved by then is said
FORMS_KEPT = 50  # a form may lie open for hours
FORM_LETTERS = 12  # of its random id: enough to tell fifty apart, and shoppers read the row too
BUSY = "This product is being changed by somebody else. Nothing of it was saved; please save again."
LATE = "There was no time left to save this product. Please save again."


class Cell(NamedTuple):
    """What can be changed: `price`, `sale price`, `stock` of a SKU, or `visible` of the product."""

    what: str
    sku: str = ""


class Change(NamedTuple):
    """What a cell showed, and what it should be; prices in minor units, stock in pieces, visible 1 or 0."""

    shown: int | None
    wanted: int | None


Changes = Mapping[Cell, Change]


@dataclass(frozen=True)
class NotSaved:
    """Why nothing of a product was written: `now` has, for each cell in conflict, what is stored."""

    now: Mapping[Cell, int | None] = field(default_factory=dict)
    problems: Mapping[Cell, str] = field(default_factory=dict)
    words: str | None = None


def save_all(
    changes: Mapping[str, Changes], form: str, witness: Witness = unseen
) -> dict[str, NotSaved | None]:
    """Save products, slug → changes, each in a transaction of its own; tell for each whether it is saved.

    `form` is the form's one-time id: a product that has seen it is not changed again.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    outcomes: dict[str, NotSaved | None] = {}
    for slug, wanted in changes.items():
        late = time.monotonic() > deadline
        outcomes[slug] = NotSaved(words=LATE) if late else save(slug, wanted, form, witness)
    return outcomes


def save(slug: str, changes: Changes, form: str, witness: Witness = unseen) -> NotSaved | None:
    """Save one product's changes, all or nothing. Returns why not, None where it is saved."""
    for _ in range(5):
        try:
            return _save(slug, changes, form, witness)
        except (Refused, Unknown):
            continue  # somebody else was quicker, or no answer came: read again
        except Busy:
            return NotSaved(words=BUSY)
    product = get(Product, slug)  # the last answer may have been lost, too
    saved = product is not None and form[:FORM_LETTERS] in product.forms
    return None if saved else NotSaved(words=BUSY)


def _save(slug: str, changes: Changes, form: str, witness: Witness) -> NotSaved | None:
    old = get(Product, slug)
    if old is None:
        return NotSaved(words="This product is no longer there.")
    if form[:FORM_LETTERS] in old.forms:
        return None
    stocks = read_many({Stock: [variant["sku"] for variant in old.variants]})[Stock]
    now = _cells(old, stocks)
    after = {cell: _after(cell, change, now.get(cell)) for cell, change in changes.items()}
    conflicts = {cell: now[cell] for cell in after if cell in now and _in_conflict(changes[cell], cell, now)}
    problems = dict(_problems(now, {cell: value for cell, value in after.items() if cell not in conflicts}))
    if conflicts or problems:
        return NotSaved(conflicts, problems)
    moved = {cell: value for cell, value in after.items() if value != now[cell]}
    if moved:
        _write(old, now, moved, form, witness)
    return None


def _cells(product: Product, stocks: Mapping[str, Stock]) -> dict[Cell, int | None]:
    """List what a product's cells hold now."""
    cells: dict[Cell, int | None] = {Cell("visible"): int(not product.hidden)}
    for sku, stock in stocks.items():
        if stock.slug == product.slug:
            cells[Cell("price", sku)] = _whole(stock.price)
            cells[Cell("sale price", sku)] = _whole(stock.sale_price)
            cells[Cell("stock", sku)] = _whole(stock.available)
    return cells


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _after(cell: Cell, change: Change, now: int | None) -> int | None:
    """Tell what a cell will hold: pieces are moved by the difference, everything else is as wanted."""
    if cell.what != "stock":
        return change.wanted
    moved = (now or 0) + (change.wanted or 0) - (change.shown or 0)
    # Whoever takes away the last piece, which was just sold, has what they want.
    return now if moved < 0 and change.wanted == now else moved


def _in_conflict(change: Change, cell: Cell, now: Mapping[Cell, int | None]) -> bool:
    """Tell whether somebody else's value would be lost, or more pieces taken away than there are."""
    if cell.what == "stock":
        return (_after(cell, change, now[cell]) or 0) < 0
    return now[cell] not in change


def _problems(now: Mapping[Cell, int | None], after: Mapping[Cell, int | None]) -> Iterator[tuple[Cell, str]]:
    for cell, value in after.items():
        words = "This variant is no longer sold here." if cell not in now else _problem(cell, value)
        if words is not None:
            yield cell, words
    for sku in {cell.sku for cell in after if cell.sku}:
        price, sale_price = Cell("price", sku), Cell("sale price", sku)
        full, reduced = ({**now, **after}.get(cell) for cell in (price, sale_price))
        if full is not None and reduced is not None and 0 < full <= reduced:
            place = sale_price if sale_price in after else price
            yield place, "The sale price must be below the price."


def _problem(cell: Cell, value: int | None) -> str | None:
    """Say what is wrong with a value by itself."""
    if cell.what == "price" and not 0 < (value or 0) <= money.LARGEST:
        return "The price must be more than nothing."
    if cell.what == "sale price" and value is not None and not 0 < value <= money.LARGEST:
        return "The sale price must be more than nothing; empty means no sale."
    if cell.what == "stock" and not 0 <= (value or 0) <= MOST_IN_STOCK:
        return f"The stock must be a number from 0 to {MOST_IN_STOCK:,}."
    return None


def _write(
    old: Product,
    now: Mapping[Cell, int | None],
    moved: Mapping[Cell, int | None],
    form: str,
    witness: Witness,
) -> None:
    product = _changed(old, {**now, **moved}, form)
    transaction = Transaction()
    write_product(transaction, product, old)
    for sku in sorted({cell.sku for cell in moved if cell.sku}):
        actions, condition = _stock_write(old.slug, sku, now, moved)
        transaction.update(f"stock#{sku}", Stock(sku), actions, condition)
    witness(transaction, f"product {old.slug}", _told(moved, now), _told(moved, moved))
    old_words, words = search.stored_words(old), search.stored_words(product)
    search.add_words(product, words, old_words)
    transaction.commit()
    search.remove_words(product, [word for word in old_words if word not in words])


def _changed(old: Product, cells: Mapping[Cell, int | None], form: str) -> Product:
    """Make the product's new row: visible or not, its places at today's lowest price, and the form's id."""
    product = deepcopy(old)
    product.hidden = not cells[Cell("visible")]
    product.words = [search.marked(word, product.hidden) for word in old.words]
    product.forms = [*old.forms, form[:FORM_LETTERS]][-FORMS_KEPT:]
    product.version = old.version + 1
    product.listed = places(product, min(_prices_today(cells)))
    return product


def _prices_today(cells: Mapping[Cell, int | None]) -> Iterator[int]:
    for cell, price in cells.items():
        if cell.what == "price":
            reduced = cells[Cell("sale price", cell.sku)]
            yield (price or 0) if reduced is None else reduced


def _stock_write(
    slug: str, sku: str, now: Mapping[Cell, int | None], moved: Mapping[Cell, int | None]
) -> tuple[list[Action], Condition]:
    actions: list[Action] = []
    condition: Condition = Stock.slug == slug
    if (price := moved.get(Cell("price", sku))) is not None:
        actions.append(Stock.price.set(price))
        condition &= Stock.price == now[Cell("price", sku)]
    if (sale := Cell("sale price", sku)) in moved:
        reduced = moved[sale]
        actions.append(Stock.sale_price.remove() if reduced is None else Stock.sale_price.set(reduced))
        was = now[sale]
        condition &= Stock.sale_price.does_not_exist() if was is None else Stock.sale_price == was
    if (pieces := moved.get(Cell("stock", sku))) is not None:
        difference = pieces - (now[Cell("stock", sku)] or 0)
        actions.append(Stock.available.add(difference))
        condition &= Stock.available >= -difference
    return actions, condition


def _told(moved: Mapping[Cell, int | None], values: Mapping[Cell, int | None]) -> dict[str, Any]:
    """Write cells as the audit trail shows them."""
    told: dict[str, Any] = {}
    for cell in moved:
        value = values[cell]
        if cell.what == "visible":
            told["visible"] = traces.yes_no(value)
        else:
            told[f"{cell.sku} {cell.what}"] = value if cell.what == "stock" else traces.amount(value)
    return told
