"""The kinds of background jobs, and the page that starts each."""

from typing import NamedTuple


class JobKind(NamedTuple):
    """A kind of background job: its name for staff, the page that starts it, and that page's name."""

    description: str
    page: str
    page_name: str


KINDS = {
    "image": JobKind("image processing", "/staff/products", "Products"),
    "orders-export": JobKind("an orders export", "/staff/orders", "Orders"),
    "books": JobKind("a day’s books", "/staff/books", "Books"),
    "month": JobKind("a month’s books", "/staff/books", "Books"),
    "catalog-export": JobKind(
        "a catalog export",
        "/staff/catalog",
        "Import & export",
    ),
    "catalog-check": JobKind(
        "a check of a catalog file",
        "/staff/catalog",
        "Import & export",
    ),
    "catalog-import": JobKind(
        "a catalog import",
        "/staff/catalog",
        "Import & export",
    ),
}
