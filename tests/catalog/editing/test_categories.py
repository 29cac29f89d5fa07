"""The shelves of the shop."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from pynamodb.exceptions import QueryError

from chalicelib.catalog import categories, product_details
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import (
    change_category,
    create_category,
    fingerprint_of,
    move_category,
    name_categories,
    remove_category,
    save_categories,
    slug_of,
)
from chalicelib.catalog.editing.product_editing import VersionConflict, save_product
from chalicelib.catalog.models import CategoryRow, Listing
from chalicelib.catalog.search import search
from chalicelib.database.transactions import Transaction
from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.web.page_cache import cache
from tests.call_counter import counted_calls
from tests.catalog.product_factory import POTS, TEA, fill, numbered, product
from tests.client import Shopper
from tests.dynamodb_faults import answers_lost

pytestmark = pytest.mark.usefixtures("aws")


def silence(*_: Any, **__: Any) -> None:
    raise QueryError("the table does not answer")


def test_categories_keep_the_order_they_were_given() -> None:
    save_categories([TEA, POTS])
    assert categories.categories() == (TEA, POTS)
    save_categories([POTS, TEA])
    assert categories.categories() == (POTS, TEA)


def test_saving_the_same_categories_writes_nothing() -> None:
    save_categories([TEA, POTS])
    with counted_calls() as calls:
        assert save_categories([TEA, POTS]) == (TEA, POTS)
    assert calls == {"Query": 1}


def test_the_shops_others_follow_those_that_are_given() -> None:
    save_categories([TEA, POTS])
    assert save_categories([POTS]) == (POTS, TEA)
    assert name_categories({"new": "New", "tea": "Leaves"}) == (
        POTS,
        Category("tea", "Leaves", TEA.text),
        Category("new", "New", ""),
    )


def test_a_category_that_shows_products_is_not_removed() -> None:
    fill(product("sencha", hidden=True))
    with pytest.raises(Conflict, match="“Tea & herbs” still has products"):
        remove_category("tea")
    assert categories.categories() == (TEA, POTS)
    save_product(product("sencha", category="pots"))
    remove_category("tea")
    assert categories.categories() == (POTS,)
    with pytest.raises(NotFound):
        categories.get_category("tea")
    remove_category("tea")


def test_a_category_that_a_product_comes_to_meanwhile_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    ask = Listing.query
    coming = [product("sencha")]

    def meanwhile(group: str, *arguments: Any, **options: Any) -> Any:
        found = list(ask(group, *arguments, **options))
        if group == "@tea#newest" and coming:
            save_product(coming.pop())
        return iter(found)

    monkeypatch.setattr(Listing, "query", meanwhile)
    with pytest.raises(Conflict, match="still has products"):
        remove_category("tea")
    assert not coming
    assert categories.read_categories() == (TEA, POTS)


def test_a_product_does_not_come_to_a_category_that_is_gone_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill()
    read = categories.read_categories

    def then_removed() -> Any:
        found = read()
        remove_category("pots")
        return found

    monkeypatch.setattr(categories, "read_categories", then_removed)
    with pytest.raises(BadInput, match="There is no category “pots”"):
        save_product(product("mug", category="pots"))
    assert [row.position for row in Listing.query("pots#newest")] == []


def test_bad_categories_are_refused() -> None:
    for drafts in ([Category("a b", "A", "")], [TEA, TEA], [Category(f"c-{n}", "C", "") for n in range(51)]):
        with pytest.raises(BadInput):
            save_categories(drafts)
    assert list(Listing.scan()) == []


def test_as_many_categories_as_fit_are_all_changed_at_once() -> None:
    save_categories([Category(f"a-{n}", "A", "") for n in range(50)])
    changed = [Category(f"a-{n}", "B", "") for n in reversed(range(50))]
    assert save_categories(changed) == tuple(changed)
    with pytest.raises(BadInput, match="up to 50 categories"):
        create_category("one-more", "One more", "")


# -- renaming ---------------------------------------------------------------------------------------------


def rename(key: str, slug: str, name: str | None = None) -> None:
    """Give a category another address, and perhaps another name."""
    now = next(each for each in categories.read_categories() if each.key == key)
    change_category(replace(now, slug=slug, name=name or now.name), fingerprint_of(now))


def test_renaming_is_one_write_however_many_products_there_are(shopper: Shopper) -> None:
    fill(*numbered(3))
    shown = categories.read_categories()[0]
    with counted_calls() as calls:
        change_category(replace(shown, slug="leaves", name="Leaves"), fingerprint_of(shown))
    assert calls == {"Query": 1, "TransactWriteItems": 1}
    cache.clear()
    listed = shopper.get("/categories/leaves")
    assert "Tea 002" in listed.text
    page = shopper.get("/products/tea-001").body
    assert (
        page.count("/categories/leaves") == 3
    )  # the shop's head, the way here, and what search engines read
    assert "/categories/tea" not in page
    assert "/categories/leaves<" in shopper.get("/sitemap.xml").body
    assert [each.status for each in (shopper.get("/search?q=leaves"), shopper.get("/"))] == [200, 200]


def test_the_old_address_leads_on_forever(shopper: Shopper) -> None:
    fill(*numbered(30))
    after = shopper.get("/categories/tea?sort=price").body.partition("after=")[2].partition('"')[0]
    rename("tea", "leaves")
    rename("tea", "herbs")
    for former in ("tea", "leaves"):
        answer = shopper.get(f"/categories/{former}?sort=price&after={after}")
        assert (answer.status, answer.location) == (301, f"/categories/herbs?sort=price&after={after}")
        assert answer.headers["cache-control"] == "public, max-age=10"
    assert "Tea 029" in shopper.get(answer.location).text
    rename("tea", "tea")
    assert shopper.get("/categories/tea").status == 200
    assert shopper.get("/categories/herbs").location == "/categories/tea"


def test_two_categories_exchange_their_addresses(shopper: Shopper) -> None:
    fill(product("sencha"), product("mug", category="pots"))
    rename("tea", "between")
    rename("pots", "tea")
    rename("tea", "pots")
    assert "Sencha" in shopper.get("/categories/pots").text
    assert "Mug" in shopper.get("/categories/tea").text
    assert shopper.get("/categories/between").location == "/categories/pots"


def test_an_old_address_goes_to_the_new_category_that_takes_it(shopper: Shopper) -> None:
    fill(product("sencha"))
    rename("tea", "leaves")
    new = create_category("tea", "Tea for two", "")
    assert (new.slug, new.key) == ("tea", "tea-2")
    save_product(product("cup", category=new.key))
    assert "Sencha" not in shopper.get("/categories/tea").text
    assert "Cup" in shopper.get("/categories/tea").text
    assert "Sencha" in shopper.get("/categories/leaves").text
    assert [each.key for each in categories.read_categories()] == ["tea", "pots", "tea-2"]


def test_a_products_way_home_and_its_search_words_are_those_of_today(shopper: Shopper) -> None:
    fill(product("sencha"), product("mug", category="pots"), product("pot-of-tea", category="pots"))
    rename("tea", "infusions", "Infusions")
    cache.clear()
    assert [card.slug for card in search("infus").products] == ["sencha"]
    assert [card.slug for card in search("infus hill").products] == ["sencha"]
    assert [card.slug for card in search("tea").products] == ["pot-of-tea"]
    assert [card.slug for card in search("pots").products] == ["mug", "pot-of-tea"]
    view = product_details.product_view("sencha")
    assert (view.category_slug, view.category_name) == ("infusions", "Infusions")


def test_an_address_that_is_taken_is_refused() -> None:
    fill()
    with pytest.raises(BadInput, match="The category “Pots” already has this URL"):
        rename("tea", "pots")
    with pytest.raises(BadInput, match="The category “Pots” already has this URL"):
        create_category("pots", "More pots", "")
    assert categories.read_categories() == (TEA, POTS)


def test_two_who_change_a_category_do_not_overwrite_each_other() -> None:
    fill()
    change_category(replace(TEA, name="Leaves"), fingerprint_of(TEA))
    with pytest.raises(VersionConflict, match="Someone else has changed"):
        change_category(replace(TEA, text="Other words."), fingerprint_of(TEA))
    change_category(replace(TEA, name="Leaves"), fingerprint_of(TEA))  # pressed twice: it is so already
    assert categories.read_categories()[0].name == "Leaves"


def test_a_change_of_another_category_at_the_same_moment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    others = [POTS]
    commit = Transaction.commit

    def overtaken(transaction: Transaction) -> None:
        if others:
            other = others.pop()
            change_category(replace(other, name="Jars"), fingerprint_of(other))
        commit(transaction)

    monkeypatch.setattr(Transaction, "commit", overtaken)
    rename("tea", "leaves")
    assert [(each.slug, each.name) for each in categories.read_categories()] == [
        ("leaves", "Tea & herbs"),
        ("pots", "Jars"),
    ]


def test_a_lost_answer_makes_no_second_category() -> None:
    with answers_lost("TransactWriteItems", times=3):
        create_category("tea", "Tea", "")
        rename("tea", "leaves")
    assert categories.read_categories() == (Category("leaves", "Tea", "", "tea", ("tea",)),)


def test_categories_move_before_each_other() -> None:
    cups = Category("cups", "Cups", "")
    save_categories([TEA, POTS, cups])
    move_category("cups", "tea")
    move_category("cups", "tea")
    assert categories.categories() == (cups, TEA, POTS)
    move_category("cups", None)
    assert categories.categories() == (TEA, POTS, cups)
    with pytest.raises(NotFound):
        move_category("cups", "gone")


def test_each_change_is_witnessed_with_what_differs() -> None:
    seen: list[Any] = []

    def write_audit(_: Transaction, subject: str, before: Any, after: Any) -> None:
        seen.append((subject, before, after))

    create_category("tea", "Tea", "", write_audit)
    tea = categories.read_categories()[0]
    change_category(replace(tea, slug="leaves"), fingerprint_of(tea), write_audit)
    create_category("pots", "Pots", "", write_audit)
    move_category("pots", "tea", write_audit)
    remove_category("pots", write_audit)
    remove_category("pots", write_audit)
    assert [subject for subject, _, _ in seen] == [
        "category tea",
        "category tea",
        "category pots",
        "categories",
        "category pots",
    ]
    assert seen[1][1:] == (
        {"name": "Tea", "address": "tea", "text": ""},
        {"name": "Tea", "address": "leaves", "text": ""},
    )
    assert seen[3][1:] == ({"order": ["leaves", "pots"]}, {"order": ["pots", "leaves"]})
    assert seen[4][2] == {}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Grüner Tee & Kräuter", "gruner-tee-krauter"),
        ("Straße 7", "strasse-7"),
        ("緑茶", ""),
        ("a" * 39 + " b", "a" * 39),
        ("--", ""),
    ],
)
def test_a_name_proposes_an_address(name: str, slug: str) -> None:
    assert slug_of(name) == slug


# -- reading ----------------------------------------------------------------------------------------------


def test_they_are_read_once_in_some_seconds(wait: Callable[[float], None]) -> None:
    save_categories([TEA])
    with counted_calls() as calls:
        categories.categories()
        categories.categories_if_possible()
        assert calls == {"Query": 1}
        wait(10)
        categories.categories()
        assert calls == {"Query": 2}


def test_a_silent_table_leaves_the_last_known_ones(
    wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_categories([TEA])
    categories.categories()
    wait(11)
    monkeypatch.setattr(CategoryRow, "query", silence)
    assert categories.categories_if_possible() == (TEA,)
    categories.clear_category_cache()
    assert categories.categories_if_possible() == ()


def test_after_a_failure_nobody_waits_for_the_table_again_at_once(
    wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Mock(side_effect=QueryError("the table does not answer"))
    monkeypatch.setattr(CategoryRow, "query", asking)
    for _ in range(3):
        categories.categories_if_possible()
    assert asking.call_count == 1
    wait(11)
    categories.categories_if_possible()
    assert asking.call_count == 2


def test_a_silent_table_makes_a_busy_page_not_a_wrong_404(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in (CategoryRow, Listing):
        monkeypatch.setattr(table, "query", silence)
    for address in ("/", "/categories/tea", "/sitemap.xml"):
        assert shopper.get(address).status == 503, address
    assert shopper.get("/no/such/page").status == 404
