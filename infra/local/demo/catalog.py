"""The demo catalog: loaded into an empty shop."""

import json
import sys
from pathlib import Path

DEMO_CATALOG = Path(__file__).with_name("catalog.json")


def load_demo_catalog() -> None:
    """Fill an empty shop with the demo catalog, or go on where that was cut off."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.catalog import service

    known = {category.slug for category in service.read_categories()}
    if known and not _is_half_loaded(known):
        return
    from chalicelib.catalog.importer import load_catalog
    from infra.catalog import progress_bar

    print("loading the demo catalog …", file=sys.stderr, flush=True)
    loaded = load_catalog(DEMO_CATALOG, progress_bar(sys.stderr))
    print(f"demo catalog: {loaded}", file=sys.stderr, flush=True)


def _is_half_loaded(known: set[str]) -> bool:
    """Tell a shop with the demo's categories, no others, and not all of its products: categories are written first."""
    demo = json.loads(DEMO_CATALOG.read_text("utf-8"))
    if known != {category["slug"] for category in demo["categories"]}:
        return False
    from chalicelib.catalog.models import Product
    from chalicelib.storage import read_many

    slugs = {product["slug"] for product in demo["products"]}
    return len(read_many({Product: slugs})[Product]) < len(slugs)
