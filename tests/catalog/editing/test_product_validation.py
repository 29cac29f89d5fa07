"""The rules that every product keeps, whoever writes it."""

from typing import Any

import pytest

from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import validate_category
from chalicelib.catalog.editing.product_validation import validate_product
from chalicelib.catalog.offers import Picture
from tests.catalog.product_factory import options, product, variant


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "a b"}, "slug must have"),
        ({"slug": "ä"}, "slug must have"),
        ({"slug": "x" * 41}, "slug must have"),
        ({"name": ""}, "can’t be empty"),
        ({"name": "two\nlines"}, "single line"),
        ({"name": "x" * 121}, "maximum is 120"),
        ({"text": "x" * 10_001}, "maximum is 10,000"),
        ({"text": "a\x00b"}, "control characters"),
        ({"category": "a/b"}, "category’s slug"),
        ({"tax_class": "19"}, "choose a tax class"),
        ({"added": "2026-2-1"}, "not a date"),
        ({"added": "2026-02-30"}, "not a date"),
        ({"pictures": [Picture("https://elsewhere.example/x.svg", "x")]}, "isn’t the key"),
        ({"pictures": [Picture("pictures/0123456789abcdef.svg", "")]}, "can’t be empty"),
        ({"variants": []}, "1 to 36 variants, not 0"),
        ({"variants": [variant("x" * 65)]}, "SKU must have 1 to 64"),
        ({"variants": [variant("S", price=0)]}, "above zero"),
        ({"variants": [variant("S", price=-1)]}, "above zero"),
        ({"variants": [variant("S", price=500, sale_price=500)]}, "below the price"),
        ({"variants": [variant("S", sale_price=0)]}, "above zero"),
        ({"variants": [variant("S", stock=-1)]}, "from 0 to"),
        ({"variants": [variant("S"), variant("T")]}, "same options"),
        (
            {"variants": [variant("S", options={"A": "1"}), variant("S", options={"A": "2"})]},
            "SKU S is used twice",
        ),
        ({"variants": [variant("S", options={"A": "1"}), variant("T", options={"B": "1"})]}, "here: A"),
        ({"variants": [variant("S", options={"A": " 1"})]}, "begin or end with spaces"),
    ],
)
def test_errors_of_a_product_have_messages(changes: dict[str, Any], words: str) -> None:
    said = [problem.message for problem in validate_product(product("sencha", **changes))]
    assert len(said) == 1
    assert words in said[0]


def test_a_good_product_has_no_problem() -> None:
    two = [variant("S", options=options(Size="S")), variant("M", options=options(Size="M"), sale_price=1)]
    picture = Picture("pictures/0123456789abcdef.svg", "A tin")
    assert list(validate_product(product("sencha", *two, pictures=[picture], text="One.\n\nTwo."))) == []


def test_all_errors_are_reported_together_with_their_location() -> None:
    draft = product("sencha", variant("S", price=0, stock=-1), name="")
    assert [problem.path for problem in validate_product(draft)] == [
        ("name",),
        ("variants", 0, "price"),
        ("variants", 0, "stock"),
    ]


@pytest.mark.parametrize(
    "category",
    [
        Category("a/b", "Name", ""),
        Category("all", "Everything", ""),
        Category("tea", "", ""),
        Category("tea", "Tea", "\x07"),
    ],
)
def test_an_invalid_category_is_reported(category: Category) -> None:
    assert len(list(validate_category(category))) == 1
