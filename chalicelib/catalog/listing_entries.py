"""A product's listing entries: in shoppers' lists, and in staff's, which include hidden products."""

import json

from chalicelib.catalog import search
from chalicelib.catalog.models import Listing, Product
from chalicelib.catalog.product_lists import ALL_PRODUCTS, SORTS
from chalicelib.database.reads import Item
from chalicelib.database.transactions import Transaction

LETTERS_SORTED = 200  # of a name; a range key has 1,024 bytes
ADMIN_PREFIX = "@"  # begins staff's groups; no slug contains it, so no address of a shopper leads there
HIDDEN = "@@hidden"  # twice, because a category may be called “hidden”


def listing_keys(product: Product, lowest: int) -> list[list[str]]:
    """Return the keys of a product's rows in `product-listings`, [group, position]; `lowest` is today's lowest price."""
    sort_name = " ".join(search.tokenize(product.name))[:LETTERS_SORTED]
    values = {"newest": product.added, "price": f"{lowest:012d}", "name": sort_name}
    return [
        [f"{group}#{sort}", f"{values[sort]}#{product.slug}"] for group in _groups(product) for sort in SORTS
    ]


def listing_key_for(product: Item, sort: str) -> str:
    """Return a product's position among everything that staff sees."""
    keys: dict[str, str] = dict(json.loads(product["listing_keys"]["S"]))
    return keys[f"{ADMIN_PREFIX}{ALL_PRODUCTS}#{sort}"]


def _groups(product: Product) -> list[str]:
    staffs = [ADMIN_PREFIX + ALL_PRODUCTS, ADMIN_PREFIX + product.category]
    return [*staffs, HIDDEN] if product.hidden else [*staffs, ALL_PRODUCTS, product.category]


def write_listing_entries(transaction: Transaction, product: Product, old: Product | None) -> None:
    """Write a product's new or changed listing entries, and delete its obsolete ones."""
    rows = _rows(product)
    old_rows = _rows(old) if old is not None else {}
    for place, row in rows.items():
        if place not in old_rows or old_rows[place].serialize() != row.serialize():
            transaction.put("#".join(place), row)
    for place in old_rows.keys() - rows.keys():
        transaction.delete("#".join(place), Listing(*place))


def _rows(product: Product) -> dict[tuple[str, str], Listing]:
    picture = product.pictures[0] if product.pictures else {"key": None, "alt": None}
    return {
        (group, position): Listing(
            group,
            position,
            slug=product.slug,
            name=product.name,
            picture=picture["key"],
            alt=picture["alt"],
            skus=[variant["sku"] for variant in product.variants],
            category=product.category if group.startswith(ADMIN_PREFIX) else None,
        )
        for group, position in product.listing_keys
    }
