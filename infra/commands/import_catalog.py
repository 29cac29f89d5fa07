"""Import products from a file: `python -m infra.commands.import_catalog FILE [STOCK [YES]]`.

`make catalog FILE=… STAGE=…` runs it. Shows what the file would change, asks for confirmation in a terminal, imports
it, and says what was added, changed and left unchanged. If the file is invalid, exits 1 with a line for each error,
its place first; then nothing was changed. docs/catalog-files.md describes the file.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.catalog.editing.product_editing import StockMode
from chalicelib.catalog.images.validation import InvalidImage
from chalicelib.catalog.import_export.importer import CatalogErrors, Progress, check_file, load_checked
from chalicelib.catalog.import_export.preview import Preview, preview_of
from chalicelib.database.transactions import OutcomeUnknown
from chalicelib.errors import ShopError

NARROWEST, WIDEST = 10, 50
YES, NO = ("1", "y", "yes"), ("0", "n", "no")
MODES = [mode.value for mode in StockMode]


def main(arguments: list[str]) -> int:
    """Import the given file; return the process's exit status."""
    name, stock, yes = (*arguments, "", "", "")[:3]
    mode, answer = stock.strip().lower() or StockMode.IGNORE.value, yes.strip().lower()
    if not name or len(arguments) > 3 or mode not in MODES or answer not in ("", *YES, *NO):
        print(
            f"Name one file, such as FILE=catalog.csv, and optionally STOCK={'|'.join(MODES)} and YES=1 or YES=no.",
            file=sys.stderr,
        )
        return 2
    file = Path(name)
    try:
        return _load(file, StockMode(mode), answer)
    except CatalogErrors as error:
        print(error, file=sys.stderr)
        count = len(error.faults)
        print(f"{count} error{'s' if count > 1 else ''} in {file}. Nothing was changed.", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted. Import the file again to continue from there.", file=sys.stderr)
        return 130
    except (ShopError, InvalidImage, OutcomeUnknown, BotoCoreError, ClientError, PynamoDBException) as error:
        print("The import failed:", *str(error).split(), file=sys.stderr)
        print("Import the file again to continue from there.", file=sys.stderr)
        return 1


def _load(file: Path, mode: StockMode, answer: str) -> int:
    checked = check_file(file)
    print(*_lines(preview_of(checked), mode), sep="\n")
    if not answer and sys.stdin.isatty():
        answer = input("Import it? [y/N] ").strip().lower() or "no"
    if answer and answer not in YES:
        print("Nothing was changed.")
        return 0
    print(load_checked(checked, progress_bar(sys.stderr), mode))
    return 0


def _lines(preview: Preview, mode: StockMode) -> Iterator[str]:
    """Yield lines on what the file would change."""
    yield preview.source
    yield from preview.lines()
    yield from preview.warnings
    yield preview.summary
    if preview.differing:
        yield from preview.stock_lines()
        yield (
            preview.stock
            + {
                StockMode.IGNORE: " The “stock” column is ignored for them; use it with STOCK=set or STOCK=add.",
                StockMode.SET: " It is set to the file’s stock.",
                StockMode.ADD: " The file’s stock is added to it.",
            }[mode]
        )


def progress_bar(stream: TextIO) -> Progress | None:
    """Return a progress bar that is drawn in place; None if the stream is not a terminal."""
    if not stream.isatty():
        return None

    def draw(done: int, steps: int) -> None:
        width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns - 20))
        full = width * done // steps if steps else width
        stream.write(f"\r{'█' * full}{'░' * (width - full)} {done}/{steps}")
        if done >= steps:
            stream.write("\r\033[K")  # clears the line for the report
        stream.flush()

    return draw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
