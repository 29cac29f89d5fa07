"""Create, rename, order and remove categories. Every change is one transaction over all that was read."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pynamodb.expressions.update import Action

from chalicelib.catalog import categories
from chalicelib.catalog.categories import CATEGORIES, Category
from chalicelib.catalog.editing import audit_fields
from chalicelib.catalog.editing.product_editing import VersionConflict
from chalicelib.catalog.editing.product_validation import (
    MAX_NAME_LENGTH,
    SLUG_RULE,
    ValidationError,
    long_text_problems,
    text_problems,
)
from chalicelib.catalog.listing_entries import ADMIN_PREFIX
from chalicelib.catalog.models import SLUG, CategoryRow, Listing
from chalicelib.catalog.product_lists import ALL_PRODUCTS
from chalicelib.database.retry import retry_contended
from chalicelib.database.transactions import (
    AuditWriter,
    Transaction,
    no_audit,
)
from chalicelib.errors import BadInput, Conflict, NotFound, ServiceUnavailable
from chalicelib.web.page_cache import cache

MAX_CATEGORIES = 50  # with the head and the audit entry, all of them fit into one transaction
MAX_SLUG_LENGTH = 40
Categories = tuple[Category, ...]
Edit = Callable[[Categories], Categories]


@dataclass(frozen=True)
class _Stored:
    """The categories as they were read, with what a change of them depends on."""

    categories: Categories
    rows: Mapping[str, CategoryRow]  # by key
    version: int | None


# -- checking ---------------------------------------------------------------------------------------------


def validate_category(draft: Category) -> Iterator[ValidationError]:
    """Yield the errors of a category on its own."""
    if not SLUG.fullmatch(draft.slug) or draft.slug == ALL_PRODUCTS:
        yield ValidationError(
            ("slug",), f"A category’s URL (its slug) {SLUG_RULE}; “{ALL_PRODUCTS}” is reserved."
        )
    yield from text_problems(("name",), draft.name, MAX_NAME_LENGTH)
    yield from long_text_problems(("text",), draft.text)


def problems_among(draft: Category, others: Sequence[Category]) -> Iterator[ValidationError]:
    """Yield the errors of a category in the current shop: those of `validate_category`, and names or slugs in use."""
    yield from validate_category(draft)
    names = {other.key: fold_name(other.name) for other in others}
    name = fold_name(draft.name)
    # Only a new name is compared, so that a category's other fields can be edited whatever its name.
    if names.pop(draft.key, None) != name and name in names.values():
        yield ValidationError(("name",), "There’s already a category with this name.")
    taken = next((other for other in others if other.slug == draft.slug and other.key != draft.key), None)
    if taken is not None:
        yield ValidationError(("slug",), f"The category “{taken.name}” already has this URL.")


def fold_name(name: str) -> str:
    """Return a name without differences that people overlook: capitals, numbers of spaces, wide and joined letters."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def slug_of(name: str) -> str:
    """Propose a slug for a name: its letters without accents, and its digits; "" if it has none."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG_LENGTH].rstrip("-")


# -- changing ---------------------------------------------------------------------------------------------


def create_category(slug: str, name: str, text: str, write_audit: AuditWriter = no_audit) -> Category:
    """Add a category after the others; an identical one is left unchanged. Raises BadInput, Conflict."""

    def edit(known: Categories) -> Categories:
        if any((each.slug, each.name, each.text) == (slug, name, text) for each in known):
            return known
        made = Category(slug, name, text, _free_key(slug, known))
        _raise_first(problems_among(made, known))
        return (*_release_old_slug(slug, known), made)

    made = categories.find_category(slug, _change(edit, write_audit))
    if made is None:
        raise ServiceUnavailable("Someone else has deleted this category.")
    return made


def change_category(wanted: Category, fingerprint: str, write_audit: AuditWriter = no_audit) -> None:
    """Change the name, text or slug of a category; its previous slug redirects to it from then on.

    `fingerprint` is `fingerprint_of` the category as the form showed it. Raises NotFound if the category is gone,
    VersionConflict if someone else has changed it meanwhile, BadInput for errors.
    """

    def edit(known: Categories) -> Categories:
        now = get_by_key(wanted.key, known)
        if _comparable_fields(now) == _comparable_fields(wanted):
            return known
        if fingerprint_of(now) != fingerprint:
            raise VersionConflict("Someone else has changed this category.")
        _raise_first(problems_among(wanted, known))
        former = (*now.former, now.slug) if wanted.slug != now.slug else now.former
        renamed = replace(wanted, key=now.key, former=tuple(slug for slug in former if slug != wanted.slug))
        left = _release_old_slug(wanted.slug, known)
        return tuple(renamed if each.key == now.key else each for each in left)

    _change(edit, write_audit)


def move_category(key: str, before: str | None, write_audit: AuditWriter = no_audit) -> None:
    """Move a category before another one, or to the end. Raises NotFound if either is gone."""

    def edit(known: Categories) -> Categories:
        moved = get_by_key(key, known)
        others = [each for each in known if each.key != key]
        place = others.index(get_by_key(before, others)) if before is not None else len(others)
        return (*others[:place], moved, *others[place:])

    if key != before:
        _change(edit, write_audit)


def remove_category(key: str, write_audit: AuditWriter = no_audit) -> None:
    """Remove a category without products, hidden ones included. Raises Conflict; an unknown category is ignored."""

    def edit(known: Categories) -> Categories:
        # Read after the category's row: a product that is added from now on changes the row, which makes the
        # removal fail.
        products = Listing.query(f"{ADMIN_PREFIX}{key}#newest", limit=1, consistent_read=True)
        name = next((each.name for each in known if each.key == key), "")
        if name and next(iter(products), None) is not None:
            raise Conflict(f"The category “{name}” still has products. Move them to another one first.")
        return tuple(each for each in known if each.key != key)

    _change(edit, write_audit)


def save_categories(drafts: Sequence[Category], write_audit: AuditWriter = no_audit) -> Categories:
    """Write these categories first, in their order; the shop's others follow. Raises BadInput for bad drafts."""
    _check_all(drafts)

    def edit(known: Categories) -> Categories:
        named = _named([(draft.slug, draft.name, draft.text) for draft in drafts], known)
        return (*named.values(), *(each for each in known if each.key not in named))

    return _change(edit, write_audit)


