"""Products, their listing entries, the words they are found by, and the stock of every SKU."""

import re
import zlib
from typing import Any, Self

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection

from chalicelib import clock
from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.config import settings
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.taxes.tax_classes import TaxClass

SLUG = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
MAX_SKU_LENGTH = 64
MAX_QUANTITY_PER_LINE = 20  # of one SKU in one cart
STOCK_SHARDS = 8  # every sale writes to the index by-stock-level; one partition would limit the whole shop


def is_sku(text: str) -> bool:
    """Return whether a text can be a SKU: 1 to 64 visible characters, with spaces only between them.

    SKUs are the merchant's own numbers, also "12/3 b" and "Größe_40". Upper and lower case are distinguished.
    """
    return (
        0 < len(text) <= MAX_SKU_LENGTH and clean_line(text) == text and find_control_character(text) is None
    )


class Product(Table):
    """A product's content. Prices and stock are in `Stock`, one row per SKU."""

    class Meta(TableMeta):
        table_name = table_name("products")

    slug = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute()
    text = UnicodeAttribute(default="")  # a subset of Markdown: catalog/markdown_text.py
    category = UnicodeAttribute()  # a category's key
    tax_class = UnicodeAttribute()  # one of TaxClass
    added = UnicodeAttribute()  # ISO date; "newest" sorts by it
    hidden = BooleanAttribute(default=False)
    pictures: JSONAttribute = JSONAttribute()  # [{"key": object in the media bucket, "alt": text}]
    # Uploaded images that are not processed yet: [{"upload": key, "alt": text, "problem": message or None}]
    pending_pictures: JSONAttribute = JSONAttribute(default=list)
    variants: JSONAttribute = JSONAttribute()  # [{"sku": "TEA-50", "options": {"Weight": "50 g"}}]
    listing_keys: JSONAttribute = JSONAttribute()  # [[group, position]]: this product's rows in `listings`
    search_terms: JSONAttribute = JSONAttribute()  # every word in `search` that leads here
    # Staff's last forms and what they changed: editing/form_idempotency.py
    processed_forms: JSONAttribute = JSONAttribute(default=dict)
    version = NumberAttribute(default=0)

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Read a row. One from before there were classes has a rate, which becomes its class."""
        if "tax_class" not in data and "tax_rate" in data:
            from chalicelib.taxes.home_rates import classes_at  # few rows need it

            found = classes_at(settings.shop.tax_rules, data["tax_rate"].get("S", ""), clock.today())
            data = {**data, "tax_class": {"S": (found[0] if found else TaxClass.STANDARD).value}}
        return super().from_raw_data(data)

    def variant(self, sku: str) -> dict[str, Any] | None:
        """Return a variant by its SKU; None if there is none."""
        return next((variant for variant in self.variants if variant["sku"] == sku), None)


class StockLevelIndex(GlobalSecondaryIndex["Stock"]):
    """SKUs by the number of units left, in eight shards. Sparse: a dropped variant is not in it."""

    class Meta:
        index_name = "by-stock-level"
        projection = IncludeProjection(["slug"])

    stock_shard = UnicodeAttribute(hash_key=True)
    available = NumberAttribute(range_key=True)


class Stock(Table):
    """What selling a SKU needs: units, price and the product it belongs to. Small, because every sale writes it."""

    class Meta(TableMeta):
        table_name = table_name("stock")

    sku = UnicodeAttribute(hash_key=True)
    available = NumberAttribute()
    held = NumberAttribute(default=0)  # units that unpaid orders hold, not included in `available`
    slug = UnicodeAttribute(
        null=True
    )  # None: the variant was dropped, and the SKU is free for another product
    price = NumberAttribute(null=True)  # minor units, including tax
    sale_price = NumberAttribute(null=True)
    stock_shard = UnicodeAttribute(null=True)  # the index's shard; None with `slug`
    by_stock_level = StockLevelIndex()

    @property
    def current_price(self) -> int:
        """The current price of one unit, in minor units."""
        sale_price = self.sale_price
        return int(self.price if sale_price is None else sale_price)

    @classmethod
    def reserve(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], Condition]:
        """Return the write that takes units from the stock; its condition fails if fewer are left."""
        return cls(sku), [cls.available.set(cls.available - quantity)], cls.available >= quantity

    @classmethod
    def hold(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], Condition]:
        """Return the write that reserves units for an unpaid order; its condition fails if fewer are left."""
        item, actions, enough = cls.reserve(sku, quantity)
        return item, [*actions, cls.held.add(quantity)], enough

    @classmethod
    def end_hold(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], None]:
        """Return the write that stops counting units as held: their order is paid."""
        return cls(sku), [cls.held.add(-quantity)], None

    @classmethod
    def release_hold(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], None]:
        """Return the write that returns an unpaid order's held units to the stock."""
        return cls(sku), [cls.available.add(quantity), cls.held.add(-quantity)], None

    @classmethod
    def release(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], None]:
        """Return the write that returns units to the stock."""
        return cls(sku), [cls.available.add(quantity)], None

    @classmethod
    def restock(cls, sku: str, quantity: int, slug: str) -> tuple["Stock", list[Action], Condition]:
        """Return the write that restocks sold units; its condition fails if the SKU belongs to another product by now."""
        ours = cls.slug.does_not_exist() | (cls.slug == slug)
        return cls(sku), [cls.available.add(quantity)], ours


