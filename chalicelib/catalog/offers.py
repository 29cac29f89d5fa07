"""Current prices, and what is needed to buy a SKU."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from chalicelib.catalog.models import Product, Stock, is_sku
from chalicelib.database.reads import batch_get

_INNER_QUOTES = str.maketrans('“”"', "‘’'")


@dataclass(frozen=True)
class Picture:
    """An image in the media bucket, and its alt text."""

    key: str
    alt: str


@dataclass(frozen=True)
class Price:
    """The current price of a product or variant, in minor units; `was` is the price before the sale."""

    price: int
    was: int | None
    varies: bool = False  # other variants cost more


@dataclass(frozen=True)
class Offer:
    """What is needed to buy a SKU, as of now; prices in minor units.

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
    tax_class: str
    sellable: bool
    held: int = 0  # by unpaid orders, not included in `available`

    @property
    def quoted_name(self) -> str:
        """Return the name for use within quotation marks; its own become single ones."""
        return f"“{self.name.translate(_INNER_QUOTES)}”"


# -- offers -----------------------------------------------------------------------------------------------


def read_offers(lines: Mapping[str, str]) -> dict[str, Offer]:
    """Read current offers of SKUs, given as SKU → product's slug, consistently, in one batch.

    Unknown SKUs are missing; those that are no longer sold are included, but not sellable.
    """
    found = batch_get({Stock: lines, Product: lines.values()})
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
        label=variant_label(options),
        options=options,
        picture_key=picture.key if picture else None,
        alt=picture.alt if picture else "",
        price=today.price,
        was=today.was,
        available=max(0, int(stock.available)) if sellable else 0,
        tax_class=product.tax_class,
        sellable=sellable,
        held=int(stock.held),
    )


def variant_label(options: Mapping[str, str]) -> str:
    """Return a variant's label: "Large, Moss"."""
    return ", ".join(options.values())


def price_of(stocks: Iterable[Stock]) -> Price | None:
    """Return the lowest current price among SKUs, and whether others cost more; None if there are none."""
    priced = [(stock.current_price, stock) for stock in stocks if stock.price is not None]
    if not priced:
        return None
    price, lowest = min(priced, key=itemgetter(0))
    was = None if lowest.sale_price is None else int(lowest.price)
    return Price(price, was, any(other > price for other, _ in priced))


# -- one product ------------------------------------------------------------------------------------------


def find_slug(sku: str) -> str | None:
    """Return the slug of the product that sells a SKU; None if there is none."""
    stock = batch_get({Stock: [sku]})[Stock].get(sku) if is_sku(sku) else None
    return stock.slug if stock is not None else None
