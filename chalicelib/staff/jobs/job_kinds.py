"""The kinds of background jobs: what staff ask for, and the page that they ask on."""

from typing import NamedTuple


class JobKind(NamedTuple):
    """A kind of long work: what staff ask for, in words; on which page, and its name."""

    wish: str
    page: str
    page_name: str


KINDS = {
    "picture": JobKind("a picture to be made ready", "/staff/products", "Products"),
    "orders-csv": JobKind("a file of orders", "/staff/orders", "Orders"),
    "books": JobKind("a day's books", "/staff/books", "Books"),
    "month": JobKind("a month's books as one file", "/staff/books", "Books"),
    "catalog-csv": JobKind(
        "the catalog as a file",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-look": JobKind(
        "a catalog file to be compared",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-in": JobKind(
        "a catalog file to be loaded",
        "/staff/catalog",
        "The catalog as a file",
    ),
}
