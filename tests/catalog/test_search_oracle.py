"""Searching against an oracle that looks at every product: what is found, in which order, and how much is read for it."""

import random
from collections.abc import Sequence

import pytest

from chalicelib.catalog import search as module
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import save_categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.editing.product_validation import ProductDraft
from chalicelib.catalog.models import Product
from chalicelib.catalog.search import search, tokenize
from tests.call_counter import counted_calls
from tests.catalog.product_factory import product, variant

WORDS = ("tea", "teapot", "te", "green", "grey", "gr", "cup", "cups", "42", "4")
CATEGORIES = (Category("drinks", "Green drinks", ""), Category("pots", "Pots, cups", ""))
QUESTIONS = ("te", "tea", "teap", "gr", "green", "grey", "cu", "cups", "42", "none", "po")
PAIRS = ("tea green", "gr cup", "te 4", "cups pots", "green pots", "tea none", "te gr cu", "drinks green")
SHOWN = 5


def some_products(count: int, chance: random.Random) -> list[ProductDraft]:
    """Draft products of few different words, some of them hidden."""
    return [
        product(
            f"p{number:02d}",
            variant(f"SKU-{number}"),
            name=" ".join(chance.sample(WORDS, chance.randint(1, 2))),
            text=" ".join(chance.sample(WORDS, chance.randint(0, 3))),
            category=chance.choice(CATEGORIES).key,
            hidden=chance.random() < 0.2,
        )
        for number in range(count)
    ]


def ranked(products: Sequence[ProductDraft], word: str) -> list[str]:
    """Look at every product, and rank those with a word that begins so as a search promises."""
    found = []
    for each in products:
        place, shelf = next((i, c) for i, c in enumerate(CATEGORIES) if c.key == each.category)
        in_name = [one for one in tokenize(each.name) if one.startswith(word)]
        in_text = [one for one in tokenize(f"{each.text} {each.variants[0].sku}") if one.startswith(word)]
        if in_name:
            found.append((0, 0, f"{min(in_name)}#{each.slug}", each.slug))
        elif any(one.startswith(word) for one in tokenize(shelf.name)):
            found.append((1, place, f"{each.name}#{each.slug}", each.slug))
        elif in_text:
            found.append((2, 0, f"{min(in_text)}#{each.slug}", each.slug))
    return [slug for *_, slug in sorted(found)]


@pytest.fixture
def products(aws: object, monkeypatch: pytest.MonkeyPatch) -> list[ProductDraft]:
    """Fill the shop, and read so little at once that every answer takes several reads; return what is visible."""
    for name, value in {"MAX_SHOWN": SHOWN, "CANDIDATES_PER_READ": 6, "ROWS_PER_READ": 4}.items():
        monkeypatch.setattr(module, name, value)
    drafts = some_products(40, random.Random("a shop"))
    save_categories(CATEGORIES)
    for draft in drafts:
        save_product(draft)
    return [draft for draft in drafts if not draft.hidden]


def test_one_word_is_answered_exactly(products: list[ProductDraft]) -> None:
    for word in QUESTIONS:
        found, wanted = search(word), ranked(products, word)
        assert [card.slug for card in found.products] == wanted[:SHOWN], word
        assert found.has_more == (len(wanted) > SHOWN), word


@pytest.mark.parametrize("most_rows", [500, 7])
def test_several_words_find_nothing_else_and_all_unless_it_is_said(
    products: list[ProductDraft], monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", most_rows)
    for question in PAIRS:
        found = search(question)
        wanted = set.intersection(*(set(ranked(products, word)) for word in question.split()))
        shown = {card.slug for card in found.products}
        assert shown <= wanted, question
        if not found.has_more:
            assert shown == wanted, question
        elif most_rows == 500:
            assert len(shown) == SHOWN < len(wanted), question


def test_a_frequent_word_takes_no_more_calls_in_a_larger_shop(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MAX_SHOWN": SHOWN, "CANDIDATES_PER_READ": 6, "ROWS_PER_READ": 8}.items():
        monkeypatch.setattr(module, name, value)
    save_categories(CATEGORIES)
    calls_by_size = []
    for first, last in ((0, 10), (10, 40)):
        for number in range(first, last):
            draft = product(f"p{number:02d}", name="Mug", text="For tea.", category="pots")
            save_product(draft)
        search("mug")
        with counted_calls() as calls:
            found = search("tea")
        assert (len(found.products), found.has_more) == (SHOWN, True)
        calls_by_size.append(calls)
    assert calls_by_size[0] == calls_by_size[1] == {"Query": 2, "BatchGetItem": 2}


def test_a_stale_row_takes_no_place_from_what_is_there(products: list[ProductDraft]) -> None:
    wanted = ranked(products, "tea")
    gone = wanted[0]
    changed = next(draft for draft in products if draft.slug == gone)
    stale = dict(module.words_of(Product.get(gone)))
    save_product(product(gone, variant(changed.variants[0].sku), name="Other", text="", category="pots"))
    module.add_words(Product.get(gone), stale, {})
    assert [card.slug for card in search("tea").products] == wanted[1 : SHOWN + 1]
