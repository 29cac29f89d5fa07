"""Lists of products, in pages, with current prices and stock. No table is scanned."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.catalog.models import Listing, Stock
from chalicelib.catalog.offers import price_of
from chalicelib.database.reads import batch_get
from chalicelib.errors import BadInput

PAGE = 24
SORTS = ("newest", "price", "name")
ALL_PRODUCTS = "all"
MAX_KEY_BYTES = 1024  # DynamoDB's limit for a range key


@dataclass(frozen=True)
class ProductCard:
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
        """Return whether the shown price is a sale price."""
        return self.was is not None


@dataclass(frozen=True)
class ListPage:
    """One page of a list; `next_after` is the cursor of the next page, None on the last."""

    products: list[ProductCard]
    next_after: str | None


# -- lists ------------------------------------------------------------------------------------------------


def list_page(group: str, sort: str, after: str | None) -> ListPage:
    """Read a page of a category or of all products: one Query, then current prices and stock of what is shown.

    `after` is a `next_after` of the same list. Raises BadInput for another sort order or cursor.
    """
    if sort not in SORTS:
        raise BadInput("You can sort by newest, price or name.")
    listed = f"{group}#{sort}"
    newest_first = sort == "newest"
    beyond = None
    if after is not None:
        position = decode_cursor(after, listed)
        beyond = Listing.position < position if newest_first else Listing.position > position
    rows = list(Listing.query(listed, beyond, limit=PAGE + 1, scan_index_forward=not newest_first))
    shown = rows[:PAGE]
    next_after = encode_cursor(listed, shown[-1].position) if len(rows) > PAGE else None
    return ListPage(cards(shown), next_after)


def cards(rows: Iterable[Listing]) -> list[ProductCard]:
    """Return cards of listing rows, with current prices and stock."""
    rows = list(rows)
    stocks = batch_get({Stock: [sku for row in rows for sku in row.skus]}, consistent=False)[Stock]
    found = []
    for row in rows:
        variants = [stocks[sku] for sku in row.skus if sku in stocks]
        card = make_card(row.slug, row.name, row.picture, row.alt or "", variants)
        if card is not None:
            found.append(card)
    return found


def make_card(slug: str, name: str, picture: str | None, alt: str, stocks: list[Stock]) -> ProductCard | None:
    """Return a product's card; None if none of its variants has a price."""
    today = price_of(stocks)
    if today is None:
        return None
    return ProductCard(
        slug=slug,
        name=name,
        picture=picture,
        alt=alt,
        price=today.price,
        was=today.was,
        varies=today.varies,
        sold_out=all(stock.available <= 0 for stock in stocks),
    )


def encode_cursor(listed: str, position: str) -> str:
    """Return the cursor of a list's next page: the position after which it begins."""
    return base64.urlsafe_b64encode(f"{listed}\n{position}".encode()).decode().rstrip("=")


def decode_cursor(encoded: str, listed: str) -> str:
    """Return a cursor's position. Raises BadInput for anything but a cursor of this list."""
    refusal = BadInput("This link is incomplete or out of date. Please start again from the first page.")
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise refusal from error
    token_of, _, position = text.partition("\n")
    if token_of != listed or not 0 < len(position.encode()) <= MAX_KEY_BYTES:
        raise refusal
    return position


def list_slugs(after: str | None, size: int) -> tuple[list[str], str | None]:
    """Return up to `size` slugs of products that have a page, newest first, and the cursor of the next ones, if any.

    `after` is such a cursor; None begins at the first. Raises BadInput for another.
    """
    listed = f"{ALL_PRODUCTS}#newest"
    beyond = Listing.position < decode_cursor(after, listed) if after is not None else None
    rows = Listing.query(
        listed,
        beyond,
        limit=size + 1,
        scan_index_forward=False,
        attributes_to_get=["slug", "position"],
    )
    found = [(row.slug, row.position) for row in rows]
    next_after = encode_cursor(listed, found[size - 1][1]) if len(found) > size else None
    return [slug for slug, _ in found[:size]], next_after
