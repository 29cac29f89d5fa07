"""The cells of the products' list: what was typed into them, and how they are shown.

The form carries, for each variant, what its row showed (`was.SKU`: product, price, sale price, stock), so that only
what was changed is sent on. A row that cannot be saved comes back alone, and a cell in conflict with both values and a
choice between them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib import money
from chalicelib.catalog.admin_products import Goods, Piece
from chalicelib.catalog.editing.inline_edit import NotSaved
from chalicelib.catalog.editing.inline_edit_rules import Cell, Change
from chalicelib.catalog.models import SLUG, is_sku
from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.errors import BadInput

CELLS = {"price": "price", "sale": "sale price", "stock": "stock"}  # field → cell
VISIBLE = Cell("visible")
MINE = "mine"
THEIRS = "theirs"
UNCHOSEN = "Please choose one of the two."
Place = tuple[str, Cell]  # a product's slug and its cell
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_DAMAGED = "This form is damaged. Please open the list again."


@dataclass
class Sheet:
    """What a posted list says, by product: changes that can be read, and what is wrong with the others."""

    slugs: list[str] = field(default_factory=list)  # in the order of the page
    first: dict[str, str] = field(default_factory=dict)  # slug → SKU of its first line, where its tick stands
    changes: dict[str, dict[Cell, Change]] = field(default_factory=dict)
    bad: dict[str, dict[Cell, str]] = field(default_factory=dict)
    typed: dict[Place, str] = field(default_factory=dict)  # what was typed into changed cells
    shown: dict[Place, str] = field(default_factory=dict)  # what they had shown

    def saved_lines(self, unsaved: Mapping[str, NotSaved]) -> int:
        """Count the page's lines that were changed and are saved whole."""
        changed = {self._line(slug, cell.sku) for slug, cells in self.changes.items() for cell in cells}
        waiting = {self._line(slug, sku) for slug, outcome in unsaved.items() for sku in outcome.rows}
        return len(changed - waiting)

    def _line(self, slug: str, sku: str) -> tuple[str, str]:
        return slug, sku or self.first.get(slug, "")


# -- reading ----------------------------------------------------------------------------------------------


def read_sheet(values: Mapping[str, str]) -> Sheet:
    """Read a posted list. Raises BadInput where what it showed cannot be read."""
    sheet = Sheet()
    for name, value in values.items():
        what, _, key = name.partition(".")
        if what == "was":
            slug, *shown = value.split("|")
            if len(shown) != len(CELLS) or not SLUG.fullmatch(slug) or not is_sku(key):
                raise BadInput(_DAMAGED)
            sheet.first.setdefault(slug, key)
            for column, before in zip(CELLS, shown, strict=True):
                cell, posted = Cell(CELLS[column], key), f"{column}.{key}"
                typed = clean_line(values.get(posted, before))
                _read_cell(sheet, (slug, cell), before, typed, _choice(values, posted))
        elif what == "shown":
            if not SLUG.fullmatch(key) or value not in ("yes", "no"):
                raise BadInput(_DAMAGED)
            sheet.slugs.append(key)
            typed = "yes" if f"visible.{key}" in values else "no"
            _read_cell(sheet, (key, VISIBLE), value, typed, MINE)
    return sheet


def _choice(values: Mapping[str, str], name: str) -> str | None:
    """Tell whose value of a cell in conflict was chosen; MINE where no choice was asked for, None for no answer."""
    return values.get(f"choose.{name}") if f"ask.{name}" in values else MINE


def _read_cell(sheet: Sheet, place: Place, before: str, typed: str, choice: str | None) -> None:
    if typed == before or choice == THEIRS:
        return
    slug, cell = place
    sheet.typed[place], sheet.shown[place] = typed, before
    try:
        change = Change(_value(cell, before), _value(cell, typed))
    except ValueError as error:
        sheet.bad.setdefault(slug, {})[cell] = str(error)
        return
    if choice != MINE:
        sheet.bad.setdefault(slug, {})[cell] = UNCHOSEN
    elif change.shown != change.wanted:
        sheet.changes.setdefault(slug, {})[cell] = change


