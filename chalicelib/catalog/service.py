"""What shoppers see of the catalog: lists, a product, today's offers. Nothing here scans a table."""

import base64
import binascii
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import clock
from chalicelib.catalog.models import SLUG, CategoryRow, Listing, Product, Stock, is_sku
from chalicelib.config import settings
from chalicelib.errors import BadInput, NotFound
from chalicelib.storage import get, read_many

PAGE = 24
FEW = 5  # from here on shoppers are told how many are left
SORTS = ("newest", "price", "name")
EVERYTHING = "all"
CATEGORIES = CategoryRow.GROUP
MOST_BYTES_OF_A_KEY = 1024  # DynamoDB's limit for a range key
log = logging.getLogger("awning")


@dataclass(frozen=True)
class Category:
    """A shelf of the shop. Its key stays when it is renamed; `former` are slugs that lead to it, oldest first."""

    slug: str
    name: str
    text: str
    key: str = ""  # its first slug
    former: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.slug)


class Moved(Exception):
    """Tell a category's address of today to who asks for a former one."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


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
    held: int = 0  # by unpaid orders, beside those available


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
        held=int(stock.held),
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


# -- categories -------------------------------------------------------------------------------------------


class _Shelf:
    """The categories as last read, and when. Every page names them, so they are not read for every page."""

    known: tuple[Category, ...] = ()
    read_at = 0.0
    failed_at = 0.0


_shelf = _Shelf()


def forget() -> None:
    """Forget the categories: whoever changes them wants to see it at once."""
    global _shelf
    _shelf = _Shelf()


def _is_recent(moment: float) -> bool:
    return clock.now().timestamp() - moment < settings.shop.page_seconds


def read_categories() -> tuple[Category, ...]:
    """Read the categories in the shop's order, as they are now."""
    return in_order(CategoryRow.query(CATEGORIES, consistent_read=True))


def in_order(rows: Iterable[CategoryRow]) -> tuple[Category, ...]:
    """Make categories of their rows, the head left out."""
    categories = (row for row in rows if row.position != CategoryRow.HEAD)
    return tuple(
        Category(row.slug, row.name, row.text or "", row.position, tuple(row.former or ()))
        for row in sorted(categories, key=lambda row: (row.place, row.position))
    )


def find_category(slug: str, among: Iterable[Category]) -> Category | None:
    """Find a category by its address of today, else by a former one."""
    known = tuple(among)
    return next(
        (category for category in known if category.slug == slug),
        next((category for category in known if slug in category.former), None),
    )


def categories() -> tuple[Category, ...]:
    """List the categories in the shop's order, at most some seconds old."""
    if not _is_recent(_shelf.read_at):
        _shelf.known = read_categories()
        _shelf.read_at = clock.now().timestamp()
    return _shelf.known


def categories_if_possible() -> tuple[Category, ...]:
    """List the categories; where the table does not answer, the last ones known. Never raises."""
    if _is_recent(_shelf.failed_at):
        return _shelf.known  # error pages are to be quick: no second wait for a table that was just silent
    try:
        return categories()
    except (PynamoDBException, ClientError, BotoCoreError):
        log.exception("the categories could not be read")
        _shelf.failed_at = clock.now().timestamp()
        return _shelf.known


def get_category(slug: str) -> Category:
    """Find a category. Raises NotFound, or Moved for a former address."""
    category = find_category(slug, categories())
    if category is None:
        raise NotFound("We have no such category.")
    if category.slug != slug:
        raise Moved(category.slug)
    return category


# -- lists ------------------------------------------------------------------------------------------------


def list_page(group: str, sort: str, after: str | None) -> ListPage:
    """Read a page of a category or of everything: one Query, then prices and stock of what is shown, live.

    `after` is a `next_after` of the same list. Raises BadInput for another sort or token.
    """
    if sort not in SORTS:
        raise BadInput("Lists can be sorted by newest, price or name.")
    listed = f"{group}#{sort}"
    newest_first = sort == "newest"
    beyond = None
    if after is not None:
        position = read_token(after, listed)
        beyond = Listing.position < position if newest_first else Listing.position > position
    rows = list(Listing.query(listed, beyond, limit=PAGE + 1, scan_index_forward=not newest_first))
    shown = rows[:PAGE]
    next_after = token(listed, shown[-1].position) if len(rows) > PAGE else None
    return ListPage(cards(shown), next_after)


