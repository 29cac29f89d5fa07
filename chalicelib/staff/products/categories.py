"""Categories: created, renamed, ordered and removed by the merchant."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalice.app import Request, Response

from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing import category_editing
from chalicelib.catalog.editing.category_editing import fingerprint_of, get_by_key, problems_among, slug_of
from chalicelib.catalog.editing.product_editing import VersionConflict
from chalicelib.catalog.editing.product_validation import MAX_NAME_LENGTH, MAX_TEXT_LENGTH, ValidationError
from chalicelib.errors import BadInput, Conflict, NotFound
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.web.forms import Form, read_form

PATH = "/staff/categories"
MAX_LENGTHS = {"name": MAX_NAME_LENGTH, "slug": category_editing.MAX_SLUG_LENGTH, "text": MAX_TEXT_LENGTH}
# A category's text may have 40 kB, three times that if every letter is escaped.
MAX_BYTES = 160 * 1024


NEW = "@new"  # the key of a new category; no other contains this sign


class Typed(NamedTuple):
    """A category as it was entered."""

    name: str
    slug: str
    text: str

    def as_category(self, key: str = NEW) -> Category:
        """Return the category; without a slug, with one derived from the name."""
        return Category(self.slug or slug_of(self.name), self.name, self.text, key)


NOTHING = Typed("", "", "")


# -- all of them ------------------------------------------------------------------------------------------


def list_categories(request: Request, member: StaffMember) -> Response:
    """Show the categories in the shop's order, and a form for a new one."""
    return _list(member)


def create(request: Request, member: StaffMember) -> Response:
    """Add a category behind the others."""
    form_data = _typed(read_form(request, most_bytes=MAX_BYTES))
    wanted = form_data.as_category()
    known = categories.read_categories()
    if any((each.slug, each.name, each.text) == (wanted.slug, wanted.name, wanted.text) for each in known):
        return layout.redirect_with_notice(PATH, f"“{wanted.name}” created.")  # pressed twice
    errors = _errors(problems_among(wanted, known))
    if not form_data.slug and "slug" in errors:
        errors["slug"] = "Please enter a URL: this name can’t be used to create one, or it’s already taken."
    if errors:
        return _list(member, form_data, errors, 400)
    try:
        category_editing.create_category(
            wanted.slug, wanted.name, wanted.text, audit_log.writer_for(member, "created a category")
        )
    except BadInput as refusal:  # there are too many categories, or another change was faster
        return _list(member, form_data, {"name": refusal.message}, 409)
    return layout.redirect_with_notice(
        PATH, f"“{wanted.name}” created. Add products to it on their own pages."
    )


def move(request: Request, member: StaffMember, key: str) -> Response:
    """Move a category before another one, or to the end."""
    before = read_form(request).text("before") or None
    try:
        category_editing.move_category(key, before, audit_log.writer_for(member, "reordered the categories"))
    except NotFound:
        return layout.redirect_with_notice(
            PATH, "Someone else has changed the categories. Please check their order and try again."
        )
    return layout.redirect_with_notice(PATH)


def _list(
    member: StaffMember,
    form_data: Typed = NOTHING,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    known = categories.read_categories()
    # Where the buttons move it: before the one above, and before the one after the next.
    keys = [category.key for category in known]
    rows = [(category, keys[max(0, place - 1)], [*keys, ""][min(place + 2, len(keys))])
              for place, category in enumerate(known)]  # fmt: skip
    return layout.render_page(
        member,
        "staff/products/categories.html",
        status,
        rows=rows,
        typed=form_data,
        errors=errors or {},
        most=MAX_LENGTHS,
        full=len(known) >= category_editing.MAX_CATEGORIES,
    )


# -- one --------------------------------------------------------------------------------------------------


def show(request: Request, member: StaffMember, key: str) -> Response:
    """Show one category to change it."""
    now = get_by_key(key, categories.read_categories())
    return _show(member, now, Typed(now.name, now.slug, now.text), {})


def change(request: Request, member: StaffMember, key: str) -> Response:
    """Change a category's name, text or slug."""
    form = read_form(request, most_bytes=MAX_BYTES)
    form_data = _typed(form)
    known = categories.read_categories()
    now = get_by_key(key, known)
    wanted = form_data.as_category(key)
    errors = _errors(problems_among(wanted, known))
    if errors:
        return _show(member, now, form_data, errors, 400, mark=form.text("mark"))
    try:
        category_editing.change_category(
            wanted, form.text("mark"), audit_log.writer_for(member, "changed a category")
        )
    except VersionConflict:
        return _show(member, get_by_key(key, categories.read_categories()), form_data, {}, 409, stale=True)
    return layout.redirect_with_notice(PATH, f"“{wanted.name}” saved.{_leads_on(now, wanted)}")


def remove(request: Request, member: StaffMember, key: str) -> Response:
    """Remove a category without products."""
    try:
        category_editing.remove_category(key, audit_log.writer_for(member, "deleted a category"))
    except Conflict as refusal:
        now = get_by_key(key, categories.read_categories())
        return _show(member, now, Typed(now.name, now.slug, now.text), {}, 409, refusal=refusal.message)
    return layout.redirect_with_notice(PATH, "Category deleted.")


def _show(
    member: StaffMember,
    now: Category,
    form_data: Typed,
    errors: Mapping[str, str],
    status: int = 200,
    *,
    mark: str | None = None,
    stale: bool = False,
    refusal: str | None = None,
) -> Response:
    """Show the form as it was entered. Its fingerprint is of what the member saw: by default the current category."""
    return layout.render_page(
        member,
        "staff/products/category.html",
        status,
        now=now,
        typed=form_data,
        errors=errors,
        mark=mark or fingerprint_of(now),
        stale=stale,
        refusal=refusal,
        most=MAX_LENGTHS,
    )


def _leads_on(before: Category, after: Category) -> str:
    return f" The old URL, /categories/{before.slug}, redirects to it." if before.slug != after.slug else ""


# -- forms ------------------------------------------------------------------------------------------------


def _typed(form: Form) -> Typed:
    return Typed(form.text("name"), form.text("slug"), form.lines("text"))


def _errors(problems: Iterable[ValidationError]) -> dict[str, str]:
    return {str(problem.path[0]): problem.message for problem in problems}
