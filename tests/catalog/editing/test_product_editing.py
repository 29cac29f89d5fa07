"""What staff or a file say of a product, written whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.catalog import search
from chalicelib.catalog.editing.product_editing import SaveResult, save_product
from chalicelib.catalog.editing.product_validation import MAX_VARIANTS
from chalicelib.catalog.models import Listing, Product, SearchEntry
from chalicelib.catalog.offers import Picture, read_offers
from chalicelib.database.reads import get
from chalicelib.database.transactions import OutcomeUnknown, Transaction
from chalicelib.errors import BadInput, Conflict, ServiceUnavailable
from tests.call_counter import counted_calls
from tests.catalog.import_export.catalog_files import everything
from tests.catalog.product_factory import fill, options, product, sell, units, variant
from tests.fault_injection.aws_calls import Send, intercepted_tables

pytestmark = pytest.mark.usefixtures("aws")


def everywhere(slug: str) -> set[tuple[str, str]]:
    return {
        (row.group, row.position) for row in Listing.scan() if row.slug == slug and row.group != "categories"
    }


def places(slug: str) -> set[tuple[str, str]]:
    """List a product's rows that shoppers see."""
    return {place for place in everywhere(slug) if not place[0].startswith("@")}


def staffs_groups(slug: str) -> set[str]:
    return {group for group, _ in everywhere(slug) if group.startswith("@")}


def indexed(slug: str) -> set[str]:
    return {row.entry.partition("#")[0] for row in SearchEntry.scan() if row.slug == slug}


def test_a_new_product_is_in_the_lists_of_everything_and_of_its_category() -> None:
    fill(product("sencha", variant("S", price=990, sale_price=790), name="Sencha, fine"))
    assert places("sencha") == {
        ("all#newest", "2026-10-01#sencha"),
        ("all#price", "000000000790#sencha"),
        ("all#name", "sencha fine#sencha"),
        ("tea#newest", "2026-10-01#sencha"),
        ("tea#price", "000000000790#sencha"),
        ("tea#name", "sencha fine#sencha"),
    }


def test_saving_says_what_it_did() -> None:
    fill()
    assert save_product(product("sencha")) is SaveResult.ADDED
    assert save_product(product("sencha", name="Sencha extra")) is SaveResult.CHANGED
    assert save_product(product("sencha", name="Sencha extra")) is SaveResult.SAME


def test_writing_what_is_there_already_writes_nothing() -> None:
    draft = product(
        "sencha", variant("S", sale_price=300), pictures=[Picture("pictures/0123456789abcdef.svg", "Leaves")]
    )
    fill(draft)
    before = everything()
    with counted_calls() as calls:
        save_product(draft)
    assert set(calls) <= {"GetItem", "BatchGetItem", "Query"}
    assert everything() == before


def test_the_stock_of_a_known_sku_is_never_touched() -> None:
    fill(product("sencha", variant("S", stock=10)))
    sell("S", 7)
    save_product(product("sencha", variant("S", stock=10, price=600)))
    assert units("S") == 3
    offer = read_offers({"S": "sencha"})["S"]
    assert offer.price == 600


def test_a_sale_begins_and_ends() -> None:
    fill(product("sencha", variant("S", price=500, sale_price=400)))
    assert (read_offers({"S": "sencha"})["S"].price, read_offers({"S": "sencha"})["S"].was) == (400, 500)
    save_product(product("sencha", variant("S", price=500)))
    assert (read_offers({"S": "sencha"})["S"].price, read_offers({"S": "sencha"})["S"].was) == (500, None)
    assert ("all#price", "000000000500#sencha") in places("sencha")
    assert len(places("sencha")) == 6


def test_moving_to_another_category_leaves_no_row_behind() -> None:
    fill(product("sencha"))
    save_product(product("sencha", category="pots"))
    assert {group for group, _ in places("sencha")} == {
        f"{group}#{sort}" for group in ("all", "pots") for sort in ("newest", "price", "name")
    }


def groups(*names: str) -> set[str]:
    return {f"{name}#{sort}" for name in names for sort in ("newest", "price", "name")}


def test_a_hidden_product_is_in_staffs_lists_and_words_alone() -> None:
    fill(product("sencha"))
    assert staffs_groups("sencha") == groups("@all", "@tea")
    save_product(product("sencha", hidden=True))
    assert places("sencha") == set()
    assert staffs_groups("sencha") == groups("@all", "@tea", "@@hidden")
    assert "@sencha" in indexed("sencha")
    assert all(word.startswith("@") for word in indexed("sencha"))
    save_product(product("sencha"))
    assert len(places("sencha")) == 6
    assert staffs_groups("sencha") == groups("@all", "@tea")
    assert "sencha" in indexed("sencha")
    assert not any(word.startswith("@") for word in indexed("sencha"))


def test_the_audit_log_has_only_what_differs() -> None:
    fill(product("sencha", variant("S", price=500, stock=7)))
    seen: list[Any] = []

    def write_audit(_: Transaction, subject: str, before: Any, after: Any) -> None:
        seen.append((subject, before, after))

    save_product(product("sencha", variant("S", price=450), name="Sencha extra"), write_audit)
    save_product(product("sencha", variant("S", price=450), name="Sencha extra"), write_audit)
    save_product(product("bancha", variant("B", price=300, stock=7), text=""), write_audit)
    assert seen[0] == (
        "product sencha",
        {"name": "Sencha", "S price": "5.00"},
        {"name": "Sencha extra", "S price": "4.50"},
    )
    assert [subject for subject, _, _ in seen] == ["product sencha", "product bancha"]
    assert seen[1][1] == {}
    assert (seen[1][2]["B stock"], seen[1][2]["B price"]) == (7, "3.00")


