"""What staff see of the catalog: hidden products too, filtered, sorted, in pages, for a bounded price."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.catalog import admin_products
from chalicelib.catalog.admin_products import ProductFilter, get_products, list_products
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.models import Listing, Product, SearchEntry, Stock, stock_shard_of
from chalicelib.catalog.stock_levels import low_stock
from chalicelib.database.connection import shared_connection, table_name
from chalicelib.errors import BadInput
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, numbered, options, product, sell, variant
from tests.cloud import Cloud


def slugs(filters: ProductFilter | None = None, **changes: Any) -> list[str]:
    """Walk through all pages."""
    filters = replace(filters or ProductFilter(), **changes)
    found: list[str] = []
    after = None
    while True:
        page = list_products(filters, after)
        found += [product.slug for product in page.products]
        after = page.next_after
        if after is None:
            return found


@pytest.fixture
def mixed(aws: object) -> None:
    """A visible and a hidden product in each category, one of each sold out."""
    fill(
        product("green-tea", variant("G", price=900, stock=0), added="2026-10-03"),
        product("black-tea", variant("B", price=700), hidden=True, added="2026-10-04"),
        product("pot", variant("P", price=3000), category="pots", added="2026-10-01"),
        product(
            "old-pot", variant("O", price=100, stock=0), category="pots", hidden=True, added="2026-10-02"
        ),
    )


FILTERED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["black-tea", "green-tea", "old-pot", "pot"]),
    ({"sort": "newest"}, ["black-tea", "green-tea", "old-pot", "pot"]),
    ({"sort": "price"}, ["old-pot", "black-tea", "green-tea", "pot"]),
    ({"hidden": True}, ["black-tea", "old-pot"]),
    ({"hidden": False}, ["green-tea", "pot"]),
    ({"category": "pots"}, ["old-pot", "pot"]),
    ({"category": "pots", "hidden": True}, ["old-pot"]),
    ({"category": "pots", "hidden": False}, ["pot"]),
    ({"most_left": 0}, ["green-tea", "old-pot"]),
    ({"most_left": 0, "hidden": False}, ["green-tea"]),
    ({"most_left": 0, "category": "pots"}, ["old-pot"]),
    ({"most_left": 0, "category": "pots", "hidden": False}, []),
    ({"most_left": 10, "hidden": True}, ["black-tea", "old-pot"]),
    ({"words": "pot"}, ["old-pot", "pot"]),
    ({"words": "pot", "hidden": False}, ["pot"]),
    ({"words": "hill", "category": "tea", "sort": "newest"}, ["black-tea", "green-tea"]),
    ({"words": "hill", "most_left": 0, "sort": "price"}, ["old-pot", "green-tea"]),
    ({"words": "nothing"}, []),
]


@pytest.mark.usefixtures("mixed")
def test_filters_and_orders_combine(monkeypatch: pytest.MonkeyPatch) -> None:
    # With 0, as where so much is sold out that it is looked for in the lists instead.
    for most_known in (300, 0):
        monkeypatch.setattr(admin_products, "MAX_SKUS_READ_AT_ONCE", most_known)
        for asked, wanted in FILTERED:
            assert slugs(**asked) == wanted, asked


@pytest.mark.usefixtures("mixed")
def test_hiding_showing_and_selling_change_the_lists_at_once() -> None:
    save_product(product("pot", variant("P", price=3000), category="pots", hidden=True))
    sell("P", 10)
    assert slugs(hidden=True, most_left=0) == ["old-pot", "pot"]


@pytest.mark.slow
def test_every_product_is_there_once_25_a_page_in_every_order(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [replace(draft, hidden=n % 3 == 0) for n, draft in enumerate(numbered(60))]
    fill(*drafts)
    wanted = [draft.slug for draft in drafts]
    page = list_products(ProductFilter())
    assert (len(page.products), page.note) == (25, None)
    for most_known in (300, 0):
        monkeypatch.setattr(admin_products, "MAX_SKUS_READ_AT_ONCE", most_known)
        assert slugs(sort="name") == wanted
        assert slugs(sort="price") == wanted
        assert slugs(sort="newest") == wanted[::-1]
        assert slugs(sort="newest", most_left=10) == wanted[::-1]
        assert slugs(words="tea", hidden=False) == [each for n, each in enumerate(wanted) if n % 3]
        assert slugs(hidden=True) == wanted[::3]


def test_what_is_looked_for_in_a_long_list_is_found_and_the_looking_is_said(
    aws: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_products, "MAX_ROWS_READ", 10)
    monkeypatch.setattr(admin_products, "MAX_SKUS_READ_AT_ONCE", 0)
    drafts = numbered(30)
    drafts[17] = replace(drafts[17], variants=[replace(drafts[17].variants[0], stock=0)])
    fill(*drafts)
    first = list_products(ProductFilter(most_left=0))
    assert (first.products, first.note) == (
        [],
        "10 products were searched for this page. The next page continues the search.",
    )
    assert slugs(most_left=0) == ["tea-017"]


def test_more_hits_than_are_looked_at_are_said(aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalog.search.MAX_CANDIDATES", 5)
    fill(*numbered(8))
    page = list_products(ProductFilter(words="tea"))
    assert len(page.products) == 5
    assert page.note is not None
    assert page.note.startswith("Only the best matches are shown; there may be more.")
    assert list_products(ProductFilter(words="a b c")).note == "Please enter at least two letters of a word."


def test_products_are_read_as_stored_now(aws: object) -> None:
    two = [variant(f"V-{n}", price=500, sale_price=400, options=options(Size=f"{n} g")) for n in (1, 2)]
    fill(product("sencha", *two, hidden=True))
    sell("V-2", 3)
    goods = get_products(["sencha", "no-such", "no slug!"])["sencha"]
    assert (goods.name, goods.category, goods.hidden, goods.least) == ("Sencha", "tea", True, 7)
    assert [(each.sku, each.label, each.price, each.sale_price) for each in goods.variants] == [
        ("V-1", "1 g", 500, 400),
        ("V-2", "2 g", 500, 400),
    ]


def test_a_token_of_another_list_and_an_unknown_order_are_refused(aws: object) -> None:
    fill(*numbered(30))
    token = list_products(ProductFilter()).next_after
    assert list_products(ProductFilter(), token).products
    for filters in (
        ProductFilter(hidden=True),
        ProductFilter(sort="newest"),
        ProductFilter(words="tea"),
        ProductFilter(category="tea"),
    ):
        with pytest.raises(BadInput):
            list_products(filters, token)
    with pytest.raises(BadInput):
        list_products(ProductFilter(sort="colour"))


def test_low_stock_is_listed_lowest_first_without_hidden_and_dropped_variants(aws: object) -> None:
    two = [variant(f"V-{n}", stock=n, options=options(Size=f"{n} g")) for n in (1, 2)]
    fill(
        product("sencha", *two),
        product("bancha", variant("B", stock=3)),
        product("full", variant("F", stock=4)),
        product("hidden", variant("H", stock=0), hidden=True),
    )
    save_product(product("sencha", replace(two[1], options={})))
    low, more = low_stock(3)
    assert [(each.sku, each.slug, each.name, each.available) for each in low] == [
        ("V-2", "sencha", "Sencha", 2),
        ("B", "bancha", "Bancha", 3),
    ]
    assert not more
    sell("F", 4)
    assert [each.sku for each in low_stock(3, limit=1)[0]] == ["F"]
    assert low_stock(3, limit=1)[1]


def test_hidden_products_that_are_sold_out_do_not_keep_what_runs_low_off_the_list(aws: object) -> None:
    gone = [product(f"gone-{n}", variant(f"GONE-{n}", stock=0), hidden=True) for n in range(7)]
    fill(*gone, *(product(f"low-{n}", variant(f"LOW-{n}", stock=n)) for n in (1, 2, 3)))

    low, more = low_stock(3, limit=2)

    assert [each.sku for each in low] == ["LOW-1", "LOW-2"]
    assert more
    low, more = low_stock(3, limit=3)
    assert [each.sku for each in low] == ["LOW-1", "LOW-2", "LOW-3"]
    assert not more


ASKED: list[dict[str, Any]] = [
    {},
    {"sort": "newest"},
    {"sort": "price"},
    {"hidden": True},
    {"hidden": False},
    {"category": "tea"},
    {"category": "pots", "hidden": True},
    {"most_left": 0},
    {"most_left": 0, "category": "tea", "hidden": False},
    {"words": "tea"},
    {"words": "tea", "most_left": 0, "hidden": True},
]


def cost(**asked: Any) -> dict[str, int]:
    with counted_calls() as calls:
        list_products(ProductFilter(**asked))
    return calls


def rows_of(slug: str) -> dict[str, list[str]]:
    """Read what saving one product wrote, table → rows as JSON: of the lists and words only what is asked below."""
    kept: dict[str, list[Any]] = {
        "products": [row for row in Product.scan() if row.slug == slug],
        "stock": [row for row in Stock.scan() if row.slug == slug],
        "product-listings": [
            row for row in Listing.scan() if row.slug == slug and row.group.endswith("#name")
        ],
        "product-search": [
            row for row in SearchEntry.scan() if row.slug == slug and row.entry.strip("@")[:4] == "tea#"
        ],
    }
    return {table: [json.dumps(row.serialize()) for row in rows] for table, rows in kept.items()}


def shelve(count: int) -> None:
    """Put copies of one product on the shelf: every second hidden, every third sold out."""
    fill()
    save_product(product("p-00000", variant("SKU-00000", stock=5), name="Tea 00000"))
    visible = rows_of("p-00000")
    save_product(product("p-00000", variant("SKU-00000", stock=5), name="Tea 00000", hidden=True))
    hidden = rows_of("p-00000")
    for table in visible:
        requests = []
        for n in range(count):
            for text in (hidden if n % 2 else visible)[table]:
                item = json.loads(text.replace("00000", f"{n:05d}"))
                if table == "stock":
                    item["stock_shard"] = {"S": stock_shard_of(f"SKU-{n:05d}")}
                    item["available"] = {"N": "0" if n % 3 == 0 else "5"}
                requests.append({"PutRequest": {"Item": item}})
        for start in range(0, len(requests), 25):
            batch = {"RequestItems": {table_name(table): requests[start : start + 25]}}
            shared_connection()._make_api_call("BatchWriteItem", batch)


@pytest.fixture(scope="module")
def large(cloud: Cloud) -> None:
    """A shop of 10,000 products."""
    cloud.renew()
    shelve(10_000)


MAX_CALLS = {"Query": 16, "BatchGetItem": 12}


def test_ten_products_cost_few_calls(aws: object) -> None:
    fill(*numbered(10))
    for asked in ASKED:
        calls = cost(**asked)
        assert set(calls) <= MAX_CALLS.keys()
        assert sum(calls.values()) <= 13, (asked, calls)


@pytest.mark.slow
@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("asked", [each for each in ASKED if "sort" not in each])
def test_ten_thousand_products_cost_few_calls_too(asked: dict[str, Any]) -> None:
    calls = cost(**asked)
    assert all(calls[kind] <= MAX_CALLS[kind] for kind in calls), calls


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_low_stock_of_a_large_shop_costs_one_query_per_shard_and_at_most_two_batches() -> None:
    with counted_calls() as calls:
        low, more = low_stock(3)
    # Every second product is hidden: one batch of the lowest may hold too few of the others, two hold enough.
    assert calls["Query"] == 8
    assert calls["BatchGetItem"] <= 2
    assert (len(low), more) == (50, True)
