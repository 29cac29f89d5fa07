"""The kinds of background jobs: what staff ask for, and the page that they ask on."""

from typing import NamedTuple


class Work(NamedTuple):
    """A kind of long work: what staff ask for, in words; on which page, and its name."""

    wish: str
    page: str
    page_name: str


KINDS = {
    "picture": Work("a picture to be made ready", "/staff/products", "Products"),
    "orders-csv": Work("a file of orders", "/staff/orders", "Orders"),
    "books": Work("a day's books", "/staff/books", "Books"),
    "month": Work("a month's books as one file", "/staff/books", "Books"),
    "catalog-csv": Work(
        "the catalog as a file",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-look": Work(
        "a catalog file to be compared",
        "/staff/catalog",
        "The catalog as a file",
    ),
    "catalog-in": Work(
        "a catalog file to be loaded",
        "/staff/catalog",
        "The catalog as a file",
    ),
}