def test_words_that_are_gone_leave_the_index() -> None:
    fill(product("sencha", text="Bright and grassy."))
    save_product(product("sencha", text="Bright and sweet."))
    assert "grassy" not in indexed("sencha")
    assert {"sweet", "bright", "sencha"} <= indexed("sencha")


def test_a_dropped_variant_keeps_its_units_but_is_not_sold() -> None:
    two = product(
        "sencha",
        variant("S-50", options=options(Weight="50 g")),
        variant("S-99", options=options(Weight="99 g")),
    )
    fill(two)
    save_product(replace(two, variants=two.variants[:1]))
    assert units("S-99") == 10
    assert not read_offers({"S-99": "sencha"})["S-99"].sellable
    save_product(two)
    assert read_offers({"S-99": "sencha"})["S-99"].sellable


def test_a_sku_that_is_another_products_is_refused_and_nothing_is_written() -> None:
    fill(product("sencha", variant("S")))
    before = everything()
    with pytest.raises(Conflict, match="is used by the product “sencha”"):
        save_product(product("bancha", variant("S")))
    assert everything() == before


def test_a_sku_that_was_dropped_may_become_another_products() -> None:
    fill(product("sencha", variant("S", stock=4)))
    save_product(product("sencha", variant("S-NEW")))
    save_product(product("bancha", variant("S", stock=99, price=700)))
    offer = read_offers({"S": "bancha"})["S"]
    assert (offer.sellable, offer.available, offer.price) == (True, 4, 700)


@contextmanager
def written() -> Iterator[list[int]]:
    """List how many writes each transaction meanwhile has."""
    sizes: list[int] = []

    def counted(operation: str, arguments: dict[str, Any], send: Send) -> Any:
        if operation == "TransactWriteItems":
            sizes.append(len(arguments["TransactItems"]))
        return send(arguments)

    with intercepted_tables(counted):
        yield sizes


def test_the_most_variants_fit_into_one_transaction_even_when_all_change() -> None:
    def write_audit(transaction: Transaction, subject: str, _: Any, after: Any) -> None:
        transaction.put("audit", SearchEntry("audit", subject, slug="x"))

    def many(letter: str) -> list[Any]:
        return [variant(f"{letter}-{n}", options=options(Size=f"{letter}{n}")) for n in range(MAX_VARIANTS)]

    fill(product("sencha", *many("A")))
    dearer = [replace(each, price=600) for each in many("B")]
    draft = product("sencha", *dearer, category="pots", added="2026-10-02", name="Anew")
    with written() as sizes:
        save_product(draft, write_audit)
    assert sizes[0] == 99  # the rest is the index of words, in transactions of its own
    assert read_offers({"B-35": "sencha"})["B-35"].sellable
    with pytest.raises(BadInput, match="1 to 36 variants, not 37"):
        save_product(product("sencha", *many("B"), variant("C", options=options(Size="C"))))


def test_the_date_added_is_kept_where_none_is_given() -> None:
    fill(product("sencha", added="2024-02-29"))
    assert save_product(product("sencha", added=None)) is SaveResult.SAME
    save_product(product("bancha", added=None))
    assert ("all#newest", "2024-02-29#sencha") in places("sencha")
    assert len(places("bancha")) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"variants": []}, "1 to 36 variants, not 0"), ({"category": "no-such"}, "no category “no-such”")],
)
def test_a_bad_product_is_refused_in_words_and_nothing_is_written(
    changes: dict[str, Any], words: str
) -> None:
    fill()
    before = everything()
    with pytest.raises(BadInput, match=words):
        save_product(product("sencha", **changes))
    assert everything() == before


def test_two_who_save_at_once_both_end_whole() -> None:
    fill(product("sencha", text="start"))
    drafts = [
        product("sencha", variant("S"), text=f"version {letter * 4}", name=f"Name {letter}")
        for letter in "abcd"
    ]
    threads = [threading.Thread(target=save_product, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stored = get(Product, "sencha")
    assert stored is not None
    assert stored.version == 5
    assert everywhere("sencha") == {(group, position) for group, position in stored.listing_keys}
    assert set(stored.search_terms) <= indexed("sencha")


def test_a_word_that_a_later_change_wrote_again_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first saver removes its old words after the second has brought one of them back."""
    fill(product("sencha", text="grassy"))
    remove_words = search.remove_words

    def late(stored: Product, gone: Any) -> None:
        monkeypatch.setattr(search, "remove_words", remove_words)
        save_product(product("sencha", text="grassy again"))
        remove_words(stored, gone)

    monkeypatch.setattr(search, "remove_words", late)
    save_product(product("sencha", text="sweet"))
    assert {"grassy", "again"} <= indexed("sencha")


def test_a_write_that_fails_leaves_the_product_as_it_was_and_findable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(product("sencha", text="grassy"))

    def fail(_: Transaction) -> None:
        raise ServiceUnavailable("no")

    monkeypatch.setattr(Transaction, "commit", fail)
    with pytest.raises(ServiceUnavailable):
        save_product(product("sencha", text="sweet"))
    assert [card.slug for card in search.search("grassy").products] == ["sencha"]
    assert search.search("sweet").products == []


def test_an_answer_that_is_lost_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(product("sencha"))
    commit = Transaction.commit

    def commit_and_lose_the_answer(transaction: Transaction) -> None:
        commit(transaction)
        monkeypatch.setattr(Transaction, "commit", commit)
        raise OutcomeUnknown("timeout")

    monkeypatch.setattr(Transaction, "commit", commit_and_lose_the_answer)
    assert save_product(product("sencha", name="Changed")) is SaveResult.SAME
    stored = get(Product, "sencha")
    assert stored is not None
    assert (stored.name, stored.version) == ("Changed", 2)
