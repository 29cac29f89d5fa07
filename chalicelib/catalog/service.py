"""What shoppers see of the catalog: lists, a product, today's offers. Nothing here scans a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.catalog.models import Product, Stock
from chalicelib.storage import read_many

PAGE = 24
FEW = 5  # from here on shoppers are told how many are left
SORTS = ("newest", "price", "name")
EVERYTHING = "all"
CATEGORIES = "categories"
MOST_BYTES_OF_A_KEY = 1024  # DynamoDB's limit for a range key


@dataclass(frozen=True)
class Category:
    """A shelf of the shop."""

    slug: str
    name: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A picture in the media bucket, and what it shows in words."""

    key: str
    alt: str


@dataclass(frozen=True)
class Price:
    """What a product or a variant costs today, in minor units; `was` is what it cost before the sale."""

    price: int
    was: int | None
    varies: bool = False  # other variants cost more


@dataclass(frozen=True)
class Card:
    """A product as lists show it; prices in minor units."""

    slug: str
    name: str
    picture: str | None
    alt: str
    price: int
    was: int | None
    varies: bool
    sold_out: bool

    @property
    def on_sale(self) -> bool:
        """Tell whether the shown price is a sale's."""
        return self.was is not None


@dataclass(frozen=True)
class ListPage:
    """One page of a list; `next_after` leads to the next one, None on the last."""

    products: list[Card]
    next_after: str | None


@dataclass(frozen=True)
class VariantView:
    """A variant as the product's page shows it; prices in minor units."""

    sku: str
    label: str
    options: Mapping[str, str]
    price: int
    was: int | None
    available: int

    @property
    def in_stock(self) -> bool:
        """Tell whether a piece can be had."""
        return self.available > 0

    @property
    def availability(self) -> str:
        """Say in words whether it can be had."""
        if not self.in_stock:
            return "Sold out"
        return f"Only {self.available} left" if self.available <= FEW else "In stock"


@dataclass(frozen=True)
class ProductView:
    """A product as its page shows it; prices in minor units."""

    slug: str
    name: str
    text: str
    category_slug: str
    category_name: str
    pictures: list[Picture]
    variants: list[VariantView]
    price: int
    was: int | None
    varies: bool

    @property
    def in_stock(self) -> bool:
        """Tell whether any variant can be had."""
        return any(variant.in_stock for variant in self.variants)

    @property
    def selected(self) -> str | None:
        """Name the SKU that the page offers first; None where all are sold out."""
        return next((variant.sku for variant in self.variants if variant.in_stock), None)


@dataclass(frozen=True)
class Offer:
    """What buying a SKU needs to know, as of now; prices in minor units, the tax rate in percent.

    Not `sellable`: the shop no longer sells it. Sellable with nothing `available`: sold out.
    """

    sku: str
    slug: str
    name: str
    label: str
    options: Mapping[str, str]
    picture_key: str | None
    alt: str
    price: int
    was: int | None
    available: int
    tax_rate: str
    sellable: bool


# -- offers -----------------------------------------------------------------------------------------------


def read_offers(lines: Mapping[str, str]) -> dict[str, Offer]:
    """Read today's offers of SKUs, given as SKU → product's slug, fresh, in one batch.

    What the shop never had is missing; what it no longer sells is there, but not sellable.
    """
    found = read_many({Stock: lines, Product: lines.values()})
    offers = {}
    for sku, slug in lines.items():
        stock, product = found[Stock].get(sku), found[Product].get(slug)
        if stock is not None and product is not None:
            offers[sku] = _offer(stock, product)
    return offers


def _offer(stock: Stock, product: Product) -> Offer:
    variant = product.variant(stock.sku)
    sellable = variant is not None and not product.hidden and stock.slug == product.slug
    options = variant["options"] if variant else {}
    picture = next((Picture(**each) for each in product.pictures), None)
    today = price_of([stock]) or Price(0, None)
    return Offer(
        sku=stock.sku,
        slug=product.slug,
        name=product.name,
        label=label_of(options),
        options=options,
        picture_key=picture.key if picture else None,
        alt=picture.alt if picture else "",
        price=today.price,
        was=today.was,
        available=max(0, int(stock.available)) if sellable else 0,
        tax_rate=product.tax_rate,
        sellable=sellable,
    )


def label_of(options: Mapping[str, str]) -> str:
    """Say which variant it is: "Large, Moss"."""
    return ", ".join(options.values())


def price_of(stocks: Iterable[Stock]) -> Price | None:
    """Tell the lowest price today among SKUs, and whether others cost more; None where there are none."""
    priced = sorted((stock for stock in stocks if stock.price is not None), key=lambda s: s.price_today)
    if not priced:
        return None
    lowest = priced[0]
    was = None if lowest.sale_price is None else int(lowest.price)
    return Price(lowest.price_today, was, priced[-1].price_today > lowest.price_today)