def name_categories(names: Mapping[str, str], write_audit: AuditWriter = no_audit) -> Categories:
    """Give categories, by slug, these names; they keep text and position, and new ones are added at the end."""
    _check_all([Category(slug, name, "") for slug, name in names.items()])

    def edit(known: Categories) -> Categories:
        named = _named([(slug, name, None) for slug, name in names.items()], known)
        return tuple(({each.key: each for each in known} | named).values())

    return _change(edit, write_audit)


def get_by_key(key: str, among: Sequence[Category]) -> Category:
    """Find a category by its key. Raises NotFound."""
    found = next((category for category in among if category.key == key), None)
    if found is None:
        raise NotFound("This category no longer exists.")
    return found


def _named(drafts: Sequence[tuple[str, str, str | None]], known: Categories) -> dict[str, Category]:
    """Return the categories that drafts of slug, name and text result in, existing or new, by key."""
    named: dict[str, Category] = {}
    for slug, name, text in drafts:
        old = categories.find_category(slug, known)
        if old is None:
            made = Category(slug, name, text or "", _free_key(slug, (*known, *named.values())))
        else:
            made = replace(old, name=name, text=old.text if text is None else text)
        named[made.key] = made
    return named


def _check_all(drafts: Sequence[Category]) -> None:
    for draft in drafts:
        _raise_first(validate_category(draft))
    if len({draft.slug for draft in drafts}) < len(drafts):
        raise BadInput("Two categories have the same slug.")


