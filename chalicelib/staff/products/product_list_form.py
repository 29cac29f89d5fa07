"""The cells of the list of products: what was entered, and how they are shown.

The form carries, for each variant, what its row showed (`was.SKU`: product, price, sale price, stock), so that
only changed cells are saved. A row that cannot be saved is shown again alone, and a cell in conflict with both
values and a choice between them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib import money
from chalicelib.catalog.admin_products import AdminProduct, AdminVariant
from chalicelib.catalog.editing.inline_edit import UnsavedRows
from chalicelib.catalog.editing.inline_edit_rules import Cell, CellChange
from chalicelib.catalog.models import SLUG, is_sku
from chalicelib.cleaning import clean_code, clean_line
from chalicelib.config import settings
from chalicelib.errors import BadInput

CELLS = {"price": "price", "sale": "sale price", "stock": "stock"}  # field → cell
VISIBLE = Cell("visible")
MINE = "mine"
THEIRS = "theirs"
UNCHOSEN = "Please choose one of the two values."
Place = tuple[str, Cell]  # a product's slug and its cell
_DAMAGED = "This form is incomplete. Please open the list again."


@dataclass
class PostedList:
    """A posted list, by product: changes that can be parsed, and the errors of the others."""

    slugs: list[str] = field(default_factory=list)  # in the order of the page
    first: dict[str, str] = field(
        default_factory=dict
    )  # slug → SKU of its first line, which has the checkbox
    changes: dict[str, dict[Cell, CellChange]] = field(default_factory=dict)
    bad: dict[str, dict[Cell, str]] = field(default_factory=dict)
    typed: dict[Place, str] = field(default_factory=dict)  # what was entered into changed cells
    shown: dict[Place, str] = field(default_factory=dict)  # what they had shown

    def saved_lines(self, unsaved: Mapping[str, UnsavedRows]) -> int:
        """Return how many of the page's changed lines are completely saved."""
        changed = {self._line(slug, cell.sku) for slug, cells in self.changes.items() for cell in cells}
        waiting = {self._line(slug, sku) for slug, outcome in unsaved.items() for sku in outcome.rows}
        return len(changed - waiting)

    def _line(self, slug: str, sku: str) -> tuple[str, str]:
        return slug, sku or self.first.get(slug, "")


# -- reading ----------------------------------------------------------------------------------------------


def parse_list(values: Mapping[str, str]) -> PostedList:
    """Parse a posted list. Raises BadInput if what it showed cannot be parsed."""
    sheet = PostedList()
    for name, value in values.items():
        what, _, key = name.partition(".")
        if what == "was":
            slug, *shown = value.split("|")
            if len(shown) != len(CELLS) or not SLUG.fullmatch(slug) or not is_sku(key):
                raise BadInput(_DAMAGED)
            sheet.first.setdefault(slug, key)
            for column, before in zip(CELLS, shown, strict=True):
                cell, posted = Cell(CELLS[column], key), f"{column}.{key}"
                form_data = clean_line(values.get(posted, before))
                _read_cell(sheet, (slug, cell), before, form_data, _choice(values, posted))
        elif what == "shown":
            if not SLUG.fullmatch(key) or value not in ("yes", "no"):
                raise BadInput(_DAMAGED)
            sheet.slugs.append(key)
            form_data = "yes" if f"visible.{key}" in values else "no"
            _read_cell(sheet, (key, VISIBLE), value, form_data, MINE)
    return sheet


def _choice(values: Mapping[str, str], name: str) -> str | None:
    """Return whose value was chosen for a cell in conflict; MINE if no choice was offered, None if none was made."""
    return values.get(f"choose.{name}") if f"ask.{name}" in values else MINE


def _read_cell(sheet: PostedList, place: Place, before: str, form_data: str, choice: str | None) -> None:
    if form_data == before or choice == THEIRS:
        return
    slug, cell = place
    sheet.typed[place], sheet.shown[place] = form_data, before
    try:
        change = CellChange(_value(cell, before), _value(cell, form_data))
    except ValueError as error:
        sheet.bad.setdefault(slug, {})[cell] = str(error)
        return
    if choice != MINE:
        sheet.bad.setdefault(slug, {})[cell] = UNCHOSEN
    elif change.displayed != change.requested:
        sheet.changes.setdefault(slug, {})[cell] = change


def _value(cell: Cell, text: str) -> int | None:
    """Parse a cell. Raises ValueError with a message for staff."""
    if cell == VISIBLE:
        return int(text == "yes")
    if cell.what == "stock":
        return _stock(text)
    if cell.what == "sale price" and not text:
        return None
    if not text:
        raise ValueError("Please enter a price such as 12.90.")
    return money.parse_user_amount(text, settings.currency)


