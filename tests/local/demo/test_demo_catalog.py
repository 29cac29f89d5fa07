"""The demo catalog fills an empty shop, whole, and never a merchant's."""

import json
from pathlib import Path

import pytest

from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import save_categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.import_export import importer
from chalicelib.catalog.product_lists import list_slugs
from infra.local.demo import catalog

pytestmark = pytest.mark.usefixtures("aws")
SLUGS = ["cup", "jug", "pot"]


@pytest.fixture(autouse=True)
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the demo a small one."""
    products = [
        {
            "slug": slug,
            "name": slug.title(),
            "category": "table",
            "variants": [{"sku": slug.upper(), "price": "9.00", "stock": 1}],
        }
        for slug in SLUGS
    ]
    file = tmp_path / "catalog.json"
    file.write_text(
        json.dumps({"categories": [{"slug": "table", "name": "Table"}], "products": products}), "utf-8"
    )
    monkeypatch.setattr(catalog, "DEMO_CATALOG", file)


def visible_slugs() -> list[str]:
    return list_slugs(None, 100)[0]


def test_an_empty_shop_is_filled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.load_demo_catalog()
    assert sorted(visible_slugs()) == SLUGS

    monkeypatch.setattr(importer, "load_catalog", lambda *_: pytest.fail("it was loaded again"))
    catalog.load_demo_catalog()


@pytest.mark.parametrize("saved", [0, 1, 2])
def test_loading_that_was_cut_off_is_finished(monkeypatch: pytest.MonkeyPatch, saved: int) -> None:
    left = iter(range(saved))
    with monkeypatch.context() as cut_off:
        cut_off.setattr(
            "chalicelib.catalog.editing.product_editing.save_product",
            lambda draft, *_, **__: save_product(draft) if next(left, None) is not None else _die(),
        )
        with pytest.raises(SystemExit):
            catalog.load_demo_catalog()
    assert len(visible_slugs()) == saved

    catalog.load_demo_catalog()
    assert sorted(visible_slugs()) == SLUGS


def test_a_merchants_own_shelves_get_nothing() -> None:
    for slugs in (["own"], ["own", "table"]):
        save_categories([Category(slug, slug.title(), "") for slug in slugs])
        catalog.load_demo_catalog()
        assert visible_slugs() == []
        assert [category.slug for category in categories.read_categories()] == slugs


def _die() -> None:
    raise SystemExit
