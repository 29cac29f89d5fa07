"""A clock that can be moved, files to load, and a shop that is only looked at."""

from pathlib import Path

import pytest

from infra.local.api_gateway import Gateway
from tests.catalog.import_export.catalog_files import SVG, Write
from tests.catalog.product_factory import fill, product, variant
from tests.client import Shopper
from tests.cloud import Cloud


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file beside the picture leaf.svg."""
    (tmp_path / "leaf.svg").write_text(SVG)

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8", newline="")
        return file

    return write


@pytest.fixture(scope="module")
def standing(cloud: Cloud) -> Shopper:
    """Return a visitor of a shop that sells one mug, for tests that change nothing and share it."""
    import app

    cloud.renew()
    fill(product("mug", variant("MUG")))
    return Shopper(Gateway(app.app))
