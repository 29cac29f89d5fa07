"""Load products from a file: `python -m infra.catalog FILE`, which `make catalog FILE=… STAGE=…` runs.

Says what was added, changed and left as it was. Exits 1 with a line for each fault, its place first, where the file is
not right; then nothing was changed. docs/catalog-files.md tells what the file looks like.
"""

import shutil
import sys
from pathlib import Path
from typing import TextIO

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.catalog.importer import BadCatalog, Progress, load_catalog
from chalicelib.catalog.pictures import NoPicture
from chalicelib.errors import ShopError
from chalicelib.storage import Unknown

NARROWEST, WIDEST = 10, 50


def main(arguments: list[str]) -> int:
    """Load the file that is named; return the process's exit status."""
    if len(arguments) != 1 or not arguments[0]:
        print("Name one file, such as FILE=catalog.csv.", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        print(load_catalog(file, progress_bar(sys.stderr)))
    except BadCatalog as error:
        print(error, file=sys.stderr)
        count = len(error.faults)
        print(f"{count} fault{'s' if count > 1 else ''} in {file}. Nothing was changed.", file=sys.stderr)
        return 1
    except (ShopError, NoPicture, Unknown, BotoCoreError, ClientError, PynamoDBException) as error:
        print("The catalog could not be loaded to its end:", *str(error).split(), file=sys.stderr)
        print("Loading it again goes on from there.", file=sys.stderr)
        return 1
    return 0


def progress_bar(stream: TextIO) -> Progress | None:
    """Draw a bar that grows in place; nothing where nobody is looking."""
    if not stream.isatty():
        return None

    def draw(done: int, steps: int) -> None:
        width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns - 20))
        full = width * done // steps if steps else width
        stream.write(f"\r{'█' * full}{'░' * (width - full)} {done}/{steps}")
        if done >= steps:
            stream.write("\r\033[K")  # leaves the line to the report
        stream.flush()

    return draw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
