"""Import products from a catalog file. Everything is validated first; nothing is written if anything is wrong.

docs/catalog-files.md describes the formats.
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
BATCH_SIZE = 100  # products read together; only those that differ are read again, and written

Progress = Callable[[int, int], None]


class CatalogErrors(Exception):
    """Raised with everything that is wrong with a file, in the file's order; nothing was written."""

    def __init__(self, faults: Sequence[FileProblem]) -> None:
        super().__init__(f"{len(faults)} errors")
        self.faults = sorted(faults, key=lambda fault: fault.place[:2])

    def __str__(self) -> str:
        """Return the first hundred faults, one per line."""
        lines = [str(fault) for fault in self.faults[:MAX_PROBLEMS]]
        more = len(self.faults) - len(lines)
        return "\n".join([*lines, f"… and {more} more"] if more else lines)


@dataclass(frozen=True)
class ImportReport:
    """What an import changed, in numbers of products; of the stock, in numbers of SKUs."""

    added: int
    changed: int
    same: int
    stock_changed: int = 0  # set or added to
    stock_ignored: int = 0  # different in the file and in the shop
    stock_repeated: int = 0  # added before by this same file

    def __str__(self) -> str:
        """Return the report as one line."""
        parts = [
            f"{self.added} added, {self.changed} changed, {self.same} unchanged",
            self.stock_changed and f"stock changed for {variants(self.stock_changed)}",
            self.stock_ignored and f"the file’s stock was ignored for {variants(self.stock_ignored)}",
            self.stock_repeated
            and f"stock wasn’t added again for {variants(self.stock_repeated)}, because this file has already added it",
        ]
        return "; ".join(part for part in parts if part)

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
    """Return a number of variants as text, such as “1 variant”."""
    return f"{count:,} variant{'' if count == 1 else 's'}"


def load_catalog(file: Path, progress: Progress | None = None) -> ImportReport:
    """Validate a .json or .csv file and import it. Raises CatalogErrors."""
    return load_checked(check_file(file), progress)


def check_file(file: Path) -> CheckedCatalog:
    """Validate a .json or .csv file; paths of pictures are relative to it. Raises CatalogErrors."""
    return _check(lambda faults: read_file(file, faults), file.parent)


def load_checked(
    checked: CheckedCatalog, progress: Progress | None = None, mode: StockMode = StockMode.IGNORE
) -> ImportReport:
    """Import a validated file; `progress` is called with the number of finished steps, and of all."""
    report = progress or (lambda _done, _all: None)
    report(0, checked.steps)
    outcomes = []
    stock = checked.stock_update(mode, ids.new_id())
    for done, outcome in enumerate(load(checked, stock=stock), 1):
        outcomes.append(outcome)
        report(done, checked.steps)
    return ImportReport.of(outcomes, stock)


def check_csv(data: bytes) -> CheckedCatalog:
    """Validate a CSV file's bytes; pictures must be in the media bucket already. Raises CatalogErrors."""
    return _check(lambda faults: read_csv(data, faults), None)


def load(
    checked: CheckedCatalog,
    write_audit: AuditWriter = no_audit,
    start: int = 0,
    stock: StockUpdate | None = None,
) -> Iterator[SaveResult | None]:
    """Import a file from step `start`, where an earlier run ended; yield each step's result, None for a picture."""
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
