"""One product: made, changed, taken out of the shop. Whoever saves never overwrites what somebody else saved meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.catalog import categories, markdown_text, offers
from chalicelib.catalog.editing.product_editing import Saved, Stale, save_product
from chalicelib.catalog.editing.product_validation import (
    LONGEST_NAME,
    LONGEST_OPTION,
    LONGEST_TEXT,
    MOST_OPTIONS,
    MOST_VARIANTS,
    ProductDraft,
)
from chalicelib.catalog.images.product_images import get_product
from chalicelib.catalog.models import Product, Stock, is_sku
from chalicelib.config import settings
from chalicelib.database.reads import read_many
from chalicelib.errors import BadInput, Busy, Conflict
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import Member
from chalicelib.staff.products.product_form import (
    MOST_BYTES,
    MOST_FIELDS,
    Typed,
    draft_of,
    propose_slug,
    read_typed,
    stored_draft,
    typed_of,
)
from chalicelib.staff.products.product_merge import (
    PARTS,
    differences,
    marks_of,
    merge,
    read_marks,
    write_marks,
)
from chalicelib.web.forms import Form, read_form
from chalicelib.web.page_cache import cache

TEMPLATE = "staff/products/detail.html"
SAVING = ("save", "mine", "theirs", "drop")
MOST = {
    "name": LONGEST_NAME,
    "option": LONGEST_OPTION,
    "text": LONGEST_TEXT,
    "options": MOST_OPTIONS,
    "variants": MOST_VARIANTS,
}
ALREADY_THERE = "There is a product with this address already. Please choose another one."


@dataclass
class _Shown:
    """What the page says beside the form."""

    status: int = 200
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    disputed: Sequence[str] = ()
    differences: Sequence[tuple[str, str, str]] = ()
    dropped: Sequence[str] = ()


# -- a new one --------------------------------------------------------------------------------------------


def show_new(request: Request, member: Member) -> Response:
    """Show an empty form."""
    today = clock.now().astimezone(settings.timezone).date().isoformat()
    typed = Typed(tax_rate=settings.shop.default_tax_rate, added=today)
    return _page(member, typed, None, _Shown())


def make(request: Request, member: Member) -> Response:
    """Make a product; pressing twice makes one."""
    form = _read(request)
    typed = read_typed(form)
    typed.slug = typed.slug or propose_slug(typed.name)
    if form.text("do") not in SAVING:
        return _once_more(member, typed, None, form)
    draft, errors = _draft(typed, [], _stocks(typed))
    if not (typed.slug or typed.name):
        errors.pop("slug", None)  # it is made of the name, which is missing: one fault, not two
    if errors:
        return _page(member, typed, None, _Shown(400, errors))
    try:
        save_product(draft, audit_log.witness(member, "made a product"), over=0)
    except Stale:
        there = get_product(draft.slug)
        if marks_of(stored_draft(there, _stocks(typed, there))) != marks_of(draft):
            return _page(member, typed, None, _Shown(409, {"slug": ALREADY_THERE}))
    except (BadInput, Conflict) as refusal:
        return _page(member, typed, None, _Shown(refusal.status, problem=refusal.message))
    cache.clear()
    return layout.go(
        f"/staff/products/{draft.slug}/pictures",
        f"“{draft.name}” is made. Now its pictures, if you have some.",
    )


# -- one that is there ------------------------------------------------------------------------------------


def show(request: Request, member: Member, slug: str) -> Response:
    """Show a product's form."""
    product = get_product(slug)
    stored = stored_draft(product, _stocks(Typed(), product))
    return _page(member, typed_of(stored), product, _Shown(seen=marks_of(stored)))


def save(request: Request, member: Member, slug: str) -> Response:
    """Save a product's form over the version that is there, or show what stands against it."""
    form = _read(request)
    typed = read_typed(form)
    typed.slug = slug
    if form.text("do") not in SAVING:
        return _once_more(member, typed, get_product(slug), form)
    for _ in range(5):
        try:
            return _save(member, form, typed)
        except Stale:
            continue  # somebody saved between our reading and our writing: put it together anew
    raise Busy("This product is being changed by somebody else. Please try again.")