def _stock(text: str) -> int:
    """Parse a stock number. Raises ValueError with a message for staff."""
    try:
        return money.parse_whole_number(text)
    except ValueError:
        signed = re.fullmatch(r"([-+])[0-9]+", clean_code(text), re.ASCII)
        if signed is None:
            message = "Please enter the stock as a whole number, such as 12."
        elif signed[1] == "-":
            message = "The stock can’t be negative."
        else:
            message = "Please enter the new stock itself, without a plus sign."
        raise ValueError(message) from None


# -- showing ----------------------------------------------------------------------------------------------


class CellView(NamedTuple):
    """A cell as the page shows it. `now` is the value that someone else stored, if the merchant must choose."""

    name: str
    value: str
    label: str
    changed: bool = False
    error: str | None = None
    now: str | None = None
    as_stored: bool = False  # unchanged


def row_of(product: AdminProduct) -> dict[str, Any]:
    """Show a product as it is stored."""
    return _shown(product, product.variants, _Typed(product.slug, PostedList(), UnsavedRows()))


def unsaved_row(product: AdminProduct, sheet: PostedList, outcome: UnsavedRows) -> dict[str, Any] | None:
    """Return the lines of a product that are not saved, as they were entered; None if there are none."""
    variants = [variant for variant in product.variants if variant.sku in outcome.rows]
    if not variants and "" not in outcome.rows:
        return None
    # If only the checkbox is unsaved, it is shown beside the product's lines.
    return _shown(product, variants or product.variants, _Typed(product.slug, sheet, outcome))


def unsaved_messages(products: Mapping[str, AdminProduct], unsaved: Mapping[str, UnsavedRows]) -> list[str]:
    """Return messages on what was changed here and is no longer in the shop."""
    messages = []
    for slug, outcome in unsaved.items():
        if slug not in products:
            messages.append(f"The product “{slug}” no longer exists.")
            continue
        left = {"", *(variant.sku for variant in products[slug].variants)}
        messages += [f"The variant “{sku}” is no longer sold." for sku in sorted(outcome.rows - left)]
    return messages


def _shown(product: AdminProduct, variants: Sequence[AdminVariant], form_data: "_Typed") -> dict[str, Any]:
    visible, shown = form_data.cell(
        VISIBLE, f"visible.{product.slug}", "yes" if not product.hidden else "no", ""
    )
    return {
        "product": product,
        "visible": visible,
        "shown": shown,
        "variants": [form_data.variant(product, variant) for variant in variants],
        "message": form_data.outcome.message,
    }


@dataclass(frozen=True)
class _Typed:
    slug: str
    sheet: PostedList
    outcome: UnsavedRows

    def variant(self, product: AdminProduct, variant: AdminVariant) -> dict[str, Any]:
        """Return a variant's three cells, and what they showed for the next submission."""
        title = f"{product.name}, {variant.label}" if variant.label else product.name
        typed = bool(self.sheet.typed)
        stored = {
            "price": _decimal(variant.price),
            "sale": _decimal(variant.sale_price),
            "stock": str(variant.available),
        }
        views: dict[str, Any] = {"sku": variant.sku, "label": variant.label}
        was = [self.slug]
        for column, what in CELLS.items():
            label = f"{what.capitalize()} of {title}"
            name, shown = f"{column}.{variant.sku}", stored[column]
            if typed:
                views[column], shown = self.cell(Cell(what, variant.sku), name, shown, label)
            else:
                views[column] = CellView(name, shown, label, as_stored=True)
            was.append(shown)
        return {**views, "was": "|".join(was)}

    def cell(self, cell: Cell, name: str, stored: str, label: str) -> tuple[CellView, str]:
        """Return a cell, and what the form says that it showed.

        An unchanged or saved cell shows what is stored. A cell in conflict is compared with what is stored now;
        any other keeps what it had shown, so that the same change is made when it is saved again.
        """
        form_data = self.sheet.typed.get((self.slug, cell))
        if form_data is None or cell.sku not in self.outcome.rows:
            return CellView(name, stored, label, as_stored=True), stored
        error = self.outcome.problems.get(cell)
        if cell in self.outcome.now or error == UNCHOSEN:
            return CellView(name, form_data, label, changed=True, error=error, now=stored), stored
        return CellView(name, form_data, label, changed=True, error=error), self.sheet.shown[self.slug, cell]


def _decimal(amount: int | None) -> str:
    return "" if amount is None else money.to_decimal_string(amount, settings.currency)
