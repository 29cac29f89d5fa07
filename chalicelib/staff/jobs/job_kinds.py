"""The kinds of background jobs, and the page that starts each."""

from typing import NamedTuple


class JobKind(NamedTuple):
    """A kind of background job: its name for staff, the page that starts it, and that page's name."""

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