def _save(member: Member, form: Form, typed: Typed) -> Response:
    product = get_product(typed.slug)
    stocks = _stocks(typed, product)
    stored = stored_draft(product, stocks)
    if form.text("do") == "theirs":
        _take(typed, form.text("disputed").split(","), stored)
    mine, errors = _draft(typed, stored.pictures, stocks)
    seen = read_marks(form.text("seen"))
    if errors:
        return _page(member, typed, product, _Shown(400, errors, seen=seen))
    merged = merge(mine, stored, seen)
    dropped = _dropped(merged.draft, stored)
    if merged.conflicts or (dropped and form.text("dropped").split() != dropped):
        _take(typed, merged.theirs, stored)
        said = differences(mine, stored, merged.conflicts)
        shown = _Shown(409, seen=marks_of(stored), disputed=merged.conflicts, differences=said)
        shown.dropped = [] if merged.conflicts else dropped
        return _page(member, typed, product, shown)
    try:
        witness = audit_log.witness(member, "changed a product")
        saved = save_product(merged.draft, witness, over=int(product.version))
    except Stale:
        raise
    except (BadInput, Conflict) as refusal:
        return _page(member, typed, product, _Shown(refusal.status, problem=refusal.message, seen=seen))
    cache.clear()
    return layout.go(f"/staff/products/{typed.slug}", _notice(saved, merged.theirs))


def _notice(saved: Saved, theirs: Sequence[str]) -> str:
    if saved is Saved.SAME:
        return "Everything was so already."
    words = f"Saved. The shop shows it within {settings.shop.page_seconds} seconds."
    kept = ", ".join(PARTS[part] for part in theirs)
    return f"{words} What somebody else changed meanwhile is kept: {kept}." if kept else words


def _take(typed: Typed, parts: Sequence[str], stored: ProductDraft) -> None:
    for part in parts:
        if part in PARTS:
            typed.take(part, typed_of(stored))


def _dropped(draft: ProductDraft, stored: ProductDraft) -> list[str]:
    kept = {variant.sku for variant in draft.variants}
    return [variant.sku for variant in stored.variants if variant.sku not in kept]


# -- both -------------------------------------------------------------------------------------------------


def _read(request: Request) -> Form:
    return read_form(request, most_fields=MOST_FIELDS, most_bytes=MOST_BYTES)


def _draft(
    typed: Typed, pictures: Sequence[offers.Picture], stocks: Mapping[str, Stock]
) -> tuple[ProductDraft, dict[str, str]]:
    draft, errors = draft_of(typed, pictures, stocks)
    if typed.category not in {category.key for category in categories.read_categories()}:
        errors["category"] = "Please choose a category."
    return draft, errors


def _stocks(typed: Typed, product: Product | None = None) -> dict[str, Stock]:
    skus = [variant["sku"] for variant in product.variants] if product is not None else []
    skus += [row.sku for row in typed.rows if is_sku(row.sku)]
    return read_many({Stock: skus})[Stock]


def _once_more(member: Member, typed: Typed, product: Product | None, form: Form) -> Response:
    """Show the form with a row more or less, or its text as shoppers will see it; nothing is saved."""
    what, _, number = form.text("do").partition(":")
    if what == "row":
        typed.lengthen()
    elif what == "option":
        typed.widen()
    elif what == "remove":
        typed.rows = [row for at, row in enumerate(typed.rows) if str(at) != number or row.known]
    return _page(member, typed, product, _Shown(seen=read_marks(form.text("seen"))))


def _page(member: Member, typed: Typed, product: Product | None, shown: _Shown) -> Response:
    stocks = _stocks(typed, product)
    values: dict[str, Any] = {
        "typed": typed,
        "product": product,
        "shown": shown,
        "seen": write_marks(shown.seen),
        "pieces": {sku: int(stock.available) for sku, stock in stocks.items()},
        "shelves": categories.read_categories(),
        "preview": markdown_text.html(typed.text),
        "most": MOST,
    }
    return layout.show(member, TEMPLATE, shown.status, **values)
