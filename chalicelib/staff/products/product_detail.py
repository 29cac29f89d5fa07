"""Create and change a product. Saving never overwrites what someone else has saved meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.catalog import categories, markdown_text, offers
from chalicelib.catalog.editing.product_editing import SaveResult, VersionConflict, save_product
from chalicelib.catalog.editing.product_validation import (
    MAX_NAME_LENGTH,
    MAX_OPTION_LENGTH,
    MAX_OPTIONS,
    MAX_TEXT_LENGTH,
    MAX_VARIANTS,
    ProductDraft,
)
from chalicelib.catalog.images.product_images import get_product
from chalicelib.catalog.models import Product, Stock, is_sku
from chalicelib.config import settings
from chalicelib.database.reads import batch_get
from chalicelib.errors import BadInput, Conflict, ServiceUnavailable
from chalicelib.shop_settings import taxes
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.products.product_form import (
    MAX_BYTES,
    MAX_FIELDS,
    ProductForm,
    from_draft,
    propose_slug,
    read_typed,
    stored_draft,
    to_draft,
)
from chalicelib.staff.products.product_merge import (
    PARTS,
    differences,
    marks_of,
    merge,
    read_marks,
    write_marks,
)
from chalicelib.taxes.home_rates import find_home_rate
from chalicelib.taxes.tax_classes import NAMES, TaxClass
from chalicelib.web.forms import Form, read_form
from chalicelib.web.page_cache import cache

TEMPLATE = "staff/products/detail.html"
SAVING = ("save", "mine", "theirs", "drop")
MAX_LENGTHS = {
    "name": MAX_NAME_LENGTH,
    "option": MAX_OPTION_LENGTH,
    "text": MAX_TEXT_LENGTH,
    "options": MAX_OPTIONS,
    "variants": MAX_VARIANTS,
}
ALREADY_THERE = "Another product already has this URL. Please choose a different one."


@dataclass
class _FormState:
    """What the page shows beside the form."""

    status: int = 200
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    disputed: Sequence[str] = ()
    differences: Sequence[tuple[str, str, str]] = ()
    dropped: Sequence[str] = ()


# -- a new one --------------------------------------------------------------------------------------------


def show_new(request: Request, member: StaffMember) -> Response:
    """Show an empty form."""
    today = clock.today().isoformat()
    form_data = ProductForm(tax_class=TaxClass.STANDARD, added=today)
    return _page(member, form_data, None, _FormState())


def create(request: Request, member: StaffMember) -> Response:
    """Create a product; pressing twice creates one."""
    form = _read(request)
    form_data = read_typed(form)
    form_data.slug = form_data.slug or propose_slug(form_data.name)
    if form.text("do") not in SAVING:
        return _preview(member, form_data, None, form)
    draft, errors = _draft(form_data, [], _stocks(form_data))
    if not (form_data.slug or form_data.name):
        errors.pop("slug", None)  # it is derived from the name, which is missing: one error, not two
    if errors:
        return _page(member, form_data, None, _FormState(400, errors))
    try:
        save_product(draft, audit_log.writer_for(member, "created a product"), expected_version=0)
    except VersionConflict:
        there = get_product(draft.slug)
        if marks_of(stored_draft(there, _stocks(form_data, there))) != marks_of(draft):
            return _page(member, form_data, None, _FormState(409, {"slug": ALREADY_THERE}))
    except (BadInput, Conflict) as refusal:
        return _page(member, form_data, None, _FormState(refusal.status, problem=refusal.message))
    cache.clear()
    return layout.redirect_with_notice(
        f"/staff/products/{draft.slug}/pictures",
        f"“{draft.name}” created. You can add images now.",
    )


# -- one that is there ------------------------------------------------------------------------------------


def show(request: Request, member: StaffMember, slug: str) -> Response:
    """Show a product's form."""
    product = get_product(slug)
    stored = stored_draft(product, _stocks(ProductForm(), product))
    return _page(member, from_draft(stored), product, _FormState(seen=marks_of(stored)))


def save(request: Request, member: StaffMember, slug: str) -> Response:
    """Save a product's form over the current version, or show the conflicts."""
    form = _read(request)
    form_data = read_typed(form)
    form_data.slug = slug
    if form.text("do") not in SAVING:
        return _preview(member, form_data, get_product(slug), form)
    for _ in range(5):
        try:
            return _save(member, form, form_data)
        except VersionConflict:
            continue  # someone else saved between our reading and writing: merge again
    raise ServiceUnavailable("Someone else is changing this product. Please try again.")


