"""Finding products by the beginnings of their words."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.catalog import search as module
from chalicelib.catalog.categories import Category, categories
from chalicelib.catalog.editing.category_editing import save_categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.models import Product
from chalicelib.catalog.offers import Picture
from chalicelib.catalog.search import search, tokenize
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, options, product, sell, variant
from tests.client import Shopper


def slugs(question: str) -> list[str]:
    return [card.slug for card in search(question).products]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Grüner Tee", ["gruner", "tee"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("ﬁne ﬀ Ⅳ ½", ["fine", "ff", "iv", "1", "2"]),
        ("Łódź Smørrebrød İzmir", ["lodz", "smorrebrod", "izmir"]),
        ("Чай зелёный", ["чаи", "зеленыи"]),
        ("緑茶 50g", ["緑茶", "50g"]),
        ("TEA-50_a.b#c/d\\e\x00f", ["tea", "50", "a", "b", "c", "d", "e", "f"]),
        ("a" * 50, ["a" * 40]),
        (" \n… — !? 🍵", []),
    ],
)
def test_words_have_no_case_no_accents_and_no_signs(text: str, wanted: list[str]) -> None:
    assert list(tokenize(text)) == wanted


@given(st.text())
def test_words_are_the_same_however_often_they_are_taken_apart(text: str) -> None:
    found = list(tokenize(text))
    assert list(tokenize(" ".join(found))) == found
    assert all(0 < len(word) <= 40 for word in found)


@pytest.mark.parametrize(
    "question",
    [
        "sencha",
        "SEN",
        "grüner",
        "gru",
        "grassy",
        "herb",
        "weight",
        "100",
        "tin-7",
        "Sencha 100 tea",
        "sencha s",
    ],
)
def test_a_product_is_found_by_all_its_words(aws: object, question: str) -> None:
    fill(
        product(
            "sencha",
            variant("TIN-7", options=options(Weight="100 g")),
            name="Sencha, grüner Tee",
            text="Bright and grassy.",
        ),
        product("mug", text="Glazed.", category="pots"),
    )
    assert slugs(question) == ["sencha"]


def test_every_word_must_begin_a_word_of_the_product(aws: object) -> None:
    fill(product("green-tea"), product("green-pot", category="pots"), product("black-tea"))
    assert slugs("green tea") == ["green-tea"]
    assert slugs("gree pot") == ["green-pot"]
    assert slugs("een") == []
    assert slugs("green nothing") == []


def test_names_come_first_then_whole_words_then_the_alphabet(aws: object) -> None:
    fill(
        product("a-box", text="Minted in brass.", category="pots"),
        product("b-cup", text="Good for mint tea.", category="pots"),
        product("mint-b", name="Zitronen mint"),
        product("mint-a", name="Apple mint"),
    )
    assert slugs("mint") == ["mint-a", "mint-b", "b-cup", "a-box"]


def test_cards_say_what_products_cost_today(aws: object) -> None:
    fill(
        product(
            "sencha",
            variant("S", price=500, sale_price=400, stock=1),
            pictures=[Picture("pictures/0123456789abcdef.svg", "Leaves")],
        )
    )
    sell("S", 1)
    card = search("sencha").products[0]
    assert (card.price, card.was, card.sold_out, card.picture, card.alt) == (
        400,
        500,
        True,
        "pictures/0123456789abcdef.svg",
        "Leaves",
    )


def test_a_hidden_product_is_not_found_even_by_a_stale_row(aws: object) -> None:
    fill(product("sencha"))
    stored = Product.get("sencha")
    save_product(product("sencha", hidden=True))
    module.add_words(stored, {"sencha": True}, {})
    assert slugs("sencha") == []


def test_hidden_products_take_no_place_among_a_shoppers_hits(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CANDIDATES", 3)
    fill(*(product(f"a-tea-{n}", hidden=True) for n in range(4)), *(product(f"z-tea-{n}") for n in range(3)))
    found = search("tea")
    assert [card.slug for card in found.products] == ["z-tea-0", "z-tea-1", "z-tea-2"]
    assert not found.has_more
    assert search("@tea") == found


def test_a_stale_row_finds_nothing(aws: object) -> None:
    fill(product("sencha"))
    stored = Product.get("sencha")
    module.add_words(stored, {"espresso": True}, {})
    module.add_words(Product("gone", version=1), {"espresso": True}, {})
    assert slugs("espresso") == []


def test_a_renamed_category_is_found_once_its_products_are_saved(aws: object) -> None:
    fill(product("sencha"))
    save_categories([Category("tea", "Infusions", "")])
    save_product(product("sencha"))
    assert slugs("infus") == ["sencha"]
    assert slugs("herbs") == []


def test_at_most_48_are_shown_and_it_is_said(shopper: Shopper) -> None:
    fill(*(product(f"tea-{number}") for number in range(50)))
    found = search("tea")
    assert (len(found.products), found.has_more) == (48, True)
    assert "Showing the 48 best matches" in shopper.get("/search?q=tea").text


def test_a_beginning_that_too_many_have_leaves_the_choice_to_the_other_words(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    fill(*(product(f"tea-{number}") for number in range(6)), product("tea-zebra"))
    assert slugs("tea zebra") == ["tea-zebra"]
    assert len(slugs("tea")) == 3


def test_several_words_cost_a_query_each_and_two_batches_while_one_of_them_names_no_category(
    aws: object,
) -> None:
    fill(product("green-tea"))
    categories()
    with counted_calls() as calls:
        assert slugs("green mountain") == []
        assert calls == {"Query": 2}
        assert slugs("green tea") == ["green-tea"]
    assert calls == {"Query": 4, "BatchGetItem": 2}


def test_a_word_that_too_many_categories_are_named_after_leaves_the_choice_to_the_others(aws: object) -> None:
    save_categories([Category(f"tea-{n}", f"Tea {n}", "") for n in range(5)])
    save_product(product("mug", category="tea-4", text="Glazed."))
    assert slugs("glazed tea") == ["mug"]


def test_the_page_shows_what_was_found(shopper: Shopper) -> None:
    fill(product("green-tea"))
    answer = shopper.get("/search?q=Gr%C3%BCn")
    assert answer.status == 200
    assert "No products match your search" in answer.text
    assert "Green tea" in shopper.get("/search?q=green").text


def test_white_space_makes_no_other_page(shopper: Shopper) -> None:
    fill(product("green-tea"))
    first = shopper.get("/search?q=green+tea")
    with counted_calls() as calls:
        assert shopper.get("/search?q=%20green%0A%20tea%20&x=1").body == first.body
    assert calls.total() == 0


def test_a_new_product_is_found_after_some_seconds(shopper: Shopper, wait: Callable[[float], None]) -> None:
    fill()
    assert "No products match" in shopper.get("/search?q=sencha").text
    save_product(product("sencha"))
    wait(10)
    assert "1 product found" in shopper.get("/search?q=sencha").text


@pytest.mark.parametrize("letters", ["tea", "Ä", "茶", "ж" * 39])
def test_one_letter_words_and_long_ones_are_indexed(aws: object, letters: str) -> None:
    fill(product("it", name=f"The {letters} of names"))
    assert slugs(f"names {letters}") == ["it"]