def _raise_first(problems: Iterator[ValidationError]) -> None:
    for problem in problems:
        raise BadInput(problem.message)


def _free_key(slug: str, known: Sequence[Category]) -> str:
    """Return an unused key for a slug. Another category may have been created with this slug and changed it since."""
    keys = {category.key for category in known}
    candidates = [
        slug,
        *(f"{slug[: MAX_SLUG_LENGTH - 3]}-{number}" for number in range(2, MAX_CATEGORIES + 2)),
    ]
    return next(key for key in candidates if key not in keys)


def _release_old_slug(slug: str, known: Categories) -> Categories:
    """Remove an earlier slug from the category that had it: another category uses it now."""
    return tuple(
        replace(category, former=tuple(old for old in category.former if old != slug)) for category in known
    )


def fingerprint_of(category: Category) -> str:
    """Return a fingerprint by which a change of name, slug or text is noticed."""
    return hashlib.sha256("\n".join(_comparable_fields(category)).encode()).hexdigest()[:16]


def _comparable_fields(category: Category) -> tuple[str, str, str]:
    return category.slug, category.name, category.text


# -- writing ----------------------------------------------------------------------------------------------


def _change(edit: Edit, write_audit: AuditWriter) -> Categories:
    """Read the categories, edit them, and write what differs; start again if another change was faster."""

    def read_and_write() -> Categories:
        stored = _read()
        wanted = edit(stored.categories)
        if wanted == stored.categories:
            return wanted
        if len(wanted) > max(MAX_CATEGORIES, len(stored.categories)):
            raise BadInput(f"The shop can have up to {MAX_CATEGORIES} categories.")
        _write(stored, wanted, write_audit)
        categories.clear_category_cache()
        cache.clear()
        return wanted

    return retry_contended(read_and_write, "Someone else is changing the categories. Please try again.")


def _read() -> _Stored:
    rows = {row.position: row for row in CategoryRow.query(CATEGORIES, consistent_read=True)}
    head = rows.pop(CategoryRow.HEAD, None)
    return _Stored(categories.in_order(rows.values()), rows, int(head.version) if head is not None else None)


def _write(stored: _Stored, wanted: Categories, write_audit: AuditWriter) -> None:
    transaction = Transaction()
    for place, category in enumerate(wanted, 1):
        row = CategoryRow(CATEGORIES, category.key)
        actions = _differences(stored.rows.get(category.key), category, place)
        if actions:
            transaction.update(category.key, row, actions)
    for key in stored.rows.keys() - {category.key for category in wanted}:
        arrivals = stored.rows[key].products_added
        nobody_came = (
            CategoryRow.products_added.does_not_exist()
            if arrivals is None
            else CategoryRow.products_added == arrivals
        )
        transaction.delete(key, CategoryRow(CATEGORIES, key), nobody_came)
    _write_head(transaction, stored.version)
    write_audit(transaction, *audit_fields.changed_categories(stored.categories, wanted))
    transaction.commit()


def _differences(row: CategoryRow | None, category: Category, place: int) -> list[Action]:
    # Never the whole row: products that are added meanwhile are counted in it.
    wanted: list[tuple[Any, Any]] = [
        (CategoryRow.slug, category.slug),
        (CategoryRow.name, category.name),
        (CategoryRow.text, category.text),
        (CategoryRow.previous_slugs, list(category.former)),
        (CategoryRow.sort_order, place),
    ]
    return [
        attribute.set(value)
        for attribute, value in wanted
        if row is None or getattr(row, attribute.attr_name) != value
    ]


def _write_head(transaction: Transaction, version: int | None) -> None:
    unchanged = CategoryRow.version.does_not_exist() if version is None else CategoryRow.version == version
    head = CategoryRow(CATEGORIES, CategoryRow.HEAD)
    transaction.update("head", head, [CategoryRow.version.set((version or 0) + 1)], unchanged)
