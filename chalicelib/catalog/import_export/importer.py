"""Load products from a catalog file: everything is checked first, and nothing is written unless all of it is right.

What the files look like is told in docs/catalog-files.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from chalicelib import ids
from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing import category_editing, product_editing
from chalicelib.catalog.editing.product_editing import Saved, StockMode, StockUpdate
from chalicelib.catalog.images.validation import upload_picture
from chalicelib.catalog.import_export.catalog_parser import CatalogParser, Checked
from chalicelib.catalog.import_export.file_reader import read_csv, read_file
from chalicelib.catalog.import_export.located_values import Document, Fault, Unreadable
from chalicelib.database.transactions import Witness, unseen

MOST_TOLD = 100

Progress = Callable[[int, int], None]


class BadCatalog(Exception):
    """Everything that is wrong with a file, in the file's order; nothing was written."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = sorted(faults, key=lambda fault: fault.place[:2])

    def __str__(self) -> str:
        """List the faults, a line each, the first hundred."""
        lines = [str(fault) for fault in self.faults[:MOST_TOLD]]
        more = len(self.faults) - len(lines)
        return "\n".join([*lines, f"… and {more} more"] if more else lines)


@dataclass(frozen=True)
class Report:
    """What loading a file did."""

    added: int
    changed: int
    same: int
    stock_changed: int = 0  # SKUs whose pieces were set or added to
    stock_ignored: int = 0  # SKUs of which the file says another number of pieces than the shop
    stock_repeated: int = 0  # SKUs whose pieces this same file has added before

    def __str__(self) -> str:
        """Say it in a line."""
        told = [
            f"{self.added} added, {self.changed} changed, {self.same} as they were",
            self.stock_changed and f"the stock of {variants(self.stock_changed)} changed",
            self.stock_ignored and f"the stock of {variants(self.stock_ignored)} in the file was ignored",
            self.stock_repeated
            and f"the stock of {variants(self.stock_repeated)} was added by this same file before, and not again",
        ]
        return "; ".join(each for each in told if each)

    @classmethod
    def of(cls, outcomes: Sequence[Saved | None], stock: StockUpdate) -> "Report":
        """Count outcomes."""
        counts = {kind.name.lower(): outcomes.count(kind) for kind in Saved}
        return cls(
            **counts,
            stock_changed=stock.changed,
            stock_ignored=stock.ignored,
            stock_repeated=stock.repeated,
        )


def variants(count: int) -> str:
    """Say how many variants."""
    return f"{count:,} variant{'' if count == 1 else 's'}"


def load_catalog(file: Path, progress: Progress | None = None, mode: StockMode = StockMode.IGNORE) -> Report:
    """Check a .json or .csv file and load it into the shop. Raises BadCatalog."""
    return load_checked(check_file(file), progress, mode)


def check_file(file: Path) -> Checked:
    """Check a .json or .csv file; the pictures that it names lie beside it. Raises BadCatalog."""
    return _check(lambda faults: read_file(file, faults), file.parent)


def load_checked(
    checked: Checked, progress: Progress | None = None, mode: StockMode = StockMode.IGNORE
) -> Report:
    """Load a file that was checked; `progress` is told the steps done and their number."""
    tell = progress or (lambda _done, _all: None)
    tell(0, checked.steps)
    outcomes = []
    stock = checked.stock_update(mode, ids.new_id())
    for done, outcome in enumerate(load(checked, stock=stock), 1):
        outcomes.append(outcome)
        tell(done, checked.steps)
    return Report.of(outcomes, stock)


def check_csv(data: bytes) -> Checked:
    """Check a CSV file's bytes; the pictures that it names are in the media bucket already. Raises BadCatalog."""
    return _check(lambda faults: read_csv(data, faults), None)


def load(
    checked: Checked, witness: Witness = unseen, start: int = 0, stock: StockUpdate | None = None
) -> Iterator[Saved | None]:
    """Load a file step by step, from the step that a run before came to; tell what each did to a product."""
    for key, picture in islice(checked.pictures.items(), start, None):
        upload_picture(picture, key)
        yield None
    known = _save_categories(checked, witness)
    for draft in checked.products[max(0, start - len(checked.pictures)) :]:
        category = categories.find_category(draft.category, known)
        keyed = replace(draft, category=category.key) if category is not None else draft
        yield product_editing.save_product(keyed, witness, stock=stock)


def _save_categories(checked: Checked, witness: Witness) -> tuple[Category, ...]:
    if checked.names_alone:
        names = {category.slug: category.name for category in checked.categories}
        return category_editing.name_categories(names, witness)
    return category_editing.save_categories(checked.categories, witness)


def _check(read: Callable[[list[Fault]], Document], folder: Path | None) -> Checked:
    faults: list[Fault] = []
    try:
        document = read(faults)
    except Unreadable as error:
        raise BadCatalog([*faults, error.fault]) from error
    checked = CatalogParser(folder, faults).read(document)
    if faults:
        raise BadCatalog(faults)
    return checked
