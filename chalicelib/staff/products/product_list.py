"""The list of products: searched, filtered, sorted, and edited inline; many rows, one save."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from chalice.app import Request, Response

from chalicelib.catalog import categories
from chalicelib.catalog.admin_products import ProductFilter, get_products, list_products
from chalicelib.catalog.editing import inline_edit
from chalicelib.catalog.models import SLUG
from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.products import product_list_form
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import query
from chalicelib.web.page_cache import cache

PATH = "/staff/products"
MAX_QUERY_LENGTH = 200
SORTS = {"": "Name", "newest": "Newest", "price": "Price"}
SHOWN = {"": "All", "visible": "Visible", "hidden": "Hidden"}
STOCKS = {"": "All", "low": "Low stock", "out": "Sold out"}
FILTERS = ("q", "category", "show", "stock", "sort")
# A full page of products with the maximum of variants; API Gateway takes 10 MB.
MAX_FIELDS = 25 * 36 * 8
MAX_BYTES = 1024 * 1024


def show(request: Request, member: StaffMember) -> Response:
    """Show a page of products."""
    form_data = {name: clean_line(query(request, name) or "") for name in FILTERS}
    after = query(request, "after")
    page = list_products(_parse_filter(form_data), after)
    return _page(
        member,
        form_data,
        rows=[product_list_form.row_of(product) for product in page.products],
        note=page.note,
        first=after is None,
        next_after=page.next_after,
        back=_address(form_data, after),
    )


def save(request: Request, member: StaffMember) -> Response:
    """Save what was changed in the list; rows that cannot be saved are shown again, the others are saved."""
    form = read_form(request, most_fields=MAX_FIELDS, most_bytes=MAX_BYTES)
    sheet = product_list_form.parse_list(form.values)
    back = _back(form.text("back"))
    write_audit = audit_log.writer_for(member, "edited the product list")
    outcomes = inline_edit.save_all(sheet.changes, layout.read_form_token(form), write_audit, sheet.bad)
    cache.clear()
    unsaved = {slug: outcome for slug, outcome in outcomes.items() if outcome is not None}
    saved = sheet.saved_lines(unsaved)
    if not unsaved:
        return layout.redirect_with_notice(
            f"{PATH}?{urlencode(back)}" if back else PATH, _format_saved(saved)
        )
    products = get_products([slug for slug in sheet.slugs if slug in unsaved])
    shown = (product_list_form.unsaved_row(each, sheet, unsaved[slug]) for slug, each in products.items())
    return _page(
        member,
        {name: dict(back).get(name, "") for name in FILTERS},
        409 if any(outcome.now or outcome.message for outcome in unsaved.values()) else 400,
        rows=[row for row in shown if row is not None],
        saved=_format_saved(saved) if saved else None,
        losses=product_list_form.unsaved_messages(products, unsaved),
        back=back,
    )


def _page(
    member: StaffMember,
    form_data: Mapping[str, str],
    status: int = 200,
    *,
    back: list[tuple[str, str]],
    **values: Any,
) -> Response:
    names = {category.key: category.name for category in categories.read_categories()}
    given: dict[str, Any] = {"note": None, "first": True, "next_after": None, "saved": None, "losses": []}
    return layout.render_page(
        member,
        "staff/products/list.html",
        status,
        typed=form_data,
        filtered=any(form_data[name] for name in ("q", "category", "show", "stock")),
        filters=[
            ("category", "Category", {"": "All", **names}),
            ("show", "Visibility", SHOWN),
            ("stock", "Stock", STOCKS),
            ("sort", "Sort by", SORTS),
        ],
        names=names,
        form=layout.new_form_token(),
        back=urlencode(back),
        unsaved=status != 200,
        **{**given, **values},
    )


def _parse_filter(form_data: Mapping[str, str]) -> ProductFilter:
    """Parse the filter. Raises BadInput for what no form of ours sends."""
    is_category = not form_data["category"] or SLUG.fullmatch(form_data["category"])
    known = form_data["sort"] in SORTS and form_data["show"] in SHOWN and form_data["stock"] in STOCKS
    if not is_category or not known:
        raise BadInput("This product list doesn’t exist. Please start again from the first page.")
    return ProductFilter(
        words=" ".join(form_data["q"].split())[:MAX_QUERY_LENGTH],
        category=form_data["category"] or None,
        hidden=None if not form_data["show"] else form_data["show"] == "hidden",
        most_left={"low": settings.shop.low_stock, "out": 0}.get(form_data["stock"]),
        sort=form_data["sort"] or "name",
    )


def _address(form_data: Mapping[str, str], after: str | None) -> list[tuple[str, str]]:
    """List the parameters that show a page again."""
    given = [*form_data.items(), ("after", after or "")]
    return [(name, value) for name, value in given if value]


def _back(text: str) -> list[tuple[str, str]]:
    """Return the parameters of the page that was edited; unknown ones are left out."""
    return [(name, value) for name, value in parse_qsl(text) if name in (*FILTERS, "after")]


def _format_saved(saved: int) -> str:
    if not saved:
        return "No changes to save."
    return "1 row saved." if saved == 1 else f"{saved} rows saved."
