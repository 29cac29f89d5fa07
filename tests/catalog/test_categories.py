"""The shelves of the shop."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from pynamodb.exceptions import QueryError

from chalicelib.catalog import service
from chalicelib.catalog.editing import save_categories, save_product
from chalicelib.catalog.models import Listing
from chalicelib.catalog.service import Category
from chalicelib.errors import BadInput, Conflict, NotFound
from tests.catalog.goods import POTS, TEA, fill, product
from tests.client import Shopper
from tests.counting import counted_calls

pytestmark = pytest.mark.usefixtures("aws")


def silence(*_: Any, **__: Any) -> None:
    raise QueryError("the table does not answer")


def test_categories_keep_the_order_they_were_given() -> None:
    save_categories([TEA, POTS])
    assert service.categories() == (TEA, POTS)
    save_categories([POTS, TEA])
    assert service.categories() == (POTS, TEA)


def test_saving_the_same_categories_writes_nothing() -> None:
    assert save_categories([TEA, POTS])
    with counted_calls() as calls:
        assert not save_categories([TEA, POTS])
    assert calls == {"Query": 1}


def test_a_category_is_renamed_and_removed() -> None:
    save_categories([TEA, POTS])
    save_categories([Category("tea", "Leaves", "")])
    assert service.categories() == (Category("tea", "Leaves", ""),)
    with pytest.raises(NotFound):
        service.get_category("pots")


def test_a_category_that_shows_products_is_not_removed() -> None:
    fill(product("sencha"))
    with pytest.raises(Conflict, match="still has products"):
        save_categories([POTS])
    assert service.categories() == (TEA, POTS)
    save_product(product("sencha", category="pots"))
    save_categories([POTS])
    assert service.categories() == (POTS,)


def test_bad_categories_are_refused() -> None:
    for drafts in ([Category("a b", "A", "")], [TEA, TEA], [Category(f"c-{n}", "C", "") for n in range(51)]):
        with pytest.raises(BadInput):
            save_categories(drafts)
    assert list(Listing.scan()) == []


def test_as_many_categories_as_fit_are_all_replaced_at_once() -> None:
    save_categories([Category(f"a-{n}", "A", "") for n in range(50)])
    save_categories([Category(f"b-{n}", "B", "") for n in range(50)])
    assert [category.slug for category in service.categories()] == [f"b-{n}" for n in range(50)]


def test_they_are_read_once_in_some_seconds(wait: Callable[[float], None]) -> None:
    save_categories([TEA])
    with counted_calls() as calls:
        service.categories()
        service.categories_if_possible()
        assert calls == {"Query": 1}
        wait(10)
        service.categories()
        assert calls == {"Query": 2}


def test_a_silent_table_leaves_the_last_known_ones(
    wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_categories([TEA])
    service.categories()
    wait(11)
    monkeypatch.setattr(Listing, "query", silence)
    assert service.categories_if_possible() == (TEA,)
    service.forget()
    assert service.categories_if_possible() == ()


def test_after_a_failure_nobody_waits_for_the_table_again_at_once(
    wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Mock(side_effect=QueryError("the table does not answer"))
    monkeypatch.setattr(Listing, "query", asking)
    for _ in range(3):
        service.categories_if_possible()
    assert asking.call_count == 1
    wait(11)
    service.categories_if_possible()
    assert asking.call_count == 2


def test_a_silent_table_makes_a_busy_page_not_a_wrong_404(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listing, "query", silence)
    for address in ("/", "/categories/tea", "/sitemap.xml"):
        assert shopper.get(address).status == 503, address
    assert shopper.get("/no/such/page").status == 404