def _save(member: StaffMember, form: Form, form_data: ProductForm) -> Response:
    product = get_product(form_data.slug)
    stocks = _stocks(form_data, product)
    stored = stored_draft(product, stocks)
    if form.text("do") == "theirs":
        _take(form_data, form.text("disputed").split(","), stored)
    mine, errors = _draft(form_data, stored.pictures, stocks)
    seen = read_marks(form.text("seen"))
    if errors:
        return _page(member, form_data, product, _FormState(400, errors, seen=seen))
    merged = merge(mine, stored, seen)
    dropped = _dropped(merged.draft, stored)
    if merged.conflicts or (dropped and form.text("dropped").split() != dropped):
        _take(form_data, merged.theirs, stored)
        said = differences(mine, stored, merged.conflicts)
        shown = _FormState(409, seen=marks_of(stored), disputed=merged.conflicts, differences=said)
        shown.dropped = [] if merged.conflicts else dropped
        return _page(member, form_data, product, shown)
    try:
        write_audit = audit_log.writer_for(member, "changed a product")
        saved = save_product(merged.draft, write_audit, expected_version=int(product.version))
    except VersionConflict:
        raise
    except (BadInput, Conflict) as refusal:
        return _page(
            member, form_data, product, _FormState(refusal.status, problem=refusal.message, seen=seen)
        )
    cache.clear()
    return layout.redirect_with_notice(f"/staff/products/{form_data.slug}", _notice(saved, merged.theirs))


def _notice(saved: SaveResult, theirs: Sequence[str]) -> str:
    if saved is SaveResult.SAME:
        return "No changes to save."
    message = f"Saved. Shoppers will see it within {settings.shop.page_seconds} seconds."
    kept = ", ".join(PARTS[part] for part in theirs)
    return f"{message} Changes made by someone else were kept: {kept}." if kept else message


def _take(form_data: ProductForm, parts: Sequence[str], stored: ProductDraft) -> None:
    for part in parts:
        if part in PARTS:
            form_data.take(part, from_draft(stored))


def _dropped(draft: ProductDraft, stored: ProductDraft) -> list[str]:
    kept = {variant.sku for variant in draft.variants}
    return [variant.sku for variant in stored.variants if variant.sku not in kept]


# -- both -------------------------------------------------------------------------------------------------


def _read(request: Request) -> Form:
    return read_form(request, most_fields=MAX_FIELDS, most_bytes=MAX_BYTES)


def _draft(
    form_data: ProductForm, pictures: Sequence[offers.Picture], stocks: Mapping[str, Stock]
) -> tuple[ProductDraft, dict[str, str]]:
    draft, errors = to_draft(form_data, pictures, stocks)
    if form_data.category not in {category.key for category in categories.read_categories()}:
        errors["category"] = "Please choose a category."
    return draft, errors


def _stocks(form_data: ProductForm, product: Product | None = None) -> dict[str, Stock]:
    skus = [variant["sku"] for variant in product.variants] if product is not None else []
    skus += [row.sku for row in form_data.rows if is_sku(row.sku)]
    return batch_get({Stock: skus})[Stock]


def _preview(member: StaffMember, form_data: ProductForm, product: Product | None, form: Form) -> Response:
    """Show the form with a row more or less, or a preview of its text; nothing is saved."""
    what, _, number = form.text("do").partition(":")
    if what == "row":
        form_data.add_variant()
    elif what == "option":
        form_data.add_option()
    elif what == "remove":
        form_data.rows = [row for at, row in enumerate(form_data.rows) if str(at) != number or row.known]
    return _page(member, form_data, product, _FormState(seen=read_marks(form.text("seen"))))


def _page(
    member: StaffMember, form_data: ProductForm, product: Product | None, shown: _FormState
) -> Response:
    stocks = _stocks(form_data, product)
    values: dict[str, Any] = {
        "typed": form_data,
        "product": product,
        "shown": shown,
        "seen": write_marks(shown.seen),
        "stock": {sku: int(stock.available) for sku, stock in stocks.items()},
        "categories": categories.read_categories(),
        "tax_classes": _tax_classes(),
        "preview": markdown_text.render_html(form_data.text),
        "most": MAX_LENGTHS,
    }
    return layout.render_page(member, TEMPLATE, shown.status, **values)


def _tax_classes() -> list[tuple[str, str]]:
    """List the tax classes, each with its name and its rate at home today: “Food (7% in Germany)”."""
    rules = taxes.current()
    rates = {each: find_home_rate(rules, each, clock.today()) for each in TaxClass}
    at_home = settings.shop.country_name(rules.country)
    return [
        (each, NAMES[each] + (f" ({rate}% in {at_home})" if rate else "")) for each, rate in rates.items()
    ]
