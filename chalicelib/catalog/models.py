"""Products, what list pages show of them, the words they are found by, and the stock of every SKU."""

import re
from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.storage import Table, TableMeta, table_name

SLUG = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
MOST_PIECES = 20  # of one SKU in one cart


class Product(Table):
    """A product's content. Prices and pieces are in `Stock`, a row a SKU."""

    class Meta(TableMeta):
        table_name = table_name("products")

    slug = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute()
    text = UnicodeAttribute(default="")  # paragraphs, an empty line between them
    category = UnicodeAttribute()  # a category's slug
    tax_rate = UnicodeAttribute()  # percent, such as "19"
    added = UnicodeAttribute()  # ISO date; "newest" sorts by it
    hidden = BooleanAttribute(default=False)
    pictures: JSONAttribute = JSONAttribute()  # [{"key": object in the media bucket, "alt": text}]
    variants: JSONAttribute = JSONAttribute()  # [{"sku": "TEA-50", "options": {"Weight": "50 g"}}]
    listed: JSONAttribute = JSONAttribute()  # [[group, position]]: this product's rows in `listings`
    words: JSONAttribute = JSONAttribute()  # every word in `search` that leads here
    version = NumberAttribute(default=0)

    def variant(self, sku: str) -> dict[str, Any] | None:
        """Find a variant by its SKU."""
        return next((variant for variant in self.variants if variant["sku"] == sku), None)


class Stock(Table):
    """What selling a SKU needs: pieces, price and whose variant it is. Small, because every sale writes it."""

    class Meta(TableMeta):
        table_name = table_name("stock")

    sku = UnicodeAttribute(hash_key=True)
    available = NumberAttribute()
    slug = UnicodeAttribute(
        null=True
    )  # None: the variant was dropped, and the SKU is free for another product
    price = NumberAttribute(null=True)  # minor units, tax included
    sale_price = NumberAttribute(null=True)

    @property
    def price_today(self) -> int:
        """What one piece costs now, in minor units."""
        return int(self.price if self.sale_price is None else self.sale_price)

    @classmethod
    def reserve(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], Condition]:
        """Take pieces off the shelf, for a transaction; refused where fewer are left."""
        return cls(sku), [cls.available.set(cls.available - quantity)], cls.available >= quantity

    @classmethod
    def put_back(cls, sku: str, quantity: int) -> tuple["Stock", list[Action], None]:
        """Return pieces to the shelf, for a transaction."""
        return cls(sku), [cls.available.add(quantity)], None


class Listing(Table):
    """A product's place in a list: one row a product, group (`all` or a category) and order.

    Categories themselves are the group `categories`. Hidden products have no rows.
    """

    class Meta(TableMeta):
        table_name = table_name("listings")

    group = UnicodeAttribute(hash_key=True)  # "all#price", "tea#newest", "categories"
    position = UnicodeAttribute(range_key=True)  # sort value # slug
    slug = UnicodeAttribute()
    name = UnicodeAttribute()
    text = UnicodeAttribute(null=True)  # a category's text
    picture = UnicodeAttribute(null=True)  # object key in the media bucket
    alt = UnicodeAttribute(null=True)
    skus: JSONAttribute = JSONAttribute(null=True)


class Word(Table):
    """The inverted index: prefix search is a Query. Rows may be stale; hits are checked against the product."""

    class Meta(TableMeta):
        table_name = table_name("search")

    letters = UnicodeAttribute(hash_key=True)  # a word's first two letters, or its only one
    entry = UnicodeAttribute(range_key=True)  # word#slug
    slug = UnicodeAttribute()
    in_name = BooleanAttribute(default=False)
    version = NumberAttribute(default=0)  # of the product that the row was written for
