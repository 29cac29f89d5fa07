"""A product's page, as people and as search engines read it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from chalicelib.catalog import categories, json_ld
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.editing.product_validation import MAX_VARIANTS
from chalicelib.catalog.offers import Picture
from chalicelib.catalog.product_details import product_view
from chalicelib.web.page_cache import cache
from chalicelib.web.urls import absolute_url
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, options, product, sell, variant
from tests.client import Shopper


def documents(body: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', body, re.S)
    parsed = [json.loads(text) for text in found]
    return {document["@type"]: document for document in parsed}


def test_the_page_offers_every_variant_and_says_what_is_left(shopper: Shopper) -> None:
    fill(
        product(
            "sencha",
            variant("S-50", options=options(Weight="50 g"), stock=0),
            variant("S-99", options=options(Weight="100 g"), price=900, stock=2),
            variant("S-500", options=options(Weight="500 g"), price=3900, sale_price=3500, stock=80),
        )
    )
    answer = shopper.get("/products/sencha")
    assert answer.status == 200
    for words in ("50 g", "Sold out", "Only 2 left", "In stock", "€35.00", "€39.00", "Tea & herbs"):
        assert words in answer.text
    assert re.search(r'value="S-50"[^>]*disabled', answer.body)
    assert re.search(r'value="S-99"[^>]*checked', answer.body)


def test_a_single_variant_needs_no_choice(shopper: Shopper) -> None:
    fill(product("sencha", variant("S", options=options(Weight="50 g"))))
    view = product_view("sencha")
    assert (view.variants[0].label, view.selected, view.in_stock) == ("", "S", True)
    assert shopper.get("/products/sencha").field("sku") == "S"


def test_a_sold_out_product_has_nothing_to_add(shopper: Shopper) -> None:
    fill(product("sencha", variant("S", stock=0)))
    answer = shopper.get("/products/sencha")
    assert "Add to cart" not in answer.text
    assert documents(answer.body)["Product"]["offers"]["availability"] == "https://schema.org/OutOfStock"


def test_stock_is_live(shopper: Shopper, wait: Callable[[float], None]) -> None:
    fill(product("sencha", variant("S", stock=9)))
    assert "In stock" in shopper.get("/products/sencha").text
    sell("S", 8)
    wait(10)
    assert "Only 1 left" in shopper.get("/products/sencha").text


def test_a_hidden_product_is_a_404(shopper: Shopper) -> None:
    fill(product("sencha", hidden=True))
    assert shopper.get("/products/sencha").status == 404


def test_a_cold_page_costs_one_get_and_one_batch(shopper: Shopper) -> None:
    fill(product("sencha"))
    categories.categories()
    with counted_calls() as calls:
        shopper.get("/products/sencha")
    assert calls == {"GetItem": 1, "BatchGetItem": 1}


def test_search_engines_read_one_offer(shopper: Shopper) -> None:
    fill(
        product(
            "sencha",
            variant("S", price=990, sale_price=790),
            pictures=[Picture("pictures/0123456789abcdef.svg", "Leaves")],
        )
    )
    described = documents(shopper.get("/products/sencha").body)["Product"]
    assert described["name"] == "Sencha"
    assert described["sku"] == "S"
    assert described["image"][0].endswith("/test-awning-media/pictures/0123456789abcdef.svg")
    assert described["offers"] == {
        "@type": "Offer",
        "sku": "S",
        "url": absolute_url("/products/sencha"),
        "price": "7.90",
        "priceCurrency": "EUR",
        "availability": "https://schema.org/InStock",
    }


def test_search_engines_read_a_group_with_every_variant_and_its_address(shopper: Shopper) -> None:
    fill(
        product(
            "sencha",
            variant("S-1", options=options(Size="M", Weight="50 g"), price=500),
            variant("S-2", options=options(Size="L", Weight="90 g"), price=700, stock=0),
        )
    )
    group = documents(shopper.get("/products/sencha").body)["ProductGroup"]
    assert (group["name"], group["productGroupID"]) == ("Sencha", "sencha")
    assert group["url"] == absolute_url("/products/sencha")
    assert group["variesBy"] == ["https://schema.org/size", "Weight"]
    first, second = group["hasVariant"]
    assert (first["@type"], first["sku"], first["name"], first["size"]) == (
        "Product",
        "S-1",
        "Sencha, M, 50 g",
        "M",
    )
    assert first["additionalProperty"] == [{"@type": "PropertyValue", "name": "Weight", "value": "50 g"}]
    assert first["url"] == first["offers"]["url"] == absolute_url("/products/sencha?sku=S-1")
    assert [(each["offers"]["price"], each["offers"]["availability"]) for each in (first, second)] == [
        ("5.00", "https://schema.org/InStock"),
        ("7.00", "https://schema.org/OutOfStock"),
    ]
    assert {each["offers"]["priceCurrency"] for each in (first, second)} == {"EUR"}


def test_a_sku_in_the_address_chooses_the_variant(shopper: Shopper) -> None:
    fill(
        product(
            "sencha",
            variant("S-1", options=options(Size="M"), price=500),
            variant("S-2", options=options(Size="L"), price=700, sale_price=650),
            variant("S-3", options=options(Size="XL"), price=900, stock=0),
        )
    )
    plain, large = shopper.get("/products/sencha"), shopper.get("/products/sencha?sku=S-2")
    assert "from €5.00" in plain.text
    assert re.search(r'value="S-1"[^>]*checked', plain.body)
    assert re.search(r'value="S-2"[^>]*checked', large.body)
    assert large.body.count(" checked") == 1
    head = re.search(r'class="product-price">(.*?)</p>', large.body, re.DOTALL)
    assert head
    assert "€6.50" in head[1]
    assert '<meta property="product:price:amount" content="6.50">' in large.body
    gone = shopper.get("/products/sencha?sku=S-3")
    assert (" checked" in gone.body, "XL is currently sold out" in gone.text, "Add to cart" in gone.text) == (
        False,
        True,
        True,
    )


def test_a_sku_that_the_product_does_not_have_chooses_nothing_and_costs_nothing(shopper: Shopper) -> None:
    fill(
        product(
            "sencha", variant("S-1", options=options(Size="M")), variant("S-2", options=options(Size="L"))
        ),
        product("mug", variant("MUG")),
    )
    plain = shopper.get("/products/sencha").body
    shopper.get("/products/sencha?sku=S-2")
    size = len(cache._pages)
    with counted_calls() as calls:
        for sku in ("", "MUG", "s-2", "S-2 ", "'><b>", "%F0%9F%98%80", *(f"junk-{n}" for n in range(50))):
            answer = shopper.get(f"/products/sencha?sku={quote(sku)}")
            assert (answer.status, answer.body) == (200, plain), sku
        assert shopper.get("/products/sencha?sku=S-2").body != plain
    assert calls.total() == 0
    assert len(cache._pages) == size
    assert shopper.get("/products/no-such?sku=S-2").status == 404
    assert shopper.get("/products/sencha?sku=S-1&sku=S-2").status == 400


def test_search_engines_read_the_way_to_the_product(shopper: Shopper) -> None:
    fill(product("sencha"))
    trail = documents(shopper.get("/products/sencha").body)["BreadcrumbList"]["itemListElement"]
    assert [step["item"] for step in trail] == [
        absolute_url("/"),
        absolute_url("/categories/tea"),
        absolute_url("/products/sencha"),
    ]
    assert [step["position"] for step in trail] == [1, 2, 3]


def test_no_text_breaks_out_of_the_page_or_its_data(shopper: Shopper) -> None:
    evil = "</script><script>alert(1)</script><!-- & \" ' {{ 7*7 }}"
    fill(
        product(
            "sencha",
            variant("S", options={"<b>": evil[:60]}),
            name=evil,
            text=evil,
        )
    )
    body = shopper.get("/products/sencha").body
    assert "<script>alert" not in body
    assert "49" not in documents(body)["Product"]["name"]
    assert documents(body)["Product"]["name"] == evil


def test_line_separators_are_escaped_in_the_data(aws: object) -> None:
    fill(product("sencha"))
    view = product_view("sencha")
    object.__setattr__(view, "text", "a\u2028b\u2029c</script>")
    described, _ = json_ld.documents(view)
    assert not set("\u2028\u2029<>&") & set(described)
    assert json.loads(described)["description"] == "a\u2028b\u2029c</script>"


def test_the_page_stays_small(shopper: Shopper) -> None:
    many = [variant(f"S-{n}", options=options(Size=f"Number {n}")) for n in range(MAX_VARIANTS)]
    fill(product("sencha", *many, text="word " * 1500))
    assert len(shopper.get("/products/sencha").body.encode()) < 100_000


def test_a_changed_product_is_shown_after_some_seconds(
    shopper: Shopper, wait: Callable[[float], None]
) -> None:
    fill(product("sencha"))
    shopper.get("/products/sencha")
    save_product(product("sencha", name="Anew"))
    assert "Anew" not in shopper.get("/products/sencha").text
    wait(10)
    assert "Anew" in shopper.get("/products/sencha").text
