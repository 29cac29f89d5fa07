"""The categories as shoppers see them: read, cached, found by their slugs."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import clock
from chalicelib.catalog.models import CategoryRow
from chalicelib.config import settings
from chalicelib.errors import NotFound

CATEGORIES = CategoryRow.GROUP
log = logging.getLogger("awning")


@dataclass(frozen=True)
class Category:
    """A category. Its key stays when it is renamed; `former` are earlier slugs that redirect to it, oldest first."""

    slug: str
    name: str
    text: str
    key: str = ""  # its first slug
    former: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.slug)


class CategoryMoved(Exception):
    """Raised with a category's current address if an earlier one was requested."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


# -- categories -------------------------------------------------------------------------------------------


class _CategoryCache:
    """The categories as last read, and when. Every page lists them, so they are not read for every page."""

    known: tuple[Category, ...] = ()
    read_at = 0.0
    failed_at = 0.0


_shelf = _CategoryCache()


def clear_category_cache() -> None:
    """Clear the cache, so that a change of categories is visible immediately."""
    global _shelf
    _shelf = _CategoryCache()


def _is_recent(moment: float) -> bool:
    return clock.now().timestamp() - moment < settings.shop.page_seconds


def read_categories() -> tuple[Category, ...]:
    """Read the categories in the shop's order, as they are now."""
    return in_order(CategoryRow.query(CATEGORIES, consistent_read=True))


def in_order(rows: Iterable[CategoryRow]) -> tuple[Category, ...]:
    """Return the categories of their rows, without the head."""
    categories = (row for row in rows if row.position != CategoryRow.HEAD)
    return tuple(
        Category(row.slug, row.name, row.text or "", row.position, tuple(row.previous_slugs or ()))
        for row in sorted(categories, key=lambda row: (row.sort_order, row.position))
    )


def find_category(slug: str, among: Iterable[Category]) -> Category | None:
    """Find a category by its current slug, else by an earlier one."""
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
    """List the categories; if the table does not answer, those last read. Never raises."""
    if _is_recent(_shelf.failed_at):
        return _shelf.known  # error pages must be fast: no second wait for a table that did not just answer
    try:
        return categories()
    except (PynamoDBException, ClientError, BotoCoreError):
        log.exception("categories could not be loaded")
        _shelf.failed_at = clock.now().timestamp()
        return _shelf.known


def get_category(slug: str) -> Category:
    """Find a category. Raises NotFound, or CategoryMoved for an earlier slug."""
    category = find_category(slug, categories())
    if category is None:
        raise NotFound("We couldn’t find this category.")
    if category.slug != slug:
        raise CategoryMoved(category.slug)
    return category
