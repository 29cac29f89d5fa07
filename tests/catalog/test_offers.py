"""What cart and checkout are told of SKUs."""

import pytest

from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import Offer, Picture, read_offers
from chalicelib.database.connection import shared_connection
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, options, product, sell, variant

pytestmark = pytest.mark.usefixtures("aws")


def test_an_offer_says_all_that_buying_needs() -> None:
    fill(
        product(
            "sencha",
            variant("S-50", options=options(Weight="50 g", Tin="Green"), price=990, sale_price=790, stock=3),
            name="Sencha",
            pictures=[
                Picture("pictures/0123456789abcdef.svg", "Leaves"),
                Picture("pictures/1123456789abcdef.svg", "Tin"),
            ],
        )
    )
    assert read_offers({"S-50": "sencha"}) == {
        "S-50": Offer(
            sku="S-50",
            slug="sencha",
            name="Sencha",
            label="50 g, Green",
            options={"Weight": "50 g", "Tin": "Green"},
            picture_key="pictures/0123456789abcdef.svg",
            alt="Leaves",
            price=790,
            was=990,
            available=3,
            tax_class="food",
            sellable=True,
        )
    }


@pytest.mark.parametrize(
    ("rate", "tax_class"), [("19", "standard"), ("7", "reduced"), ("0", "zero"), ("8.1", "standard")]
)
def test_a_product_from_before_there_were_tax_classes_reads_as_the_class_of_its_rate(
    rate: str, tax_class: str
) -> None:
    fill(product("sencha", variant("S-50")))
    row = Product.get("sencha").serialize()
    del row["tax_class"]
    table = {"TableName": Product.Meta.table_name, "Item": {**row, "tax_rate": {"S": rate}}}
    shared_connection()._make_api_call("PutItem", table)
    assert read_offers({"S-50": "sencha"})["S-50"].tax_class == tax_class
    assert Product.get("sencha").tax_class == tax_class


def test_fifty_lines_are_read_in_one_round() -> None:
    fill(product("sencha"), product("bancha"))
    lines = {f"NO-{number}": f"no-{number}" for number in range(48)}
    with counted_calls() as calls:
        offers = read_offers({**lines, "SENCHA": "sencha", "BANCHA": "bancha"})
    assert calls == {"BatchGetItem": 1}
    assert set(offers) == {"SENCHA", "BANCHA"}


def test_sold_out_is_offered_with_nothing_available() -> None:
    fill(product("sencha", variant("S", stock=2)))
    sell("S", 2)
    offer = read_offers({"S": "sencha"})["S"]
    assert (offer.available, offer.sellable) == (0, True)


def test_a_hidden_product_is_not_sellable() -> None:
    fill(product("sencha"))
    save_product(product("sencha", hidden=True))
    offer = read_offers({"SENCHA": "sencha"})["SENCHA"]
    assert (offer.sellable, offer.available, offer.name) == (False, 0, "Sencha")


def test_a_sku_under_another_products_slug_is_not_sellable() -> None:
    fill(product("sencha"), product("bancha"))
    assert not read_offers({"SENCHA": "bancha"})["SENCHA"].sellable


def test_unknown_skus_and_products_are_missing() -> None:
    fill(product("sencha"))
    assert read_offers({"NO": "sencha", "SENCHA": "no"}) == {}
    assert read_offers({}) == {}


def test_units_put_back_for_a_sku_that_never_had_a_price_are_not_sellable() -> None:
    fill(product("sencha"))
    stock, actions, _ = Stock.release("GHOST", 2)
    stock.update(actions=actions)
    assert not read_offers({"GHOST": "sencha"})["GHOST"].sellable