def stock_shard_of(sku: str) -> str:
    """Return a SKU's shard of the index by-stock-level."""
    return str(zlib.crc32(sku.encode()) % STOCK_SHARDS)


class Listing(Table):
    """A product's entry in a list: one row per product, group and order.

    Shoppers see the groups `all` and each category, without hidden products. Staff's groups begin with @ and
    include hidden ones. The categories themselves are the group `categories`.
    """

    class Meta(TableMeta):
        table_name = table_name("product-listings")

    group = UnicodeAttribute(hash_key=True)  # "all#price", "tea#newest", "@all#name", "categories"
    position = UnicodeAttribute(range_key=True)  # sort value # slug
    slug = UnicodeAttribute()
    name = UnicodeAttribute()
    text = UnicodeAttribute(null=True)  # a category's description
    picture = UnicodeAttribute(null=True)  # object key in the media bucket
    alt = UnicodeAttribute(null=True)
    skus: JSONAttribute = JSONAttribute(null=True)
    category = UnicodeAttribute(null=True)  # only in staff's groups, to filter by


class CategoryRow(Table):
    """A category, or the head of all categories: a row that every change of a category writes.

    Products and lists refer to a category by its key, so that its name and slug may change.
    """

    class Meta(TableMeta):
        table_name = table_name("product-listings")

    GROUP = "categories"
    HEAD = "#"  # the head's position, before every key

    group = UnicodeAttribute(hash_key=True, default=GROUP)
    position = UnicodeAttribute(range_key=True)  # the key: the category's first slug
    slug = UnicodeAttribute(null=True)
    name = UnicodeAttribute(null=True)
    text = UnicodeAttribute(null=True)
    previous_slugs: JSONAttribute = JSONAttribute(null=True)  # its earlier slugs, which redirect to it
    sort_order = NumberAttribute(null=True)  # its position in the shop's order
    products_added = NumberAttribute(
        null=True
    )  # products ever added: it is removed only if none is added meanwhile
    version = NumberAttribute(null=True)  # the head's

    @classmethod
    def count_product_added(cls, key: str) -> tuple["CategoryRow", list[Action], Condition]:
        """Return the write that counts a product added to a category; its condition fails if the category is gone."""
        return cls(cls.GROUP, key), [cls.products_added.add(1)], cls.position.exists()


class SearchEntry(Table):
    """The inverted index: a prefix search is a Query. Rows may be stale; hits are checked against the product."""

    class Meta(TableMeta):
        table_name = table_name("product-search")

    prefix = UnicodeAttribute(hash_key=True)  # a word's first two letters, or its only one
    entry = UnicodeAttribute(
        range_key=True
    )  # word#slug; a hidden product's words begin with @, a name's second rows with !
    slug = UnicodeAttribute()
    in_name = BooleanAttribute(default=False)
    version = NumberAttribute(default=0)  # of the product for which the row was written
