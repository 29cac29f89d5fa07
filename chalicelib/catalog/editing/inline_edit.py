"""Save the product list's form: only the cells that were changed, on condition that they still hold what was shown.

A price, a sale price and a product's visibility are set. Stock is changed by the difference, so that what was sold
in the meantime stays sold. A row (a variant, or the product's own cell `visible`) is saved whole or not at all, and
the product's other rows are saved without it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.catalog import search
from chalicelib.catalog.editing import audit_fields, form_idempotency
from chalicelib.catalog.editing.inline_edit_rules import (
    NO_PROBLEMS,
    Cell,
    Cells,
    Changes,
    Problems,
    Row,
    evaluate_row,
    rows_of,
)
from chalicelib.catalog.editing.product_editing import write_product
from chalicelib.catalog.listing_entries import listing_keys
from chalicelib.catalog.models import Product, Stock
from chalicelib.database.reads import batch_get, get
from chalicelib.database.retry import retry_contended
from chalicelib.database.transactions import (
    AuditWriter,
    Transaction,
    no_audit,
)
from chalicelib.errors import ServiceUnavailable

PATIENCE_SECONDS = 18.0  # API Gateway gives up after 29; what is not saved by then is reported
BUSY = "Someone else is changing this product, so your changes weren’t saved. Please save again."
TIMED_OUT = "Saving took too long, so this wasn’t saved. Please save again."
GONE = "This product no longer exists."


@dataclass(frozen=True)
class UnsavedRows:
    """Which rows of a product were not saved, and why: `now` maps each cell in conflict to its stored value.

    `message` is about the rows in `waiting`, which have no problem of their own.
    """

    now: Cells = field(default_factory=dict)
    problems: Problems = field(default_factory=dict)
    message: str | None = None
    waiting: frozenset[str] = frozenset()

    @property
    def rows(self) -> frozenset[str]:
        """Return the SKUs of the rows that were not saved; "" is the product's own row."""
        return self.waiting.union(cell.sku for cell in (*self.now, *self.problems))


class _SavePlan(NamedTuple):
    """What a form changes in a product as it is now: which cells, which rows are saved, and which are not."""

    product: Product
    now: Cells  # the stored values of all cells
    changed: Cells  # the new values of those that change
    processed: form_idempotency.Rows
    unsaved: UnsavedRows


# -- saving -----------------------------------------------------------------------------------------------


def save_all(
    changes: Mapping[str, Changes],
    form_token: str,
    write_audit: AuditWriter = no_audit,
    problems: Mapping[str, Problems] | None = None,
) -> dict[str, UnsavedRows | None]:
    """Save the changes of products, by slug, each in its own transaction; return what was not saved, by slug.

    `form_token` is the form's one-time ID: a row that it has changed is not changed again. `problems` are cells that
    could not be parsed: their rows are not saved.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    wrong = problems or {}
    outcomes: dict[str, UnsavedRows | None] = {}
    for slug in {**changes, **wrong}:
        wanted, unread = changes.get(slug, {}), wrong.get(slug, NO_PROBLEMS)
        if time.monotonic() > deadline:
            outcomes[slug] = _unsaved(slug, rows_of(wanted, unread), form_token, TIMED_OUT)
        else:
            outcomes[slug] = save(slug, wanted, form_token, write_audit, unread)
    return outcomes


def save(
    slug: str,
    changes: Changes,
    form_token: str,
    write_audit: AuditWriter = no_audit,
    problems: Problems = NO_PROBLEMS,
) -> UnsavedRows | None:
    """Save the valid rows of one product. Returns what was not saved, None if everything was."""
    rows = rows_of(changes, problems)
    try:
        return retry_contended(lambda: _save(slug, rows, form_token, write_audit), BUSY)
    except ServiceUnavailable:
        return _unsaved(slug, rows, form_token, BUSY)


def _save(slug: str, rows: Sequence[Row], form_token: str, write_audit: AuditWriter) -> UnsavedRows | None:
    plan = _plan(slug, rows, form_token)
    if isinstance(plan, UnsavedRows):
        return plan
    if plan.changed:
        _write(plan, form_token, write_audit)
    return plan.unsaved if plan.unsaved.rows else None


def _unsaved(slug: str, rows: Sequence[Row], form_token: str, message: str) -> UnsavedRows | None:
    """Return what is not saved, without writing.

    An earlier submission of the form may have saved rows: its response was lost, or the button was pressed twice.
    They must not be reported as unsaved, since the page that is returned is a new form, which would change them again.
    """
    plan = _plan(slug, rows, form_token)
    if isinstance(plan, UnsavedRows):
        return plan
    if plan.changed:
        return replace(plan.unsaved, message=message, waiting=frozenset(cell.sku for cell in plan.changed))
    return plan.unsaved if plan.unsaved.rows else None


# -- evaluating -------------------------------------------------------------------------------------------


def _plan(slug: str, rows: Sequence[Row], form_token: str) -> _SavePlan | UnsavedRows:
    """Evaluate each row, except those that the form has already saved with the same values."""
    product = get(Product, slug)
    if product is None:
        return UnsavedRows(message=GONE, waiting=frozenset(row.sku for row in rows))
    now = _cells(product, batch_get({Stock: [variant["sku"] for variant in product.variants]})[Stock])
    before = form_idempotency.rows_processed_by(form_token, product.processed_forms)
    results = [
        evaluate_row(row, now, was_saved=row.sku in before)
        for row in rows
        if row.problems or before.get(row.sku) != row.request
    ]
    valid = [each for each in results if not each.is_invalid]
    return _SavePlan(
        product,
        now,
        changed={cell: value for each in valid for cell, value in each.after.items() if value != now[cell]},
        processed={each.row.sku: each.row.request for each in valid},
        unsaved=UnsavedRows(
            {cell: value for each in results for cell, value in each.conflicts.items()},
            {cell: message for each in results for cell, message in each.problems.items()},
        ),
    )


def _cells(product: Product, stocks: Mapping[str, Stock]) -> dict[Cell, int | None]:
    """Return the stored values of a product's cells."""
    cells: dict[Cell, int | None] = {Cell("visible"): int(not product.hidden)}
    for sku, stock in stocks.items():
        if stock.slug == product.slug:
            cells[Cell("price", sku)] = _whole(stock.price)
            cells[Cell("sale price", sku)] = _whole(stock.sale_price)
            cells[Cell("stock", sku)] = _whole(stock.available)
    return cells


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


