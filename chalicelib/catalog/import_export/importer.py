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
from chalicelib.catalog.editing.product_editing import SaveResult, StockMode, StockUpdate
from chalicelib.catalog.editing.product_validation import ProductDraft
from chalicelib.catalog.images.validation import upload_picture
from chalicelib.catalog.import_export.catalog_parser import CatalogParser, CheckedCatalog
from chalicelib.catalog.import_export.file_reader import read_csv, read_file
from chalicelib.catalog.import_export.located_values import Document, FileProblem, UnreadableFile
from chalicelib.database.transactions import AuditWriter, no_audit

MAX_PROBLEMS = 100
BATCH_SIZE = 100  # products that are read together; only those that differ are read again, and written

Progress = Callable[[int, int], None]


class CatalogErrors(Exception):
    """Everything that is wrong with a file, in the file's order; nothing was written."""

    def __init__(self, faults: Sequence[FileProblem]) -> None:
        super().__init__(f"{len(faults)} errors")
        self.faults = sorted(faults, key=lambda fault: fault.place[:2])

    def __str__(self) -> str:
        """List the faults, a line each, the first hundred."""
        lines = [str(fault) for fault in self.faults[:MAX_PROBLEMS]]
        more = len(self.faults) - len(lines)
        return "\n".join([*lines, f"… and {more} more"] if more else lines)


@dataclass(frozen=True)
class ImportReport:
    """What loading a file did."""

    added: int
    changed: int
    same: int
    stock_changed: int = 0  # SKUs whose pieces were set or added to
    stock_ignored: int = 0  # SKUs of which the file says another number of pieces than the shop
    stock_repeated: int = 0  # SKUs whose pieces this same file has added before

    def __str__(self) -> str:
        """Return it in one line."""
        told = [
            f"{self.added} added, {self.changed} changed, {self.same} unchanged",
            self.stock_changed and f"stock changed for {variants(self.stock_changed)}",
            self.stock_ignored and f"the file’s stock was ignored for {variants(self.stock_ignored)}",
            self.stock_repeated
            and f"stock wasn’t added again for {variants(self.stock_repeated)}, because this file has already added it",
        ]
        return "; ".join(each for each in told if each)

    @classmethod
    def of(cls, outcomes: Sequence[SaveResult | None], stock: StockUpdate) -> "ImportReport":
        """Count outcomes."""
        counts = {kind.name.lower(): outcomes.count(kind) for kind in SaveResult}
        return cls(
            **counts,
            stock_changed=stock.changed,
            stock_ignored=stock.ignored,
            stock_repeated=stock.repeated,
        )


def variants(count: int) -> str:
    """Return how many variants."""
    return f"{count:,} variant{'' if count == 1 else 's'}"


def load_catalog(file: Path, progress: Progress | None = None) -> ImportReport:
    """Check a .json or .csv file and load it into the shop. Raises CatalogErrors."""
    return load_checked(check_file(file), progress)


def check_file(file: Path) -> CheckedCatalog:
    """Check a .json or .csv file; the pictures that it names lie beside it. Raises CatalogErrors."""
    return _check(lambda faults: read_file(file, faults), file.parent)


def load_checked(
    checked: CheckedCatalog, progress: Progress | None = None, mode: StockMode = StockMode.IGNORE
) -> ImportReport:
    """Load a file that was checked; `progress` is told the steps done and their number."""
    tell = progress or (lambda _done, _all: None)
    tell(0, checked.steps)
    outcomes = []
    stock = checked.stock_update(mode, ids.new_id())
    for done, outcome in enumerate(load(checked, stock=stock), 1):
        outcomes.append(outcome)
        tell(done, checked.steps)
    return ImportReport.of(outcomes, stock)


def check_csv(data: bytes) -> CheckedCatalog:
    """Check a CSV file's bytes; the pictures that it names are in the media bucket already. Raises CatalogErrors."""
    return _check(lambda faults: read_csv(data, faults), None)


def load(
    checked: CheckedCatalog,
    write_audit: AuditWriter = no_audit,
    start: int = 0,
    stock: StockUpdate | None = None,
) -> Iterator[SaveResult | None]:
    """Load a file step by step, from the step that a run before came to; tell what each did to a product."""
    for key, picture in islice(checked.pictures.items(), start, None):
        upload_picture(picture, key)
        yield None
    known = _save_categories(checked, write_audit)
    drafts = iter(checked.products[max(0, start - len(checked.pictures)) :])
    while some := [_keyed(draft, known) for draft in islice(drafts, BATCH_SIZE)]:
        stored = product_editing.read_stored(some)
        for draft in some:
            yield product_editing.save_product(draft, write_audit, stock=stock, stored=stored[draft.slug])


def _keyed(draft: ProductDraft, known: tuple[Category, ...]) -> ProductDraft:
    category = categories.find_category(draft.category, known)
    return replace(draft, category=category.key) if category is not None else draft


def _save_categories(checked: CheckedCatalog, write_audit: AuditWriter) -> tuple[Category, ...]:
    if checked.names_alone:
        names = {category.slug: category.name for category in checked.categories}
        return category_editing.name_categories(names, write_audit)
    return category_editing.save_categories(checked.categories, write_audit)


def _check(read: Callable[[list[FileProblem]], Document], folder: Path | None) -> CheckedCatalog:
    faults: list[FileProblem] = []
    try:
        document = read(faults)
    except UnreadableFile as error:
        raise CatalogErrors([*faults, error.fault]) from error
    checked = CatalogParser(folder, faults).read(document)
    if faults:
        raise CatalogErrors(faults)
    return checked