def cards(rows: Iterable[Listing]) -> list[Card]:
    """Make cards of listing rows, with today's prices and stock."""
    rows = list(rows)
    stocks = read_many({Stock: [sku for row in rows for sku in row.skus]}, consistent=False)[Stock]
    found = []
    for row in rows:
        variants = [stocks[sku] for sku in row.skus if sku in stocks]
        card = make_card(row.slug, row.name, row.picture, row.alt or "", variants)
        if card is not None:
            found.append(card)
    return found


def make_card(slug: str, name: str, picture: str | None, alt: str, stocks: list[Stock]) -> Card | None:
    """Make a product's card; None where none of its variants has a price."""
    today = price_of(stocks)
    if today is None:
        return None
    return Card(
        slug=slug,
        name=name,
        picture=picture,
        alt=alt,
        price=today.price,
        was=today.was,
        varies=today.varies,
        sold_out=all(stock.available <= 0 for stock in stocks),
    )


def token(listed: str, position: str) -> str:
    """Make the token of a list's next page: it says behind which position that begins."""
    return base64.urlsafe_b64encode(f"{listed}\n{position}".encode()).decode().rstrip("=")


def read_token(encoded: str, listed: str) -> str:
    """Read a token's position. Raises BadInput for what is no token of this list."""
    refusal = BadInput(
        "This page's address is incomplete or belongs to another list. Please start at the first page."
    )
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise refusal from error
    token_of, _, position = text.partition("\n")
    if token_of != listed or not 0 < len(position.encode()) <= MOST_BYTES_OF_A_KEY:
        raise refusal
    return position


def visible_slugs() -> Iterator[str]:
    """Name every product that has a page, by Query, newest first."""
    for row in Listing.query(f"{EVERYTHING}#newest", scan_index_forward=False):
        yield row.slug


def list_slugs(after: str | None, size: int) -> tuple[list[str], str | None]:
    """Name up to `size` products that have a page, newest first, and the token of those that follow, if there are any.

    `after` is such a token; None begins at the first. Raises BadInput for another.
    """
    listed = f"{EVERYTHING}#newest"
    beyond = Listing.position < read_token(after, listed) if after is not None else None
    rows = Listing.query(
        listed,
        beyond,
        limit=size + 1,
        scan_index_forward=False,
        attributes_to_get=["slug", "position"],
    )
    found = [(row.slug, row.position) for row in rows]
    next_after = token(listed, found[size - 1][1]) if len(found) > size else None
    return [slug for slug, _ in found[:size]], next_after


# -- one product ------------------------------------------------------------------------------------------


def find_slug(sku: str) -> str | None:
    """Find the product that sells a SKU; None where none does."""
    stock = read_many({Stock: [sku]})[Stock].get(sku) if is_sku(sku) else None
    return stock.slug if stock is not None else None


def product_view(slug: str) -> ProductView:
    """Read a product for its page, with today's prices and stock. Raises NotFound, for hidden ones too."""
    product = get(Product, slug, consistent=False) if SLUG.fullmatch(slug) else None
    if product is None or product.hidden:
        raise NotFound("We have no such product. Perhaps it has sold out for good.")
    skus = [variant["sku"] for variant in product.variants]
    stocks = read_many({Stock: skus}, consistent=False)[Stock]
    today = price_of(stocks.values())
    if today is None:
        raise NotFound("This product has no price yet.")
    several = len(product.variants) > 1
    variants = [(variant, stocks.get(variant["sku"])) for variant in product.variants]
    category = next((c for c in categories() if c.key == product.category), None)
    return ProductView(
        slug=product.slug,
        name=product.name,
        text=product.text,
        category_slug=category.slug if category else product.category,
        category_name=category.name if category else product.category,
        pictures=[Picture(**picture) for picture in product.pictures],
        variants=[_variant(variant, stock, several) for variant, stock in variants if stock is not None],
        price=today.price,
        was=today.was,
        varies=today.varies,
    )


def _variant(variant: Mapping[str, Any], stock: Stock, several: bool) -> VariantView:
    today = price_of([stock]) or Price(0, None)
    return VariantView(
        sku=stock.sku,
        label=label_of(variant["options"]) if several else "",
        options=variant["options"],
        price=today.price,
        was=today.was,
        available=max(0, int(stock.available)),
    )
