"""The demo catalog: loaded into an empty shop."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

DEMO_CATALOG = Path(__file__).with_name("catalog.json")


def load_demo_catalog(report: Callable[[], None] = lambda: None) -> None:
    """Fill an empty shop with the demo catalog, or go on where that was cut off; `report` each step."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.catalog import categories

    if categories.read_categories() and not (_has_demo_categories() and _misses_products()):
        return
    from chalicelib.catalog.import_export.importer import load_catalog
    from infra.commands.import_catalog import progress_bar

    print("loading the demo catalog …", file=sys.stderr, flush=True)
    bar = progress_bar(sys.stderr)

    def draw(done: int, steps: int) -> None:
        report()
        if bar is not None:
            bar(done, steps)

    loaded = load_catalog(DEMO_CATALOG, draw)
    print(f"demo catalog: {loaded}", file=sys.stderr, flush=True)


def has_demo_catalog() -> bool:
    """Return whether the shop has the demo's categories, no others, and all of its products."""
    return _has_demo_categories() and not _misses_products()


def _has_demo_categories() -> bool:
    from chalicelib.catalog import categories

    return {category.slug for category in categories.read_categories()} == _slugs("categories")


def _misses_products() -> bool:
    """Return whether importing was interrupted: categories are written first."""
    from chalicelib.catalog.models import Product
    from chalicelib.database.reads import batch_get

    slugs = _slugs("products")
    return len(batch_get({Product: slugs})[Product]) < len(slugs)


def _slugs(name: str) -> set[str]:
    demo = json.loads(DEMO_CATALOG.read_text("utf-8"))
    return {one["slug"] for one in demo[name]}
