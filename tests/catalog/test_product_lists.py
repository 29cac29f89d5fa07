"""The shop page and the category pages."""

import re
from collections.abc import Callable

import pytest

from chalicelib.catalog import categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.product_lists import PAGE, list_page
from chalicelib.errors import BadInput
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, numbered, options, product, sell, variant
from tests.client import Answer, Shopper


def shown(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return re.findall(r'href="/products/([^"]+)"', answer.body)


def next_link(answer: Answer) -> str | None:
    link = re.search(r'href="([^"]+)" rel="next"', answer.body)
    return link[1].replace("&amp;", "&") if link else None


def walk(shopper: Shopper, address: str | None) -> list[list[str]]:
    pages = []
    while address:
        answer = shopper.get(address)
        pages.append(shown(answer))
        address = next_link(answer)
    return pages


def test_every_product_is_shown_once_in_order_24_a_page(shopper: Shopper) -> None:
    fill(*numbered(50))
    upwards = [f"tea-{number:03d}" for number in range(50)]
    for query, wanted in (
        ("", upwards[::-1]),
        ("?sort=newest", upwards[::-1]),
        ("?sort=price", upwards),
        ("?sort=name", upwards),
    ):
        pages = walk(shopper, f"/categories/tea{query}")
        assert [len(page) for page in pages] == [24, 24, 2]
        assert [slug for page in pages for slug in page] == wanted


def test_a_list_that_fills_its_page_exactly_has_no_next_one(shopper: Shopper) -> None:
    fill(*numbered(PAGE))
    assert [len(page) for page in walk(shopper, "/")] == [24]


def test_products_added_on_one_day_are_all_shown(shopper: Shopper) -> None:
    fill(*(product(f"tea-{n}", added="2026-01-01") for n in range(30)))
    assert len({slug for page in walk(shopper, "/") for slug in page}) == 30


def test_names_are_sorted_as_people_read_them(shopper: Shopper) -> None:
    fill(
        product("a", name="Äpfel"),
        product("b", name="banana"),
        product("c", name="Apfelmus"),
        product("d", name="Zimt"),
    )
    assert shown(shopper.get("/?sort=name")) == ["a", "c", "b", "d"]


def test_prices_are_sorted_by_what_the_cheapest_variant_costs_today(shopper: Shopper) -> None:
    fill(
        product("middle", variant("M", price=500)),
        product("dear-on-sale", variant("D", price=9900, sale_price=100)),
        product(
            "two",
            variant("T-1", price=10000, options={"A": "1"}),
            variant("T-2", price=300, options={"A": "2"}),
        ),
    )
    assert shown(shopper.get("/?sort=price")) == ["dear-on-sale", "two", "middle"]


def test_a_category_shows_its_own_products_only(shopper: Shopper) -> None:
    fill(product("sencha"), product("teapot", category="pots"))
    assert shown(shopper.get("/categories/tea")) == ["sencha"]
    assert shown(shopper.get("/categories/pots")) == ["teapot"]
    assert set(shown(shopper.get("/"))) == {"sencha", "teapot"}


def test_a_card_says_price_sale_and_what_is_sold_out(aws: object) -> None:
    fill(
        product("plain", variant("P", price=500)),
        product("sale", variant("S", price=500, sale_price=400)),
        product(
            "from",
            variant("F-1", price=700, options=options(Size="M")),
            variant("F-2", price=900, options=options(Size="L")),
        ),
        product("gone", variant("G", stock=0)),
    )
    cards = {card.slug: card for card in list_page("all", "newest", None).products}
    assert (cards["plain"].price, cards["plain"].was, cards["plain"].varies) == (500, None, False)
    assert (cards["sale"].price, cards["sale"].was, cards["sale"].on_sale) == (400, 500, True)
    assert (cards["from"].price, cards["from"].varies, cards["from"].sold_out) == (700, True, False)
    assert cards["gone"].sold_out


def test_prices_and_stock_in_lists_are_live(shopper: Shopper, wait: Callable[[float], None]) -> None:
    fill(product("sencha", variant("S", stock=1)))
    assert "Sold out" not in shopper.get("/").text
    sell("S", 1)
    wait(10)
    assert "Sold out" in shopper.get("/").text


def test_a_cold_list_costs_one_query_and_one_batch(shopper: Shopper) -> None:
    fill(*numbered(30))
    categories.categories()
    with counted_calls() as calls:
        shopper.get("/")
    assert calls == {"Query": 1, "BatchGetItem": 1}


def test_a_page_behind_a_product_that_went_away_goes_on_where_it_was(
    shopper: Shopper, wait: Callable[[float], None]
) -> None:
    drafts = numbered(30)
    fill(*drafts)
    link = next_link(shopper.get("/"))
    assert link
    before = shown(shopper.get(link))
    save_product(product(drafts[6].slug, drafts[6].variants[0], hidden=True))
    wait(10)
    assert shown(shopper.get(link)) == before


def test_an_empty_shop_is_a_kind_page(shopper: Shopper) -> None:
    assert "There are no products here" in shopper.get("/").text


def test_a_next_page_of_another_order_is_a_400(shopper: Shopper) -> None:
    fill(*numbered(30))
    link = next_link(shopper.get("/?sort=price"))
    assert link
    assert shopper.get(link).status == 200
    assert shopper.get(link.replace("sort=price", "sort=name")).status == 400
    with pytest.raises(BadInput):
        list_page("tea", "price", link.partition("after=")[2])


def test_unknown_parameters_change_nothing(shopper: Shopper) -> None:
    fill(product("sencha"))
    plain = shopper.get("/")
    with counted_calls() as calls:
        assert shopper.get("/?utm_source=mail&x=%00&page=7").body == plain.body
    assert calls.total() == 0