# -- writing ----------------------------------------------------------------------------------------------


def _write(plan: _SavePlan, form_token: str, write_audit: AuditWriter) -> None:
    old, product = plan.product, _changed_product(plan, form_token)
    transaction = Transaction()
    write_product(transaction, product, old)
    for sku in sorted({cell.sku for cell in plan.changed if cell.sku}):
        actions, condition = _stock_write(old.slug, sku, plan.now, plan.changed)
        transaction.update(f"stock#{sku}", Stock(sku), actions, condition)
    write_audit(
        transaction,
        f"product {old.slug}",
        audit_fields.cell_fields(plan.changed, plan.now),
        audit_fields.cell_fields(plan.changed, plan.changed),
    )
    old_words, words = search.stored_words(old), search.stored_words(product)
    search.add_words(product, words, old_words)
    transaction.commit()
    search.remove_words(product, [word for word in old_words if word not in words])


def _changed_product(plan: _SavePlan, form_token: str) -> Product:
    """Return the product's new row: its visibility, its listing entries at the lowest price, and the rows saved by the form."""
    old, cells = plan.product, {**plan.now, **plan.changed}
    product = deepcopy(old)
    product.hidden = not cells[Cell("visible")]
    product.search_terms = [search.index_term(word, product.hidden) for word in old.search_terms]
    product.processed_forms = form_idempotency.record_form(form_token, plan.processed, old.processed_forms)
    product.version = old.version + 1
    product.listing_keys = listing_keys(product, min(_prices_today(cells)))
    return product


def _prices_today(cells: Cells) -> Iterator[int]:
    for cell, price in cells.items():
        if cell.what == "price":
            reduced = cells[Cell("sale price", cell.sku)]
            yield (price or 0) if reduced is None else reduced


def _stock_write(slug: str, sku: str, now: Cells, changed: Cells) -> tuple[list[Action], Condition]:
    actions: list[Action] = []
    condition: Condition = Stock.slug == slug
    if (price := changed.get(Cell("price", sku))) is not None:
        actions.append(Stock.price.set(price))
        condition &= Stock.price == now[Cell("price", sku)]
    if (sale := Cell("sale price", sku)) in changed:
        reduced = changed[sale]
        actions.append(Stock.sale_price.remove() if reduced is None else Stock.sale_price.set(reduced))
        was = now[sale]
        condition &= Stock.sale_price.does_not_exist() if was is None else Stock.sale_price == was
    if (quantity := changed.get(Cell("stock", sku))) is not None:
        difference = quantity - (now[Cell("stock", sku)] or 0)
        actions.append(Stock.available.add(difference))
        condition &= Stock.available >= -difference
    return actions, condition