def _value(cell: Cell, text: str) -> int | None:
    """Read a cell. Raises ValueError in words."""
    if cell == VISIBLE:
        return int(text == "yes")
    if cell.what == "stock":
        if not _WHOLE.fullmatch(text):
            raise ValueError("Please give the stock as a whole number, such as 12.")
        return int(text)
    if cell.what == "sale price" and not text:
        return None
    if not text:
        raise ValueError("Please give a price, such as 12.90.")
    return money.parse_typed(text, settings.currency)


# -- showing ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CellView:
    """A cell as the page shows it. `now`: what somebody else stored, where a choice is asked for."""

    name: str
    value: str
    label: str
    changed: bool = False
    error: str | None = None
    now: str | None = None


def row_of(goods: Goods) -> dict[str, Any]:
    """Show a product as it is stored."""
    return _shown(goods, goods.pieces, _Typed(goods.slug, Sheet(), NotSaved()))


def waiting_row_of(goods: Goods, sheet: Sheet, outcome: NotSaved) -> dict[str, Any] | None:
    """Show the lines of a product that are not saved, as they were typed; None where none of them is left."""
    pieces = [piece for piece in goods.pieces if piece.sku in outcome.rows]
    if not pieces and "" not in outcome.rows:
        return None
    # Where the tick alone waits, it needs the product's lines to stand beside.
    return _shown(goods, pieces or goods.pieces, _Typed(goods.slug, sheet, outcome))


def losses(goods: Mapping[str, Goods], unsaved: Mapping[str, NotSaved]) -> list[str]:
    """Tell in words what was changed here and is no longer in the shop."""
    told = []
    for slug, outcome in unsaved.items():
        if slug not in goods:
            told.append(f"The product “{slug}” is no longer there.")
            continue
        left = {"", *(piece.sku for piece in goods[slug].pieces)}
        told += [f"The variant “{sku}” is no longer sold." for sku in sorted(outcome.rows - left)]
    return told


def _shown(goods: Goods, pieces: Sequence[Piece], typed: "_Typed") -> dict[str, Any]:
    visible, shown = typed.cell(VISIBLE, f"visible.{goods.slug}", "yes" if not goods.hidden else "no", "")
    return {
        "goods": goods,
        "visible": visible,
        "shown": shown,
        "variants": [typed.variant(goods, piece) for piece in pieces],
        "words": typed.outcome.words,
    }


@dataclass(frozen=True)
class _Typed:
    slug: str
    sheet: Sheet
    outcome: NotSaved

    def variant(self, goods: Goods, piece: Piece) -> dict[str, Any]:
        """Show a variant's three cells, and what they showed for the next round."""
        title = f"{goods.name}, {piece.label}" if piece.label else goods.name
        stored = {
            "price": _decimal(piece.price),
            "sale": _decimal(piece.sale_price),
            "stock": str(piece.available),
        }
        views: dict[str, Any] = {"sku": piece.sku, "label": piece.label}
        was = [self.slug]
        for column, what in CELLS.items():
            label = f"{what.capitalize()} of {title}"
            views[column], shown = self.cell(
                Cell(what, piece.sku), f"{column}.{piece.sku}", stored[column], label
            )
            was.append(shown)
        return {**views, "was": "|".join(was)}

    def cell(self, cell: Cell, name: str, stored: str, label: str) -> tuple[CellView, str]:
        """Show a cell, and tell what the form says that it showed.

        One that was not touched, or is saved, shows what is stored. One in conflict is asked about on top of what is stored now;
        any other keeps what it had shown, so that the same change is made when it is saved again.
        """
        typed = self.sheet.typed.get((self.slug, cell))
        if typed is None or cell.sku not in self.outcome.rows:
            return CellView(name, stored, label), stored
        error = self.outcome.problems.get(cell)
        if cell in self.outcome.now or error == UNCHOSEN:
            return CellView(name, typed, label, changed=True, error=error, now=stored), stored
        return CellView(name, typed, label, changed=True, error=error), self.sheet.shown[self.slug, cell]


def _decimal(amount: int | None) -> str:
    return "" if amount is None else money.decimal_string(amount, settings.currency)
