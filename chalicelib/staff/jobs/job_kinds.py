"""The kinds of background jobs: what staff ask for, and the page that they ask on."""

from typing import NamedTuple


class JobKind(NamedTuple):
    """A kind of long work: what staff ask for, in words; on which page, and its name."""

    wish: str
    page: str
    page_name: str


KINDS = {
    "picture": JobKind("image processing", "/staff/products", "Products"),
    "orders-csv": JobKind("an orders export", "/staff/orders", "Orders"),
    "books": JobKind("a day’s books", "/staff/books", "Books"),
    "month": JobKind("a month’s books", "/staff/books", "Books"),
    "catalog-csv": JobKind(
        "a catalog export",
        "/staff/catalog",
        "Import & export",
    ),
    "catalog-look": JobKind(
        "a check of a catalog file",
        "/staff/catalog",
        "Import & export",
    ),
    "catalog-in": JobKind(
        "a catalog import",
        "/staff/catalog",
        "Import & export",
    ),
}
