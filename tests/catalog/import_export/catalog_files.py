"""Catalog files for the tests, and what they leave behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws import client
from chalicelib.catalog.import_export.importer import CatalogErrors, load_catalog
from chalicelib.catalog.models import Listing, Product, SearchEntry, Stock
from chalicelib.config import settings

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
Write = Callable[[str, str], Path]
CATALOG: dict[str, Any] = {
    "categories": [{"slug": "tea", "name": "Tea", "text": "Leaves."}, {"slug": "pots", "name": "Pots"}],
    "products": [
        {
            "slug": "sencha",
            "name": "Sencha, grün",
            "text": "Bright.\n\nGrassy.",
            "category": "tea",
            "tax_rate": "7",
            "added": "2026-10-01",
            "pictures": [{"file": "leaf.svg", "alt": "Leaves"}],
            "variants": [
                {"sku": "S-50", "options": {"Weight": "50 g"}, "price": "5.90", "stock": 10},
                {
                    "sku": "S-99",
                    "options": {"Weight": "99 g"},
                    "price": "9.90",
                    "sale_price": "8.90",
                    "stock": 4,
                },
            ],
        },
        {
            "slug": "pot",
            "name": "Pot",
            "category": "pots",
            "variants": [{"sku": "POT", "price": "49", "stock": 1}],
        },
    ],
}
CSV = """\
slug,name,text,category,category_name,tax_rate,added,hidden,pictures,sku,options,price,sale_price,stock
sencha,"Sencha, grün","Bright.

Grassy.",tea,Tea,7,2026-10-01,,leaf.svg = Leaves,S-50,Weight = 50 g,5.90,,10
pot,Pot,,pots,Pots,,,no,,POT,,49,,1
sencha,,,,,,,,,S-99,Weight = 99 g,9.90,8.90,4
"""


def everything() -> list[Any]:
    """Read every row of the catalog's tables."""
    scans = [table._get_connection().scan() for table in (Product, Stock, Listing, SearchEntry)]
    return [sorted(str(sorted(row.items())) for row in scan["Items"]) for scan in scans]


def faults(file: Path) -> list[str]:
    """Load a bad file, and make sure that nothing was written."""
    before = everything()
    with pytest.raises(CatalogErrors) as caught:
        load_catalog(file)
    assert everything() == before
    assert "Contents" not in client("s3").list_objects_v2(Bucket=settings.media_bucket)
    return str(caught.value).split("\n")


def changed(**changes: Any) -> str:
    """Write the catalog with changes to its first product."""
    catalog = json.loads(json.dumps(CATALOG))
    catalog["products"][0].update(changes)
    return json.dumps(catalog, indent=1)
